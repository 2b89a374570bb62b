"""What is known about an incident beside its fields: how its handling measures, what it looks like, what it was as a major one."""

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from apps.cmdb.models import ConfigurationItem
from apps.core.api import strict
from apps.core.api.serializers import RecordSerializer, ReferringInput
from apps.incidents.choices import LeadRole, UpdateOutcome
from apps.incidents.duplicates import Likeness
from apps.incidents.metrics import Metrics
from apps.incidents.models import Incident
from apps.incidents.report import Report
from apps.tickets.api.timeline import TimelineEntrySerializer
from apps.tickets.models import Ticket


class MomentSerializer(serializers.Serializer[Any]):
    """When, and how long after opening; business seconds once organizations' calendars are counted."""

    at = serializers.DateTimeField(allow_null=True)
    wall_seconds = serializers.IntegerField(allow_null=True)
    business_seconds = serializers.IntegerField(allow_null=True)


class ResolvedSerializer(MomentSerializer):
    wall_seconds_without_requester = serializers.IntegerField(
        allow_null=True, help_text="Without the time that it waited for its requester."
    )


class MetricsSerializer(serializers.Serializer[Any]):
    """How the handling of one incident measures."""

    acknowledged = MomentSerializer()
    responded = MomentSerializer()
    resolved = ResolvedSerializer()
    on_hold_seconds = serializers.DictField(child=serializers.IntegerField(), help_text="By hold reason.")
    business_calendar = serializers.UUIDField(allow_null=True)
    reassignment_count = serializers.IntegerField()
    reopen_count = serializers.IntegerField()
    first_contact_resolution = serializers.BooleanField(
        allow_null=True, help_text="Solved by one agent's word; null while it is not resolved."
    )


def metrics_answer(incident: Incident, found: Metrics) -> dict[str, Any]:
    resolved = _moment(incident.resolved_at, found.resolved_seconds)
    return {
        "acknowledged": _moment(incident.acknowledged_at, found.acknowledged_seconds),
        "responded": _moment(incident.responded_at, found.responded_seconds),
        "resolved": {**resolved, "wall_seconds_without_requester": found.resolved_without_requester_seconds},
        "on_hold_seconds": found.on_hold,
        "business_calendar": None,
        "reassignment_count": found.reassignment_count,
        "reopen_count": found.reopen_count,
        "first_contact_resolution": found.is_first_contact_resolution,
    }


def _moment(at: Any, wall_seconds: int | None) -> dict[str, Any]:
    return {"at": at, "wall_seconds": wall_seconds, "business_seconds": None}


class AlikeTicketSerializer(RecordSerializer):
    """Of a suspected duplicate what it takes to look at it."""

    class Meta:
        model = Ticket
        fields = ("id", "number", "title", "status", "phase", "priority", "opened_at", "configuration_item", "team")


class SuspicionSerializer(serializers.Serializer[Any]):
    incident = AlikeTicketSerializer()
    percent = serializers.IntegerField(help_text="How alike the titles are.")
    is_same_item = serializers.BooleanField()


class SuspicionsSerializer(serializers.Serializer[Any]):
    results: Any = SuspicionSerializer(many=True)


class SuspicionInput(ReferringInput):
    """What somebody has typed so far."""

    title = strict.TextField(max_length=255)
    configuration_item = strict.ReferenceField(queryset=ConfigurationItem.objects, required=False, allow_null=True)


def suspicions_answer(found: Iterable[Likeness], context: dict[str, Any]) -> dict[str, Any]:
    serializer = AlikeTicketSerializer(context=context)
    return {
        "results": [
            {
                "incident": serializer.to_representation(likeness.ticket),
                "percent": likeness.percent,
                "is_same_item": likeness.is_same_item,
            }
            for likeness in found
        ]
    }


class TermSerializer(serializers.Serializer[Any]):
    """That somebody had a role, from when until when."""

    role = serializers.ChoiceField(choices=LeadRole.choices)
    user = serializers.UUIDField(source="user_id", allow_null=True)
    name = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True, help_text="null while they have it.")


class PromisedUpdateSerializer(serializers.Serializer[Any]):
    """One public update that was promised: by when, and what became of it."""

    promised_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    interval_minutes = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=UpdateOutcome.choices)
    ended_at = serializers.DateTimeField(allow_null=True, help_text="When it was given, or nobody waited any more.")
    given_by = serializers.UUIDField(source="given_by_id", allow_null=True)
    is_late = serializers.BooleanField()
    late_seconds = serializers.IntegerField(help_text="0 where it was in time.")
    intervals_missed = serializers.IntegerField()


class ReportSerializer(serializers.Serializer[Any]):
    """What a major incident was. Times and durations are null where it never came to that."""

    number = serializers.CharField()
    title = serializers.CharField()
    major_status = serializers.CharField(allow_blank=True)
    commander = serializers.UUIDField(allow_null=True)
    communications_lead = serializers.UUIDField(allow_null=True)
    update_interval_minutes = serializers.IntegerField(allow_null=True)
    opened_at = serializers.DateTimeField()
    proposed_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Resolved, or demoted.")
    opened_to_accepted_seconds = serializers.IntegerField(allow_null=True)
    proposed_to_accepted_seconds = serializers.IntegerField(allow_null=True)
    accepted_to_first_update_seconds = serializers.IntegerField(allow_null=True)
    accepted_to_ended_seconds = serializers.IntegerField(allow_null=True)
    opened_to_ended_seconds = serializers.IntegerField(allow_null=True)
    updates_given = serializers.IntegerField()
    updates_on_time = serializers.IntegerField()
    updates_late = serializers.IntegerField()
    updates_missed = serializers.IntegerField(help_text="Intervals that passed without one.")
    children_count = serializers.IntegerField(help_text="Of those the caller may see.")
    review_due_at = serializers.DateTimeField(allow_null=True)
    roles: Any = TermSerializer(many=True)
    updates: Any = PromisedUpdateSerializer(many=True)
    timeline: Any = TimelineEntrySerializer(many=True)


FROM_INCIDENT = ("number", "title", "major_status", "update_interval_minutes", "review_due_at")
FROM_REPORT = (
    "opened_at", "proposed_at", "accepted_at", "ended_at", "opened_to_accepted_seconds", "proposed_to_accepted_seconds",
    "accepted_to_first_update_seconds", "accepted_to_ended_seconds", "opened_to_ended_seconds", "updates_given",
    "updates_on_time", "updates_late", "updates_missed", "children_count",
)  # fmt: skip


def report_answer(incident: Incident, report: Report) -> dict[str, Any]:
    return {
        **{name: getattr(incident, name) for name in FROM_INCIDENT},
        "commander": incident.commander_id,
        "communications_lead": incident.communications_lead_id,
        **{name: getattr(report, name) for name in FROM_REPORT},
        "roles": TermSerializer(report.roles, many=True).data,
        "updates": PromisedUpdateSerializer(report.updates, many=True).data,
        "timeline": report.timeline,
    }
