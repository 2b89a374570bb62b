"""Promised coverage over HTTP, and where nobody is on call."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.pagination import invalid_parameter
from apps.core.api.record_views import RecordViewSet
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import ObjectList, RecordSerializer
from apps.core.api.views import TenantView
from apps.core.authorization import Action, within_reach
from apps.organizations.api.calendars import WindowSerializer
from apps.users import coverage
from apps.users.api.on_call import LONGEST, USUAL, given_id, instant
from apps.users.models import OnCallCoverage, OnCallRota

MOST_TEAMS, MOST_GAPS = 200, 1_000


class CoverageSerializer(RecordSerializer):
    """When somebody of a team must be on call."""

    time_zone = strict.TimeZoneField(max_length=63)
    hours: Any = ObjectList(child=WindowSerializer(), required=False, max_length=70, help_text="Empty: always.")
    covered_from = strict.InstantField(required=False)

    class Meta:
        model = OnCallCoverage
        fields = ("id", "team", "time_zone", "hours", "covered_from", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE


class CoverageViewSet(RecordViewSet):
    """Promised coverage, one of a team. What would leave nobody on call in it is refused: here, and on rotas and overrides."""

    model = OnCallCoverage
    resource = "on_call"
    serializer_class = CoverageSerializer
    filterset_class = filters_for(OnCallCoverage, ("team", "created_at", "updated_at"))
    orderings = ("created_at",)
    default_ordering = "created_at"

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return coverage.create_coverage(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return coverage.change_coverage(record, actor=self.actor, at=timezone.now(), values=values)


class GapSerializer(serializers.Serializer[Any]):
    """A stretch in which a team's rotas name nobody."""

    team = serializers.UUIDField()
    name = serializers.CharField(help_text="The team's.")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    is_promised = serializers.BooleanField(help_text="Whether somebody must be on call then.")


class GapsSerializer(serializers.Serializer[Any]):
    results: Any = GapSerializer(many=True)


class GapsView(TenantView):
    """Where nobody is on call."""

    resource = "on_call"
    grants = {"get": Action.READ}
    parameters = frozenset({"team", "from", "to"})

    @extend_schema(
        responses=GapsSerializer,
        parameters=[
            OpenApiParameter("team", UUID, description="Of this team alone; of every team with a rota unless given."),
            OpenApiParameter("from", datetime, description="With offset; now unless given."),
            OpenApiParameter("to", datetime, description="At most 92 days after `from`; 31 unless given."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Of each team with a rota: at the hours promised to be covered, or at any where none are. As planned, with overrides."""
        now = timezone.now()
        begin = instant(self.query, "from", now)
        end = instant(self.query, "to", begin + min(USUAL, timedelta(days=31)))
        if not begin < end <= begin + LONGEST:
            raise invalid_parameter("to", "Accepted: after `from`, and at most 92 days after it.", "out_of_range")
        visible = within_reach(OnCallRota.objects.visible_to(self.actor), self.actor, Action.READ, self.resource)
        team_id = given_id(self.query, "team")
        if team_id is not None:
            visible = visible.filter(team_id=team_id)
        found = visible.order_by("team__name", "team_id").values_list("team_id", "team__name").distinct()
        teams = dict(found[: MOST_TEAMS + 1])
        if len(teams) > MOST_TEAMS:
            raise invalid_parameter("team", f"More than {MOST_TEAMS} teams have a rota; ask for one.", "required")
        rows = [
            {
                "team": gap.team_id,
                "name": teams[gap.team_id],
                "starts_at": gap.starts_at,
                "ends_at": gap.ends_at,
                "is_promised": gap.is_promised,
            }
            for gap in coverage.gaps_of(list(teams), begin, end, now=now)
        ]
        if len(rows) > MOST_GAPS:
            detail = f"There are more than {MOST_GAPS} gaps; accepted: a shorter time, or one team."
            raise invalid_parameter("to", detail, "out_of_range")
        return Response({"results": rows})
