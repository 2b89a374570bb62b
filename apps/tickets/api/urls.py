"""Where tickets live."""

from typing import Any

from rest_framework.routers import SimpleRouter

from apps.tickets.api.links import LinkViewSet
from apps.tickets.api.views import TicketViewSet
from apps.tickets.api.work import TaskViewSet, WorklogViewSet


class QueueRouter(SimpleRouter):
    """Leaves out what a view has taken away: a ticket is opened at its practice's address."""

    def get_method_map(self, viewset: Any, method_map: Any) -> dict[str, str]:
        return {method: name for method, name in method_map.items() if getattr(viewset, name, None) is not None}


router = SimpleRouter(use_regex_path=False)
router.register("tickets/<record:ticket_pk>/links", LinkViewSet, basename="ticket-links")
router.register("tickets/<record:ticket_pk>/worklogs", WorklogViewSet, basename="ticket-worklogs")
router.register("tickets/<record:ticket_pk>/tasks", TaskViewSet, basename="ticket-tasks")
queue = QueueRouter(use_regex_path=False)
queue.register("tickets", TicketViewSet, basename="tickets")

urlpatterns = [*router.urls, *queue.urls]
