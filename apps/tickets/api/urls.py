"""Where tickets live."""

from rest_framework.routers import SimpleRouter

from apps.tickets.api.saved_views import SavedViewViewSet
from apps.tickets.api.views import TicketViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tickets", TicketViewSet, basename="tickets")
router.register("views", SavedViewViewSet, basename="views")

urlpatterns = router.urls
