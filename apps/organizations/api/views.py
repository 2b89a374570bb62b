"""The hand-written resources: what needs a service of its own, or a method that plain resources lack."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.bulk import BulkViewSet
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.api.serializers import strict_input
from apps.core.api.soft_delete import SoftDeleteViewSet
from apps.core.authorization import Action
from apps.organizations import calendar_records, services
from apps.organizations.api.calendars import (
    CalculateInput,
    OccurrencesInput,
    OccurrencesSerializer,
    ResultsSerializer,
)
from apps.organizations.api.resources import CALENDARS
from apps.organizations.api.serializers import DepartmentOutlineSerializer, OrganizationSerializer, TeamSerializer
from apps.organizations.calendars import calculations, hours_of, occurrences, rule_of
from apps.organizations.models import Department, Organization, Team


class DepartmentViewSet(RecordViewSet):
    """The organization chart: departments, each below another or on top. The users app serves it, with heads."""

    model = Department
    resource = "departments"
    serializer_class = DepartmentOutlineSerializer
    filterset_class = filters_for(Department, ("name", "parent", "cost_centre", "created_at", "updated_at"))
    orderings = ("name", "created_at")
    default_ordering = "name"
    search_columns = ("name",)

    def locked(self, request: Request) -> Any:
        services.lock_chart(self.actor.organization_id)
        return super().locked(request)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return services.change_department(record, actor=self.actor, at=timezone.now(), values=values)


class CalendarViewSet(CALENDARS.viewset()):  # type: ignore[misc]
    """Business calendars. A change of hours counts from then on: it writes the calendar's next version."""

    grants = {**CALENDARS.grants(), "calculate": Action.READ, "occurrences": Action.READ}

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return calendar_records.create_calendar(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return calendar_records.change_calendar(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        calendar_records.delete_calendar(record, actor=self.actor, at=timezone.now())

    @extend_schema(request=CalculateInput, responses=ResultsSerializer)
    @action(detail=True, methods=["post"])
    def calculate(self, request: Request, pk: Any) -> Response:
        """Business seconds between instants, and deadlines, by the hours that count now; up to 1,000 of either kind."""
        hours = hours_of(self.record().current)
        given = strict_input(CalculateInput(data=request.data))
        return Response({"results": calculations.answers(given["items"], hours)})

    @extend_schema(request=OccurrencesInput, responses=OccurrencesSerializer)
    @action(detail=True, methods=["post"])
    def occurrences(self, request: Request, pk: Any) -> Response:
        """When something that repeats would happen by the hours that count now, and what becomes of it on closed days."""
        hours = hours_of(self.record().current)
        given = strict_input(OccurrencesInput(data=request.data))
        found = occurrences(
            rule_of(given["rule"]),
            given["start"],
            hours,
            on_closed_day=given["on_closed_day"],
            most=given["count"],
        )
        return Response({"results": [each._asdict() for each in found]})


class TeamViewSet(BulkViewSet, SoftDeleteViewSet):
    """Teams of the caller's organization; deleted ones can be restored."""

    model = Team
    resource = "teams"
    grants = {**SoftDeleteViewSet.grants, **BulkViewSet.grants}
    serializer_class = TeamSerializer
    filterset_class = filters_for(Team, ("name", "email", "calendar", "created_at", "updated_at"))
    orderings = ("name", "created_at")
    default_ordering = "name"
    search_columns = ("name", "description", "email")


class CurrentOrganizationViewSet(RecordViewSet):
    """The caller's organization itself."""

    model = Organization
    resource = "organizations"
    serializer_class = OrganizationSerializer
    http_method_names = ["get", "patch", "head", "options"]
    grants = {"retrieve": Action.READ, "partial_update": Action.UPDATE}

    def record_id(self) -> Any:
        return self.actor.organization_id

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        return super().retrieve(request, pk)

    def partial_update(self, request: Request, pk: Any = None) -> Response:
        return super().partial_update(request, pk)
