"""How tickets look over HTTP, and what their verbs read."""

import re
from collections.abc import Callable
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.cmdb.api.serializers import ConfigurationItemSerializer, ServiceSerializer
from apps.core.api import strict
from apps.core.api.serializers import ComputedField, RecordSerializer, ReferringInput, StrictInput
from apps.organizations.api.serializers import TeamSerializer
from apps.organizations.models import Team
from apps.tickets import custom_fields, kinds
from apps.tickets.choices import HoldReason, Priority, ResolutionCode
from apps.tickets.models import Comment, Ticket
from apps.tickets.models.configuration import KEY
from apps.users.api.availability import ColleagueSerializer
from apps.users.models import User

TEXT = 20_000
WRITABLE = (
    "title", "description", "impact", "urgency", "category", "service", "configuration_item", "requester", "assignee",
    "team", "source", "tags", "custom_fields",
)  # fmt: skip
FIELDS = (
    "id", "number", "kind", "title", "description", "status", "phase", "impact", "urgency", "priority",
    "priority_override_reason", "category", "service", "configuration_item", "requester", "opened_by", "assignee", "team",
    "source", "tags", "custom_fields", "hold_reason", "hold_until", "opened_at", "responded_at", "resolved_at", "closed_at",
    "sla_due_at", "resolution_code", "resolution_notes", "reopen_count", "last_reopened_at", "last_reopened_by",
    "reassignment_count", "merged_into", "created_at", "updated_at", "version", "deleted_at", "friendly_status", "allowed_transitions",
)  # fmt: skip


@extend_schema_field({"type": "object", "additionalProperties": {}, "description": "By the keys of /custom-fields/."})
class CustomFieldsField(ComputedField):
    """Values by key. Their types are the organization's to declare, so the service checks them."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict) or not all(re.fullmatch(KEY.regex, str(key)) for key in data):
            raise serializers.ValidationError(
                "Not an object; accepted: values by the keys of /custom-fields/.", "invalid"
            )
        return data

    def computed(self, instance: Any, context: Any) -> Any:
        values = instance.custom_fields
        if not values:
            return {}
        key, actor = ("custom fields", instance.kind), context["actor"]
        readable = _once(context, key, lambda: custom_fields.readable(instance.kind, actor=actor))
        return values if readable is None else {key: value for key, value in values.items() if key in readable}


def _once(context: Any, key: Any, work_out: Callable[[], Any]) -> Any:
    """What is the same for every row of one answer, worked out for the first of them."""
    if key not in context:
        context[key] = work_out()
    return context[key]


class TicketSerializer(RecordSerializer):
    """A ticket of any kind: what every queue shows."""

    requester = strict.ReferenceField(queryset=User.objects, required=False)
    tags = serializers.ListField(child=strict.TextField(max_length=50), required=False, max_length=50)
    custom_fields = CustomFieldsField(required=False)
    # In the words of whoever waits for it.
    friendly_status = serializers.CharField(read_only=True)
    hold_reason = strict.WordField(read_only=True)
    resolution_code = strict.WordField(read_only=True)
    allowed_transitions = serializers.SerializerMethodField()

    class Meta:
        model: ClassVar[type[Any]] = Ticket
        fields: tuple[str, ...] = FIELDS
        read_only_fields: tuple[str, ...] = tuple(name for name in FIELDS if name not in WRITABLE)
        expandable: ClassVar[dict[str, Any]] = {
            "requester": (ColleagueSerializer, "users"),
            "opened_by": (ColleagueSerializer, "users"),
            "last_reopened_by": (ColleagueSerializer, "users"),
            "assignee": (ColleagueSerializer, "users"),
            "team": (TeamSerializer, "teams"),
            "service": (ServiceSerializer, "configuration_items"),
            "configuration_item": (ConfigurationItemSerializer, "configuration_items"),
        }

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_allowed_transitions(self, ticket: Any) -> list[str]:
        """What the caller may do with it now."""
        if ticket.deleted_at is not None:
            return []
        lifecycle, actor, status = kinds.get(ticket.kind).lifecycle, self.context["actor"], ticket.status
        at = _once(self.context, "now", timezone.now)
        granted = _once(self.context, (ticket.kind, status), lambda: lifecycle.granted(status, actor=actor))
        if granted is None:
            return lifecycle.allowed(ticket, actor=actor, at=at)
        return [name for name, guard in granted if guard is None or guard(ticket, actor, at) is None]


# --- what the verbs read


class NoInput(StrictInput):
    """Nothing: `{}`."""


class AssignInput(ReferringInput):
    team = strict.ReferenceField(queryset=Team.objects, required=False, allow_null=True)
    assignee = strict.ReferenceField(queryset=User.objects, required=False, allow_null=True)
    note = strict.TextField(required=False, allow_blank=True, max_length=TEXT)


class HoldInput(StrictInput):
    reason = strict.ChoiceField(choices=HoldReason.choices)
    comment = strict.TextField(required=False, allow_blank=True, max_length=TEXT)
    until = strict.InstantField(required=False)


class CommentInput(StrictInput):
    comment = strict.TextField(required=False, allow_blank=True, max_length=TEXT)


class ResolveInput(StrictInput):
    resolution_code = strict.ChoiceField(choices=ResolutionCode.choices)
    resolution_notes = strict.TextField(max_length=TEXT)


class ReasonInput(StrictInput):
    reason = strict.TextField(max_length=2000)


class EscalateInput(ReferringInput):
    to = strict.ChoiceField(choices=["functional", "hierarchical"])
    team = strict.ReferenceField(queryset=Team.objects, required=False)
    reason = strict.TextField(max_length=2000)


class OverrideInput(StrictInput):
    priority = strict.IntegerField(
        min_value=min(Priority.values), max_value=max(Priority.values), required=True, allow_null=True
    )
    reason = strict.TextField(required=False, allow_blank=True, max_length=2000)


class MergeInput(ReferringInput):
    into = strict.ReferenceField(queryset=Ticket.objects)


class SplitInput(ReferringInput):
    comment = strict.ReferenceField(queryset=Comment.objects)
    title = strict.TextField(max_length=255)


class FollowUpInput(StrictInput):
    """What differs from the ticket that it follows up."""

    title = strict.TextField(max_length=255, required=False)
    description = strict.TextField(max_length=100_000, required=False)


class ConvertInput(StrictInput):
    to = strict.TextField(max_length=20)


class TagsInput(StrictInput):
    tags = serializers.ListField(child=strict.TextField(max_length=50), min_length=1, max_length=50)
