"""Breaches, and how many promises were kept."""

from enum import StrEnum
from typing import Any, ClassVar

from django.utils import timezone
from django_filters import filters as f
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import NumberFilter, UUIDInFilter, filters_for
from apps.core.api.pagination import invalid_parameter
from apps.core.api.record_views import RecordViewSet
from apps.core.api.serializers import ComputedField
from apps.core.api.strict import IntegerField
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.organizations.models import Organization
from apps.sla import breakdown, compliance
from apps.sla.api.serializers import TimerSerializer
from apps.sla.choices import Agreement, Metric
from apps.sla.compliance import GroupBy
from apps.sla.models import Breach, Timer
from apps.tickets.models import Ticket


class OfTicketField(ComputedField):
    """A column of the timer's ticket, as it is now."""

    suffix = ""

    def computed(self, instance: Any, context: Any) -> Any:
        return getattr(instance.ticket, f"{self.field_name}{self.suffix}")


class OfTicketText(OfTicketField, serializers.CharField):
    """Words."""


class OfTicketInteger(OfTicketField, IntegerField):
    """A whole number."""


class OfTicketId(OfTicketField, serializers.UUIDField):
    """Of a record that the ticket names."""

    suffix = "_id"


class BreachSerializer(TimerSerializer):
    """A missed deadline, with whose ticket it is now. `breach_seconds` are there once it has ended."""

    number = OfTicketText(read_only=True)
    title = OfTicketText(read_only=True)
    priority = OfTicketInteger(read_only=True)
    team = OfTicketId(read_only=True, allow_null=True)
    assignee = OfTicketId(read_only=True, allow_null=True)

    class Meta:
        model = Breach
        fields = (
            "id", "ticket", "number", "title", "priority", "team", "assignee", "metric", "agreement", "stage", "cycle", "policy",
            "version", "calendar", "target_seconds", "started_at", "original_due_at", "due_at", "breached_at", "ended_at",
            "business_elapsed_seconds", "wall_elapsed_seconds", "breach_seconds", "breach_wall_seconds",
        )  # fmt: skip
        read_only_fields = fields


class BreachFilter(
    filters_for(  # type: ignore[misc]
        Timer, ("ticket", "metric", "agreement", "stage", "version", "breached_at", "started_at", "ended_at")
    )
):
    policy = f.UUIDFilter(field_name="version__policy_id")
    policy__in = UUIDInFilter(field_name="version__policy_id", lookup_expr="in")
    priority = NumberFilter(field_name="ticket__priority")
    team = f.UUIDFilter(field_name="ticket__team_id")
    team__in = UUIDInFilter(field_name="ticket__team_id", lookup_expr="in")
    assignee = f.UUIDFilter(field_name="ticket__assignee_id")


class BreachViewSet(RecordViewSet):
    """Deadlines that were missed, of the tickets that the caller sees, as the sweep has noted them."""

    model = Breach
    resource = "sla"
    http_method_names = ["get", "head", "options"]
    grants: ClassVar[Any] = {"list": Action.READ}
    serializer_class = BreachSerializer
    filterset_class = BreachFilter
    orderings = ("breached_at",)
    default_ordering = "-breached_at"
    export_grant = Action.CONFIGURE

    def visible(self) -> Any:
        found = Breach.objects.of_visible_tickets(self.actor, Ticket.objects.all())
        return found.select_related("ticket", "version", "calendar_version")


class ComplianceRowSerializer(serializers.Serializer[Any]):
    group = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    agreement = serializers.ChoiceField(choices=Agreement.choices)
    metric = serializers.ChoiceField(choices=Metric.choices)
    completed = serializers.IntegerField()
    met = serializers.IntegerField()
    missed = serializers.IntegerField()
    percent = serializers.IntegerField(allow_null=True)
    cancelled = serializers.IntegerField()
    average_business_seconds = serializers.IntegerField(allow_null=True)
    average_wall_seconds = serializers.IntegerField(allow_null=True)


class ComplianceSerializer(serializers.Serializer[Any]):
    """What was kept in a month, and what is counted as what."""

    period = serializers.CharField()
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    time_zone = serializers.CharField()
    group_by = serializers.ChoiceField(choices=[each.value for each in GroupBy])
    clock = serializers.CharField()
    population = serializers.CharField()
    cancelled = serializers.CharField()
    reopened = serializers.CharField()
    results: Any = ComplianceRowSerializer(many=True)


