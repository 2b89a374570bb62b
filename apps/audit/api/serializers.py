"""How an event looks to an auditor."""

from apps.audit.models import Event
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
