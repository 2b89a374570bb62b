"""Verbs on calendars. Whatever changes a calendar's hours writes a version, and nothing else does."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models.deletion import ProtectedError

from apps.core import events, records
from apps.core.actors import Actor
from apps.core.errors import StillReferenced
from apps.organizations.calendars.rules import refuse_senseless
from apps.organizations.models import BusinessCalendar, CalendarVersion

HOURS = ("time_zone", "windows", "exceptions")


def create_calendar(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> BusinessCalendar:
    """A new calendar and its first version. Raises Invalid for hours that make no sense."""
    refuse_senseless(values["time_zone"], values["windows"], values.get("exceptions", []), at=at)
    calendar = records.create(BusinessCalendar, actor=actor, at=at, values=values)
    first_version(calendar, at=at).save(force_insert=True)
    return calendar


def change_calendar(
    calendar: BusinessCalendar,
    *,
    actor: Actor,
    at: datetime,
    values: Mapping[str, Any],
    beside: events.Changes | None = None,
) -> BusinessCalendar:
    """Change a locked calendar; where its hours differ then, its next version has them from `at` on.

    Raises Invalid for hours that make no sense.
    """
    before = _hours(calendar)
    after = {name: values.get(name, was) for name, was in before.items()}
    if after != before:
        refuse_senseless(**after, at=at)
    changed = records.change(calendar, actor=actor, at=at, values=values, beside=beside)
    if after != before:
        version = first_version(changed, at=at)
        version.number = changed.current.number + 1
        version.save(force_insert=True)
    return changed


def delete_calendar(calendar: BusinessCalendar, *, actor: Actor, at: datetime) -> None:
    """Really delete a locked calendar with its versions. Raises StillReferenced while anything counts with one of them."""
    try:
        calendar.versions.all().delete()
    except ProtectedError as refusal:
        kinds = sorted({str(other._meta.verbose_name_plural) for other in refusal.protected_objects})
        raise StillReferenced(f"Still referenced by {', '.join(kinds)}.") from refusal
    records.delete(calendar, actor=actor, at=at)


def first_version(calendar: BusinessCalendar, *, at: datetime) -> CalendarVersion:
    """The calendar's hours as a version, not yet saved."""
    return CalendarVersion(
        organization_id=calendar.organization_id, calendar=calendar, number=1, created_at=at, **_hours(calendar)
    )


def _hours(calendar: BusinessCalendar) -> dict[str, Any]:
    return {name: getattr(calendar, name) for name in HOURS}
