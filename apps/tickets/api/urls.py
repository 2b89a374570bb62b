"""Where tickets live."""

from rest_framework.routers import SimpleRouter

from apps.tickets.api.configuration import (
    CategoryViewSet,
    CustomFieldViewSet,
    PriorityMatrixViewSet,
    TagViewSet,
)
from apps.tickets.api.links import LinkViewSet
from apps.tickets.api.views import TicketViewSet
from apps.tickets.api.work import TaskViewSet, WorklogViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tickets", TicketViewSet, basename="tickets")
router.register("tickets/<record:ticket_pk>/links", LinkViewSet, basename="ticket-links")
router.register("tickets/<record:ticket_pk>/worklogs", WorklogViewSet, basename="ticket-worklogs")
router.register("tickets/<record:ticket_pk>/tasks", TaskViewSet, basename="ticket-tasks")
router.register("categories", CategoryViewSet, basename="categories")
router.register("tags", TagViewSet, basename="tags")
router.register("custom-fields", CustomFieldViewSet, basename="custom-fields")
router.register("priority-matrix", PriorityMatrixViewSet, basename="priority-matrix")

urlpatterns = router.urls
