"""Open hours of a stored calendar version. A version never changes, so what was compiled once is kept by its key."""

from typing import TYPE_CHECKING
from uuid import UUID

from apps.organizations.calendars.hours import OpenHours

if TYPE_CHECKING:
    from apps.organizations.models import CalendarVersion

KEPT = 1_000
_compiled: dict[UUID, OpenHours] = {}


def hours_of(version: "CalendarVersion") -> OpenHours:
    """The version's open hours, compiled once in a process; after a thousand of them from the start again."""
    hours = _compiled.get(version.pk)
    if hours is None:
        hours = OpenHours(version.time_zone, version.windows, version.exceptions)
        if len(_compiled) >= KEPT:
            _compiled.clear()
        _compiled[version.pk] = hours
    return hours
