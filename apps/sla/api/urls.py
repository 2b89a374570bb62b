"""Where service levels live."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.sla.api.views import TicketTimersView, TimerViewSet

router = SimpleRouter(use_regex_path=False)
router.register("sla/timers", TimerViewSet, basename="sla-timers")
urlpatterns = [path("tickets/<record:pk>/sla/", TicketTimersView.as_view(), name="ticket-sla"), *router.urls]
