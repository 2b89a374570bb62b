"""On-call rotas over HTTP: their configuration, their overrides, and who is on call at an instant."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.nested import NestedViewSet
from apps.core.api.pagination import invalid_parameter
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import ObjectList, RecordSerializer
from apps.core.api.views import TenantView
from apps.core.authorization import Action, require, within_reach
from apps.core.errors import NotFound
from apps.organizations.api.calendars import WindowSerializer
from apps.users import feeds, rosters, rotas
from apps.users.api.availability import ColleagueSerializer
from apps.users.models import OnCallOverride, OnCallRota
from apps.users.on_call import Shift, plan_at

MAX_MEMBERS = 100
MAX_ROTAS = 200
LONGEST = timedelta(days=92)
USUAL = timedelta(days=31)


class HandoverTimeField(strict.ClockField):
    """A day's end is the next day's start, so it is written as that."""

    default_error_messages = {"invalid": 'Not a time of day; accepted: "00:00" to "23:59".'}

    def to_internal_value(self, data: Any) -> str:
        clock = super().to_internal_value(data)
        if clock == "24:00":
            self.fail("invalid")
        return clock


class RotaSerializer(RecordSerializer):
    """A rota as it is now. `members` are user ids in the order of their turns."""

    is_active = strict.BooleanField(required=False)
    time_zone = strict.TimeZoneField(max_length=63)
    starts_on = strict.DateField()
    handover_weekday = strict.IntegerField(min_value=0, max_value=6, help_text="0 is Monday.")
    handover_time = HandoverTimeField()
    weeks_per_turn = strict.IntegerField(min_value=1, max_value=52, required=False)
    layer = strict.IntegerField(
        min_value=1, max_value=9, required=False, help_text="Of a team's rotas the first layer is called first."
    )
    hours: Any = ObjectList(
        child=WindowSerializer(), required=False, max_length=70, help_text="When it names anybody; empty: always."
    )
    members = serializers.ListField(child=strict.IdField(), allow_empty=False, max_length=MAX_MEMBERS)
    effective_at = strict.InstantField(
        write_only=True, required=False, help_text="From when on a change holds; now unless given, never before."
    )

    class Meta:
        model = OnCallRota
        fields = (
            "id", "name", "team", "layer", "is_active", "time_zone", "starts_on", "handover_weekday", "handover_time",
            "weeks_per_turn", "hours", "members", "effective_at", "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None and "effective_at" in attrs:
            detail = "A new rota holds from its start; accepted: leave it out."
            raise ValidationError({"effective_at": [serializers.ErrorDetail(detail, "not_on_create")]})
        return attrs


class ShiftAnswer(serializers.Serializer[Any]):
    """A stretch in which one person is called; `user` differs from `scheduled_user` where an override says so."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    user = serializers.UUIDField(allow_null=True)
    scheduled_user = serializers.UUIDField(allow_null=True)
    override = serializers.UUIDField(allow_null=True)


class Shifts(serializers.Serializer[Any]):
    rota = serializers.UUIDField()
    name = serializers.CharField()
    results: Any = ShiftAnswer(many=True)


class OnCallAnswer(ShiftAnswer):
    """Who is called at an instant, and why."""

    rota = serializers.UUIDField()
    name = serializers.CharField()
    team = serializers.UUIDField()
    layer = serializers.IntegerField()
    at = serializers.DateTimeField()
    because = serializers.ListField(child=serializers.CharField())


class OnCallNow(serializers.Serializer[Any]):
    results: Any = OnCallAnswer(many=True)


