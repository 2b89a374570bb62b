"""How policies, their versions and what a draft would do look over HTTP."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import strict
from apps.core.api.serializers import ComputedField, RecordSerializer, ReferringInput, StrictInput
from apps.sla import contents
from apps.sla.choices import Adoption, Agreement, Metric
from apps.sla.dry_runs import MOST_TICKETS, Effect
from apps.sla.models import Policy, PolicyVersion, Settings

ENVELOPE = ("id", "created_at", "updated_at", "version")
OBJECTS = {"type": "array", "items": {"type": "object", "additionalProperties": {}}}


@extend_schema_field(OBJECTS)
class ConditionField(serializers.JSONField):
    """A list of clauses, one of which must hold: `[{"priority": [1, 2], "kind": {"not": ["problem"]}}]`."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {}}})
class RulesField(serializers.JSONField):
    """By metric what differs from the usual."""


@extend_schema_field(OBJECTS)
class ObjectsField(serializers.JSONField):
    """Objects, which the service checks one by one."""


class SettingsSerializer(RecordSerializer):
    class Meta:
        model = Settings
        fields = ("selection", "created_at", "updated_at", "version")
        read_only_fields = ENVELOPE


class VersionOfField(serializers.UUIDField, ComputedField):
    """As the view annotates it."""

    def computed(self, instance: Any, context: Any) -> Any:
        return getattr(instance, str(self.field_name))


class PolicySerializer(RecordSerializer):
    """One promise; what it says is its published version's."""

    position = strict.IntegerField(min_value=0, max_value=1_000_000, required=False)
    published_version = VersionOfField(read_only=True, allow_null=True)
    draft_version = VersionOfField(read_only=True, allow_null=True)

    class Meta:
        model = Policy
        fields = (
            "id", "name", "description", "agreement", "position", "is_active", "published_version", "draft_version",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "is_active")


class TargetsField(ObjectsField, ComputedField):
    def computed(self, instance: Any, context: Any) -> Any:
        return [contents.target_of(target) for target in instance.targets.order_by("position")]


class LevelsField(ObjectsField, ComputedField):
    def computed(self, instance: Any, context: Any) -> Any:
        return [contents.level_of(level) for level in instance.levels.order_by("position")]


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class WarningsField(serializers.JSONField):
    """What is allowed, and probably not meant."""


class VersionRowSerializer(RecordSerializer):
    """A version as lists show it."""

    class Meta:
        model = PolicyVersion
        fields: tuple[str, ...] = (
            "id", "policy", "number", "state", "note", "created_at", "published_at", "retired_at",
        )  # fmt: skip
        read_only_fields = fields


class VersionSerializer(VersionRowSerializer):
    """A version with everything that it says, in the form in which a draft is written."""

    match = ConditionField(read_only=True)
    rules = RulesField(read_only=True)
    targets = TargetsField(read_only=True)
    levels = LevelsField(read_only=True)
    warnings = WarningsField(read_only=True)

    class Meta(VersionRowSerializer.Meta):
        fields = (*VersionRowSerializer.Meta.fields, "match", "rules", "targets", "levels", "warnings")
        read_only_fields = fields


class DraftInput(StrictInput):
    """A draft's content; what is wrong in it is named place by place."""

    match = ConditionField(required=False)
    rules = RulesField(required=False)
    targets = ObjectsField()
    levels = ObjectsField(required=False)
    note = strict.TextField(required=False, allow_blank=True, max_length=2000)


class PublishInput(ReferringInput):
    version = strict.ReferenceField(queryset=PolicyVersion.objects, required=False)
    adoption = strict.ChoiceField(choices=Adoption.choices, required=False)


class DryRunInput(ReferringInput):
    version = strict.ReferenceField(queryset=PolicyVersion.objects, required=False)
    limit = strict.IntegerField(min_value=1, max_value=MOST_TICKETS, required=False)


class CountsSerializer(serializers.Serializer[Any]):
    """Timers by what would become of them."""

    unchanged = serializers.IntegerField()
    moved = serializers.IntegerField()
    breached = serializers.IntegerField()
    unbreached = serializers.IntegerField()
    cancelled = serializers.IntegerField()


class MovedSerializer(serializers.Serializer[Any]):
    timer = serializers.UUIDField()
    ticket = serializers.UUIDField()
    number = serializers.CharField()
    agreement = serializers.ChoiceField(choices=Agreement.choices)
    metric = serializers.ChoiceField(choices=Metric.choices)
    effect = serializers.ChoiceField(choices=[each.value for each in Effect])
    due_at = serializers.DateTimeField(allow_null=True)
    new_due_at = serializers.DateTimeField(allow_null=True)
    is_breached = serializers.BooleanField()
    is_breached_then = serializers.BooleanField()


class DryRunSerializer(serializers.Serializer[Any]):
    """What a version, or a calendar's hours, would do to open tickets. Nothing of it is written."""

    version = serializers.UUIDField(allow_null=True, help_text="Null: of hours that are not written yet.")
    tickets = serializers.IntegerField(help_text="With timers of other versions.")
    looked_at = serializers.IntegerField()
    is_complete = serializers.BooleanField()
    counts = CountsSerializer()
    results: Any = MovedSerializer(many=True)
