"""What time does to tickets, over HTTP: an organization's terms, and what comes next on one ticket."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import records
from apps.core.api import lookup, strict
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer
from apps.core.api.versions import expected_version
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.core.errors import NotFound
from apps.core.lifecycle import Phase
from apps.organizations.api.resources import CALENDARS
from apps.tickets import kinds
from apps.tickets.choices import Doing
from apps.tickets.closing import configuring, countdowns, terms
from apps.tickets.models import ClosingSettings, Countdown, Ticket
from apps.tickets.models.closing import MOST_DAYS, MOST_REMINDERS


class ClosingSettingsSerializer(RecordSerializer):
    """How long is waited for an answer, an objection, a reopening: days, by which days they are counted, 0 for off."""

    remind_after = serializers.ListField(
        child=strict.IntegerField(min_value=1, max_value=MOST_DAYS), max_length=MOST_REMINDERS, required=False
    )

    class Meta:
        model = ClosingSettings
        fields = (
            "calendar", "answer_days", "remind_after", "resolve_after", "close_days", "warn_after", "close_after",
            "reopen_days", "reopen_within", "reply_reopens", "ignores_thanks", "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE
        expandable: ClassVar[dict[str, Any]] = {"calendar": (CALENDARS.serializer(), "calendars")}


class ClosingSettingsViewSet(RecordViewSet):
    """When requesters are reminded, and when tickets are resolved, closed, and closed for good."""

    model = ClosingSettings
    resource = configuring.RESOURCE
    serializer_class = ClosingSettingsSerializer
    http_method_names = ["get", "patch", "head", "options"]
    grants: ClassVar[Any] = {"retrieve": Action.READ, "partial_update": Action.CONFIGURE}

    def record(self) -> Any:
        at = timezone.now()
        return self.visible().first() or ClosingSettings(
            organization_id=self.actor.organization_id, created_at=at, updated_at=at
        )

    def locked(self, request: Request) -> Any:
        """Made by the first change where there is none."""
        version = expected_version(request, is_required=self.caller.requires_if_match)
        row = configuring.settings(self.actor.organization_id, at=timezone.now())
        return records.lock(ClosingSettings, row.pk, actor=self.actor, expected_version=version)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return configuring.change(record, actor=self.actor, at=timezone.now(), values=values)

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        return self.single(self.record())

    def partial_update(self, request: Request, pk: Any = None) -> Response:
        return super().partial_update(request, pk)


class ComingSerializer(serializers.Serializer[Any]):
    """One thing that will happen unless somebody does something: `days` after it began, counted by business or calendar days."""

    action = serializers.ChoiceField(choices=Doing.choices, source="doing")
    at = serializers.DateTimeField()
    days = serializers.IntegerField(help_text="0 where an instant was named.")
    unit = serializers.CharField(help_text="business or calendar; empty where an instant was named.")


class UpcomingSerializer(serializers.Serializer[Any]):
    """`since` when it is counted, null while it waits for people; `reopens_until` of what is closed, null: for good."""

    since = serializers.DateTimeField(allow_null=True)
    reopens_until = serializers.DateTimeField(allow_null=True)
    results = ComingSerializer(many=True)


class UpcomingView(TenantView):
    """What time will do to a ticket, and when, by the organization's terms as they are now."""

    model = Ticket
    resource = kinds.RESOURCE
    grants: ClassVar[Any] = {"get": Action.READ}

    @extend_schema(responses=UpcomingSerializer)
    def get(self, request: Request, pk: Any) -> Response:
        """In order of time. What is overdue is done by the next sweep."""
        tickets = Ticket.objects.visible_to(self.actor).alive()
        ticket = the_one(tickets, lookup.id_of(pk, tickets, kinds.NUMBERS))
        if ticket is None:
            raise NotFound
        row = Countdown.objects.filter(ticket_id=ticket.pk).first()
        now = terms.current()
        answer = {
            "since": row.since if row is not None else None,
            "reopens_until": now.reopens_until(ticket.closed_at) if ticket.phase == Phase.CLOSED else None,
            "results": countdowns.foretold(row, ticket, now) if row is not None else [],
        }
        return Response(UpcomingSerializer(answer).data)