PERIOD = OpenApiParameter("period", str, description="A month, YYYY-MM, in the organization's zone; default: this one.")


class OfMonth(TenantView):
    """Something counted over a month, in groups."""

    resource = "sla"
    grants: ClassVar[Any] = {"get": Action.READ}
    parameters = frozenset({"group_by", "period"})

    def group(self, groups: type[StrEnum], default: str) -> str:
        """Raises Invalid."""
        given: str = self.query.get("group_by", default)
        if given not in list(groups):
            raise invalid_parameter("group_by", f"Accepted: {', '.join(groups)}.", "invalid_choice")
        return given

    def period(self) -> compliance.Period:
        """Raises Invalid."""
        zone = Organization.objects.values_list("time_zone", flat=True).get(pk=self.actor.organization_id)
        return compliance.month(self.query.get("period", compliance.month_of(timezone.now(), zone)), zone)


class ComplianceView(OfMonth):
    """Promises kept, by policy, team or priority."""

    @extend_schema(
        responses=ComplianceSerializer,
        parameters=[
            OpenApiParameter("group_by", str, enum=[each.value for each in GroupBy], default=GroupBy.POLICY.value),
            PERIOD,
        ],
    )
    def get(self, request: Request) -> Response:
        """A row for each group, agreement and metric."""
        group_by, period = self.group(GroupBy, GroupBy.POLICY.value), self.period()
        return Response(
            {
                "period": period.name,
                "begins_at": period.begins_at,
                "ends_at": period.ends_at,
                "time_zone": period.time_zone,
                "group_by": group_by,
                "clock": compliance.CLOCK,
                "population": compliance.POPULATION,
                "cancelled": compliance.CANCELLED,
                "reopened": compliance.REOPENED,
                "results": compliance.measure(self.actor, GroupBy(group_by), period),
            }
        )


class BreakdownRowSerializer(serializers.Serializer[Any]):
    group = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    tickets = serializers.IntegerField()
    counted_seconds = serializers.IntegerField()
    waiting_seconds = serializers.IntegerField()


class TotalsSerializer(serializers.Serializer[Any]):
    timers = serializers.IntegerField()
    counted_seconds = serializers.IntegerField()
    waiting_seconds = serializers.IntegerField()


class OfTeamSerializer(serializers.Serializer[Any]):
    """What a team or a supplier had promised, by the timers of each time it had a ticket."""

    team = serializers.UUIDField()
    name = serializers.CharField()
    agreement = serializers.ChoiceField(choices=Agreement.choices)
    timers = serializers.IntegerField()
    met = serializers.IntegerField()
    missed = serializers.IntegerField()
    counted_seconds = serializers.IntegerField()


class BreakdownSerializer(serializers.Serializer[Any]):
    """In whose hands the time to a resolution passed: the rows' counted seconds are the timers' own, to the second."""

    period = serializers.CharField()
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    time_zone = serializers.CharField()
    group_by = serializers.ChoiceField(choices=[each.value for each in breakdown.GroupBy])
    clock = serializers.CharField()
    population = serializers.CharField()
    totals = TotalsSerializer()
    results: Any = BreakdownRowSerializer(many=True)
    agreements: Any = OfTeamSerializer(many=True)


class BreakdownView(OfMonth):
    """Where the time went, by team or person."""

    @extend_schema(
        responses=BreakdownSerializer,
        parameters=[
            OpenApiParameter(
                "group_by",
                str,
                enum=[each.value for each in breakdown.GroupBy],
                default=breakdown.GroupBy.TEAM.value,
            ),
            PERIOD,
        ],
    )
    def get(self, request: Request) -> Response:
        """A row for each team or person that had tickets in hand, and what teams and suppliers had promised for it."""
        group_by, period = self.group(breakdown.GroupBy, breakdown.GroupBy.TEAM.value), self.period()
        found = breakdown.measure(self.actor, breakdown.GroupBy(group_by), period)
        return Response(
            {
                "period": period.name,
                "begins_at": period.begins_at,
                "ends_at": period.ends_at,
                "time_zone": period.time_zone,
                "group_by": group_by,
                "clock": compliance.CLOCK,
                "population": breakdown.POPULATION,
                **found,
            }
        )
