"""How timers look over HTTP."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.serializers import ComputedField, RecordSerializer, StrictInput
from apps.sla import explaining
from apps.sla.choices import Agreement, EndReason, Metric, Outcome, Stage, Stretch
from apps.sla.models import Timer

# What a ticket's own page shows of each; the rest belongs to the list of timers.
OF_TICKET = (
    "id", "metric", "agreement", "stage", "target_seconds", "due_at", "original_due_at", "business_elapsed_seconds",
    "wall_elapsed_seconds", "remaining_seconds", "percent", "is_breached", "breached_at", "started_at", "ended_at", "policy",
    "calendar",
)  # fmt: skip


def measured(timer: Timer, context: Any) -> explaining.Measured:
    """Worked out once for a row and an answer."""
    known: explaining.Measured | None = vars(timer).get("_measured")
    if known is None:
        known = explaining.measure(timer, context.get("now") or timezone.now())
        vars(timer)["_measured"] = known
    return known


class MeasuredField(ComputedField):
    """What a timer comes to at the moment of the answer."""

    def computed(self, instance: Any, context: Any) -> Any:
        return getattr(measured(instance, context), str(self.field_name))


class MeasuredInteger(MeasuredField, serializers.IntegerField):
    """Seconds, or percent."""


class MeasuredBoolean(MeasuredField, serializers.BooleanField):
    """Yes or no."""


class MeasuredInstant(MeasuredField, serializers.DateTimeField):
    """UTC."""


class PolicyField(serializers.UUIDField, ComputedField):
    def computed(self, instance: Any, context: Any) -> Any:
        return instance.version.policy_id


class CalendarField(serializers.UUIDField, ComputedField):
    """None where it is always open."""

    def computed(self, instance: Any, context: Any) -> Any:
        return instance.calendar_version and instance.calendar_version.calendar_id


ENDED = [(value, label) for value, label in EndReason.choices if value]


class TimerSerializer(RecordSerializer):
    """One timer, as it stands now."""

    business_elapsed_seconds = MeasuredInteger(read_only=True)
    wall_elapsed_seconds = MeasuredInteger(read_only=True)
    remaining_seconds = MeasuredInteger(read_only=True)
    percent = MeasuredInteger(read_only=True)
    is_breached = MeasuredBoolean(read_only=True)
    breached_at = MeasuredInstant(read_only=True, allow_null=True)
    # None while it is live.
    end_reason = serializers.ChoiceField(choices=ENDED, allow_blank=True, read_only=True)
    policy = PolicyField(read_only=True)
    calendar = CalendarField(read_only=True, allow_null=True)

    class Meta:
        model = Timer
        fields = (
            "id", "ticket", "metric", "agreement", "stage", "cycle", "target_seconds", "started_at", "attached_at", "ended_at",
            "end_reason", "due_at", "original_due_at", "fixed_due_at", "set_because", "business_elapsed_seconds",
            "wall_elapsed_seconds", "paused_seconds", "remaining_seconds", "percent", "is_breached", "breached_at", "breach_seconds",
            "breach_wall_seconds", "policy", "version", "calendar", "calendar_version", "team", "next_due_at",
        )  # fmt: skip
        read_only_fields = fields


class DeadlineInput(StrictInput):
    """A deadline set by hand, and why."""

    due_at = strict.InstantField()
    reason = strict.TextField(max_length=2000)
    is_floating = strict.BooleanField(required=False)


class TicketTimerSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    metric = serializers.ChoiceField(choices=Metric.choices)
    agreement = serializers.ChoiceField(choices=Agreement.choices)
    stage = serializers.ChoiceField(choices=Stage.choices)
    target_seconds = serializers.IntegerField()
    due_at = serializers.DateTimeField(allow_null=True)
    original_due_at = serializers.DateTimeField()
    business_elapsed_seconds = serializers.IntegerField()
    wall_elapsed_seconds = serializers.IntegerField()
    remaining_seconds = serializers.IntegerField()
    percent = serializers.IntegerField()
    is_breached = serializers.BooleanField()
    breached_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    policy = serializers.UUIDField()
    calendar = serializers.UUIDField(allow_null=True)


class TicketTimersSerializer(serializers.Serializer[Any]):
    results = TicketTimerSerializer(many=True)


class StretchSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=Stretch.choices)
    began_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    business_seconds = serializers.IntegerField()
    wall_seconds = serializers.IntegerField()
    counted_seconds = serializers.IntegerField()
    because = serializers.CharField()
    why = serializers.CharField()
    event = serializers.UUIDField(allow_null=True)
    calendar_version = serializers.UUIDField(allow_null=True)
    team = serializers.UUIDField(allow_null=True)
    assignee = serializers.UUIDField(allow_null=True)


class ReachedSerializer(serializers.Serializer[Any]):
    level = serializers.UUIDField()
    words = serializers.CharField()
    due_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(choices=Outcome.choices, allow_null=True)
    fired_at = serializers.DateTimeField(allow_null=True)


class TimerExplanationSerializer(serializers.Serializer[Any]):
    stretches = StretchSerializer(many=True)
    levels = ReachedSerializer(many=True)
    counted_seconds = serializers.IntegerField()
    summary = serializers.CharField()
