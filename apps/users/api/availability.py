"""Presence and absences over HTTP, and how other records show them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer, StrictInput, strict_input
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.users import absences, availability
from apps.users.models import Absence, PresenceStatus, User


class OutOfOffice(serializers.Serializer[Any]):
    """Whether somebody is out of office now, until when, and who effectively stands in."""

    is_out = serializers.BooleanField()
    until = serializers.DateTimeField(allow_null=True)
    delegate = serializers.UUIDField(source="delegate_id", allow_null=True)


class ShowsAvailability(RecordViewSet, ABC):
    """Gives each row of an answer its `availability`, that of the person whom `person_of` names."""

    @abstractmethod
    def person_of(self, row: Any) -> UUID:
        """The id of the person whom `row` is about."""

    def represent_all(self, rows: list[Any]) -> list[Any]:
        people = {row.pk: self.person_of(row) for row in rows}
        found = availability.availability_of(set(people.values()), timezone.now())
        for row in rows:
            row.availability = found[people[row.pk]]
        return super().represent_all(rows)


class PresenceInput(StrictInput):
    status = strict.ChoiceField(choices=PresenceStatus.choices)


class PresenceAnswer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=PresenceStatus.choices)
    since = serializers.DateTimeField()


class PresenceView(TenantView):
    """The caller's own presence; `/auth/me/` shows it."""

    grants = {"patch": None}
    is_tenant_route = False

    @extend_schema(request=PresenceInput, responses=PresenceAnswer)
    def patch(self, request: Request) -> Response:
        """Say whether you are available, away or offline."""
        given = strict_input(PresenceInput(data=request.data))
        presence = availability.set_presence(actor=self.actor, at=timezone.now(), status=given["status"])
        return Response({"status": presence.status, "since": presence.since})


class PersonSerializer(RecordSerializer):
    """Somebody as those see them who may know no more than their name."""

    class Meta:
        model = User
        fields = ("id", "full_name")


class ColleagueSerializer(RecordSerializer):
    """Somebody, as records that name them embed them."""

    narrowed = PersonSerializer

    class Meta:
        model = User
        fields = ("id", "full_name", "email", "user_type", "is_active")
        read_only_fields = fields


class AbsenceSerializer(RecordSerializer):
    """A planned absence."""

    class Meta:
        model = Absence
        fields = ("id", "user", "starts_at", "ends_at", "delegate", "note", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE
        extra_kwargs: ClassVar[dict[str, Any]] = {"user": {"required": False}}
        expandable: ClassVar[dict[str, Any]] = {
            "user": (ColleagueSerializer, "users"),
            "delegate": (ColleagueSerializer, "users"),
        }


class AbsenceViewSet(RecordViewSet):
    """Who is out of office, from when to when, and who stands in."""

    model = Absence
    resource = "absences"
    serializer_class = AbsenceSerializer
    filterset_class = filters_for(Absence, ("user", "delegate", "starts_at", "ends_at", "created_at", "updated_at"))
    orderings = ("starts_at", "ends_at", "created_at")
    default_ordering = "-starts_at"

    def check_reach(self, record: Any) -> None:
        action = self.grants[self.action]
        assert isinstance(action, Action)
        absences.require_planning_for(record.user_id, action, actor=self.actor)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return absences.plan_absence(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return absences.change_absence(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        absences.delete_absence(record, actor=self.actor, at=timezone.now())
