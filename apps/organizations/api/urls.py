"""Where this app's resources live."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.organizations.api.holidays import CalendarVersionViewSet, HolidayProposalViewSet
from apps.organizations.api.resources import RESOURCES
from apps.organizations.api.views import CalendarViewSet, CurrentOrganizationViewSet, TeamViewSet

router = SimpleRouter(use_regex_path=False)
for resource in RESOURCES:
    resource.register(router)
router.register("sla/calendars", CalendarViewSet, basename="sla-calendars")
router.register("sla/calendars/<uuid:calendar_pk>/versions", CalendarVersionViewSet, basename="calendar-versions")
router.register(
    "sla/calendars/<uuid:calendar_pk>/holiday-proposals", HolidayProposalViewSet, basename="holiday-proposals"
)
router.register("teams", TeamViewSet, basename="teams")

urlpatterns = [
    path(
        "organizations/current/",
        CurrentOrganizationViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="organization-current",
    ),
    *router.urls,
]