class RotaViewSet(RecordViewSet):
    """On-call rotas. A change holds from `effective_at` on; what was before stays true."""

    model = OnCallRota
    resource = "on_call"
    serializer_class = RotaSerializer
    filterset_class = filters_for(OnCallRota, ("name", "team", "created_at", "updated_at"))
    orderings = ("name", "created_at")
    default_ordering = "name"
    search_columns = ("name",)
    grants: ClassVar[Mapping[str, Action | None]] = {
        **RecordViewSet.grants,
        "who": Action.READ,
        "shifts": Action.READ,
    }

    def accepted_parameters(self) -> frozenset[str]:
        asked = {"who": frozenset({"at"}), "shifts": frozenset({"from", "to"})}
        return asked.get(self.action) or super().accepted_parameters()

    def shaped(self, queryset: Any) -> Any:
        return rosters.with_plans(super().shaped(queryset), at=timezone.now())

    def represent_all(self, rows: list[Any]) -> list[Any]:
        for row in rows:
            plans = rosters.plans_of(row)
            plan = plan_at(plans, timezone.now())
            for name in (*rosters.TIMED, "members"):
                setattr(row, name, getattr(plan, name, None))
            row.hours = rosters.shown_hours(plan) if plan else []
        return super().represent_all(rows)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return rotas.create_rota(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        changed = rotas.change_rota(record, actor=self.actor, at=timezone.now(), values=values)
        # Nobody hands a rota to a team where they could not have changed it.
        self.check_reach(changed)
        return changed

    def delete_record(self, record: Any) -> None:
        rotas.delete_rota(record, actor=self.actor, at=timezone.now())

    @extend_schema(
        responses=OnCallAnswer,
        parameters=[OpenApiParameter("at", datetime, description="With offset; now unless given.")],
    )
    @action(detail=True, methods=["get"])
    def who(self, request: Request, pk: Any) -> Response:
        """Who is on call at an instant: after overrides, absences and deactivations."""
        rota, now = self.record(), timezone.now()
        at = instant(self.query, "at", now)
        (found,) = rosters.on_call([rota], at=at, now=now)
        return Response(_answer(found, at))

    @extend_schema(
        responses=Shifts,
        parameters=[
            OpenApiParameter("from", datetime, description="With offset; now unless given."),
            OpenApiParameter("to", datetime, description="At most 92 days after `from`; 31 unless given."),
        ],
    )
    @action(detail=True, methods=["get"])
    def shifts(self, request: Request, pk: Any) -> Response:
        """The shifts of a period as planned, with overrides and without absences, cut at its ends."""
        rota = self.record()
        begin = instant(self.query, "from", timezone.now())
        end = instant(self.query, "to", begin + USUAL)
        if not begin < end <= begin + LONGEST:
            raise invalid_parameter("to", "Accepted: after `from`, and at most 92 days after it.", "out_of_range")
        found = rosters.shifts_of(rota, begin=begin, end=end)
        return Response({"rota": rota.pk, "name": rota.name, "results": [_shown(shift) for shift in found]})


class CalendarFileView(TenantView):
    """A rota for people's own calendars."""

    model = OnCallRota
    resource = "on_call"
    grants = {"get": Action.READ}
    parameters = frozenset({"user"})

    @extend_schema(
        responses={(200, "text/calendar"): OpenApiTypes.STR},
        parameters=[OpenApiParameter("user", UUID, description="The shifts of this person alone.")],
    )
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """The shifts of the last two weeks and the next twelve as an iCalendar file, for programs that subscribe to it."""
        visible = within_reach(OnCallRota.objects.visible_to(self.actor), self.actor, Action.READ, self.resource)
        rota = the_one(visible, pk)
        if rota is None:
            raise NotFound
        body = feeds.calendar_of(rota, at=timezone.now(), user_id=given_id(self.query, "user"))
        return HttpResponse(body, content_type="text/calendar; charset=utf-8")

    def handle_exception(self, exc: Exception) -> Response:
        """A calendar program asks its user for name and password when it is told that it may."""
        response = super().handle_exception(exc)
        if response.status_code == status.HTTP_401_UNAUTHORIZED:
            response["WWW-Authenticate"] += ', Basic realm="itsm"'
        return response


class OnCallNowView(TenantView):
    """Who is on call."""

    resource = "on_call"
    grants = {"get": Action.READ}
    parameters = frozenset({"team", "at"})

    @extend_schema(
        responses=OnCallNow,
        parameters=[
            OpenApiParameter("team", UUID, description="Of this team alone."),
            OpenApiParameter("at", datetime, description="With offset; now unless given."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Who is on call now, or at another instant, for each rota active then: by team, the layer that is called first first."""
        now = timezone.now()
        at = instant(self.query, "at", now)
        visible = within_reach(OnCallRota.objects.visible_to(self.actor), self.actor, Action.READ, self.resource)
        team_id = given_id(self.query, "team")
        if team_id is not None:
            visible = visible.filter(team_id=team_id)
        rows = rosters.with_plans(rosters.active(visible, at=at), at=None)
        found = list(rows.order_by("team__name", "layer", "name")[: MAX_ROTAS + 1])
        if len(found) > MAX_ROTAS:
            raise invalid_parameter("team", f"There are more than {MAX_ROTAS} rotas; ask for one team.", "required")
        return Response({"results": [_answer(each, at) for each in rosters.on_call(found, at=at, now=now)]})


class OverrideSerializer(RecordSerializer):
    """Somebody is called instead."""

    class Meta:
        model = OnCallOverride
        fields = ("id", "rota", "user", "starts_at", "ends_at", "reason", "created_at", "updated_at", "version")
        read_only_fields = (*ENVELOPE, "rota")
        expandable: ClassVar[dict[str, Any]] = {"user": (ColleagueSerializer, "users")}


class OverrideViewSet(NestedViewSet):
    """Overrides of a rota; where two overlap, the newer one holds. Planning them is changing the rota."""

    model = OnCallOverride
    resource = "on_call"
    serializer_class = OverrideSerializer
    filterset_class = filters_for(OnCallOverride, ("user", "starts_at", "ends_at", "created_at", "updated_at"))
    orderings = ("starts_at", "ends_at", "created_at")
    default_ordering = "-starts_at"
    grants: ClassVar[Mapping[str, Action | None]] = {
        **RecordViewSet.grants,
        **dict.fromkeys(("create", "partial_update", "destroy"), Action.UPDATE),
    }
    parent_key, parent_field = "rota_pk", "rota_id"

    def parents(self) -> Any:
        return within_reach(OnCallRota.objects.visible_to(self.actor), self.actor, Action.READ, self.resource)

    def visible(self) -> Any:
        # As far as the rota is the caller's to see; an override has no team of its own.
        return OnCallOverride.objects.visible_to(self.actor).filter(rota_id=self.parent().pk)

    def check_reach(self, record: Any) -> None:
        action = self.grants[self.action]
        assert isinstance(action, Action)
        require(self.actor, action, self.resource, self.parent())

    def create(self, request: Request, **keys: Any) -> Response:
        self.check_reach(None)
        return super().create(request, **keys)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return rotas.add_override(actor=self.actor, at=timezone.now(), rota=self.parent(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return rotas.change_override(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        rotas.delete_override(record, actor=self.actor, at=timezone.now())


def instant(query: Mapping[str, str], name: str, usual: datetime) -> datetime:
    """The instant that a parameter gives. Raises Invalid for a naive one, as for anything else that is none."""
    if name not in query:
        return usual
    try:
        return strict.InstantField().to_internal_value(query[name])
    except ValidationError as error:
        details: Any = error.get_full_details()
        raise invalid_parameter(name, details[0]["message"], details[0]["code"]) from error


def given_id(query: Mapping[str, str], name: str) -> UUID | None:
    """The id that a parameter gives, if any. Raises Invalid for what is none."""
    if name not in query:
        return None
    try:
        return UUID(query[name])
    except ValueError as error:
        raise invalid_parameter(name, f"{name} is not an id; accepted: a UUID.") from error


def _shown(shift: Shift) -> dict[str, Any]:
    return {
        "starts_at": shift.starts_at,
        "ends_at": shift.ends_at,
        "user": shift.user_id,
        "scheduled_user": shift.scheduled_id,
        "override": shift.override_id,
    }


def _answer(found: rosters.OnCall, at: datetime) -> dict[str, Any]:
    rota = found.rota
    named = {"rota": rota.pk, "name": rota.name, "team": rota.team_id, "layer": rota.layer, "at": at}
    return {**named, **_shown(found.shift), "user": found.user_id, "because": list(found.because)}
