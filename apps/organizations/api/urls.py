"""Where this app's resources live."""

from django.urls import path

from apps.core.api.routers import RecordRouter
from apps.organizations.api.holidays import CalendarVersionViewSet, HolidayProposalViewSet
from apps.organizations.api.resources import RESOURCES
from apps.organizations.api.views import CalendarViewSet, CurrentOrganizationViewSet, TeamViewSet

router = RecordRouter()
for resource in RESOURCES:
    resource.register(router)
router.register("sla/calendars", CalendarViewSet, basename="sla-calendars")
router.register("sla/calendars/<uuid:calendar_pk>/versions", CalendarVersionViewSet, basename="calendar-versions")
router.register("teams", TeamViewSet, basename="teams")

PROPOSALS = "sla/calendars/<uuid:calendar_pk>/holiday-proposals/"
# Not by the router: they are made by verbs alone.
proposals = [
    path(PROPOSALS, HolidayProposalViewSet.as_view({"get": "list"}), name="holiday-proposals-list"),
    path(
        f"{PROPOSALS}<uuid:pk>/", HolidayProposalViewSet.as_view({"get": "retrieve"}), name="holiday-proposals-detail"
    ),
    *(
        path(f"{PROPOSALS}{verb}/", HolidayProposalViewSet.as_view({"post": action}), name=f"holiday-proposals-{verb}")
        for verb, action in (
            ("propose", "propose"),
            ("import", "upload"),
            ("confirm", "confirm"),
            ("dismiss", "dismiss"),
        )
    ),
]

urlpatterns = [
    path(
        "organizations/current/",
        CurrentOrganizationViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="organization-current",
    ),
    *proposals,
    *router.urls,
]
