"""Where tickets live."""

from rest_framework.routers import SimpleRouter

from apps.tickets.api.views import TicketViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tickets", TicketViewSet, basename="tickets")

urlpatterns = router.urls
