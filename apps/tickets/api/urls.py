"""Where tickets live."""

from typing import Any

from rest_framework.routers import SimpleRouter

from apps.tickets.api.saved_views import SavedViewViewSet
from apps.tickets.api.views import TicketViewSet


class QueueRouter(SimpleRouter):
    """Leaves out what a view has taken away: a ticket is opened at its practice's address."""

    def get_method_map(self, viewset: Any, method_map: Any) -> dict[str, str]:
        return {method: name for method, name in method_map.items() if getattr(viewset, name, None) is not None}


router = SimpleRouter(use_regex_path=False)
router.register("views", SavedViewViewSet, basename="views")
queue = QueueRouter(use_regex_path=False)
queue.register("tickets", TicketViewSet, basename="tickets")

urlpatterns = [*router.urls, *queue.urls]
