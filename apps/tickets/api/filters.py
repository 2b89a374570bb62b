"""What a queue can be narrowed by."""

from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone
from django_filters import filters as f

from apps.core.api.filters import BooleanFilter, filters_for
from apps.tickets import clocks
from apps.tickets.models import Ticket

ME, NOBODY = "me", "none"


class PersonFormField(forms.Field):
    """An id, `me`, or `none` where nobody is."""

    def to_python(self, value: Any) -> Any:
        if value in {ME, NOBODY}:
            return value
        try:
            return UUID(str(value)) if value else None
        except ValueError as error:
            raise forms.ValidationError("Not a person; accepted: an id, me, none.", code="invalid") from error


class PersonFilter(f.Filter):
    field_class = PersonFormField

    def filter(self, qs: Any, value: Any) -> Any:
        """`me` is put in place by the view, which knows the caller."""
        if value is None:
            return qs
        return qs.filter(**{self.field_name: None if value == NOBODY else value})


def person(column: str) -> f.Filter:
    # django-filter has no types.
    make: Any = PersonFilter
    made: f.Filter = make(field_name=column)
    return made


def tagged(queryset: Any, name: str, value: str) -> Any:
    """With all of these tags, comma-separated."""
    return queryset.filter(tags__contains=[tag.strip().lower() for tag in value.split(",")])


def major(queryset: Any, name: str, value: bool) -> Any:
    return queryset.filter(is_major=value)


def by_sla(queryset: Any, name: str, value: str) -> Any:
    return clocks.narrowed(queryset, value, timezone.now())


class TicketFilter(
    filters_for(  # type: ignore[misc]
        Ticket,
        (
            "number",
            "kind",
            "status",
            "phase",
            "impact",
            "urgency",
            "priority",
            "category",
            "service",
            "configuration_item",
            "team",
            "source",
            "hold_reason",
            "hold_until",
            "opened_at",
            "responded_at",
            "resolved_at",
            "closed_at",
            "sla_due_at",
            "resolution_code",
            "reopen_count",
            "last_reopened_at",
            "reassignment_count",
            "parent",
            "merged_into",
            "major_status",
            "created_at",
            "updated_at",
        ),
    )
):
    """All fields of a ticket that an index or the open few make cheap."""

    assignee: Any = person("assignee_id")
    requester: Any = person("requester_id")
    opened_by: Any = person("opened_by_id")
    last_reopened_by: Any = person("last_reopened_by_id")
    watcher: Any = person("watchers__user_id")
    tags = f.CharFilter(method=tagged)
    is_major = BooleanFilter(method=major)
    sla = f.ChoiceFilter(choices=clocks.SlaState.choices, method=by_sla)
