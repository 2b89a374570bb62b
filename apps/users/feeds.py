"""On-call shifts as an iCalendar file (RFC 5545), for calendars that people look at anyway."""

from datetime import datetime, timedelta
from uuid import UUID

import icalendar

from apps.users.models import OnCallRota, User
from apps.users.rosters import shifts_of

BEHIND, AHEAD = timedelta(days=14), timedelta(days=84)
REFRESH = timedelta(hours=1)
# Of 52 weeks at most, and the hour of a change of the clocks.
LONGEST_TURN = timedelta(weeks=53)


def calendar_of(rota: OnCallRota, *, at: datetime, user_id: UUID | None = None) -> bytes:
    """The shifts around `at` (UTC) as planned: with overrides, without absences; of one person alone where one is named.

    A shift keeps its UID as long as its beginning, so that a program that reads the file again changes it in place.
    """
    # Looked at from a turn earlier, so that the first one shown has its own beginning.
    begin = at - BEHIND
    planned = shifts_of(rota, begin=begin - LONGEST_TURN, end=at + AHEAD)
    found = [each for each in planned if each.user_id is not None and each.ends_at > begin]
    if user_id is not None:
        found = [each for each in found if each.user_id == user_id]
    named = [each for shift in found for each in (shift.user_id, shift.scheduled_id) if each is not None]
    names: dict[UUID | None, str] = dict(User.objects.filter(pk__in=named).values_list("pk", "full_name"))
    calendar = icalendar.Calendar()
    calendar.add("PRODID", "-//ITSM//On call//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("X-WR-CALNAME", rota.name)
    calendar.add("REFRESH-INTERVAL", REFRESH, parameters={"VALUE": "DURATION"})
    for shift in found:
        event = icalendar.Event()
        event.add("UID", f"{rota.pk}-{shift.starts_at:%Y%m%dT%H%M%SZ}-{shift.user_id}@on-call")
        # Overrides change what is said and not the rota; as this file is said now, a program takes it for the newest word.
        event.add("DTSTAMP", at)
        event.add("DTSTART", shift.starts_at)
        event.add("DTEND", shift.ends_at)
        event.add("SUMMARY", f"{names.get(shift.user_id, 'Somebody')}: {rota.name}")
        if shift.override_id is not None:
            scheduled = names.get(shift.scheduled_id, "nobody")
            event.add("DESCRIPTION", f"Instead of {scheduled}.")
        calendar.add_component(event)
    body: bytes = calendar.to_ical()
    return body
