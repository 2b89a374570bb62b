"""How a job looks to whoever watches it."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.serializers import RecordSerializer
from apps.core.models import Job


@extend_schema_field({"type": "array", "items": {"type": "object", "additionalProperties": {}}})
class ErrorsField(serializers.JSONField):
    """What was wrong with which row: `{"row", "code", "detail"}`."""


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ResultField(serializers.JSONField):
    """What came of it; each kind of job says that in its own words."""


class JobSerializer(RecordSerializer):
    """Long work: how far it is, and what came of it."""

    progress = strict.IntegerField(read_only=True, min_value=0, max_value=100)
    errors = ErrorsField(read_only=True)  # type: ignore[assignment]
    result = ResultField(read_only=True)

    class Meta:
        model = Job
        fields = (
            "id", "kind", "state", "progress", "total", "done", "errors", "result", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields
