"""Where service levels live."""

from django.urls import path

from apps.core.api.routers import RecordRouter
from apps.sla.api.calendars import CalendarDryRunView, CalendarMigrationView
from apps.sla.api.escalation import AcknowledgeView, EscalationPolicyViewSet, TicketEscalationView
from apps.sla.api.policies import PolicyVersionViewSet, PolicyViewSet, SettingsViewSet
from apps.sla.api.reports import BreachViewSet, BreakdownView, ComplianceView
from apps.sla.api.views import TicketTimersView, TimerViewSet

router = RecordRouter()
router.register("sla/policies", PolicyViewSet, basename="sla-policies")
router.register("sla/policies/<uuid:policy_pk>/versions", PolicyVersionViewSet, basename="sla-versions")
router.register("escalation-policies", EscalationPolicyViewSet, basename="escalation-policies")
router.register("sla/timers", TimerViewSet, basename="sla-timers")
router.register("sla/breaches", BreachViewSet, basename="sla-breaches")
urlpatterns = [
    path("tickets/<record:pk>/sla/", TicketTimersView.as_view(), name="ticket-sla"),
    path("tickets/<record:pk>/escalation/", TicketEscalationView.as_view(), name="ticket-escalation"),
    path("tickets/<record:pk>/acknowledge/", AcknowledgeView.as_view(), name="ticket-acknowledge"),
    path("sla/breakdown/", BreakdownView.as_view(), name="sla-breakdown"),
    path(
        "sla/calendars/<uuid:pk>/migrate/",
        CalendarMigrationView.as_view(),
        name="sla-calendars-migrate",
    ),
    path(
        "sla/calendars/<uuid:pk>/dry-run/",
        CalendarDryRunView.as_view(),
        name="sla-calendars-dry-run",
    ),
    path("sla/compliance/", ComplianceView.as_view(), name="sla-compliance"),
    path(
        "sla/settings/",
        SettingsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="sla-settings",
    ),
    *router.urls,
]
