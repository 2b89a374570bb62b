"""How an event, and its delivery, look to an auditor."""

from apps.audit.models import Dispatch, Event
from apps.core.api import strict
from apps.core.api.serializers import RecordSerializer


class EventSerializer(RecordSerializer):
    """One fact, as it was written."""

    class Meta:
        model = Event
        fields = (
            "id", "name", "subject_type", "subject_id", "actor_kind", "actor_id", "actor_label", "at", "recorded_at",
            "request_id", "via", "is_historic", "changes", "data",
        )  # fmt: skip
        read_only_fields = fields


class DispatchSerializer(RecordSerializer):
    """One event that has not reached one of its consumers."""

    state = strict.ChoiceField(choices=["waiting", "dead"], read_only=True)

    class Meta:
        model = Dispatch
        fields = ("id", "event_id", "consumer", "state", "next_at", "attempts", "dead_at", "last_error")
        read_only_fields = fields
