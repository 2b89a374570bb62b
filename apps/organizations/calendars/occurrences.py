"""When something that repeats happens by a calendar: at the start's wall time on the rule's days, closed ones as asked."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import TextChoices

from apps.organizations.calendars.days import bounds_of, opens_on
from apps.organizations.calendars.hours import HORIZON, LAST, BeyondHorizon, OpenHours, add_business, instant_of
from apps.organizations.calendars.recurrence import Rule

MOST_OCCURRENCES = 366
# The last day whose end is still counted in every zone.
LAST_DAY = instant_of(LAST).date() - timedelta(days=3)


class OnClosedDay(TextChoices):
    """What becomes of an occurrence on a day without an open second."""

    KEEP = "keep"
    SKIP = "skip"
    NEXT_OPEN = "next_open"
    PREVIOUS_OPEN = "previous_open"


class Occurrence(NamedTuple):
    """`at` in UTC, the day that the calendar's clock shows then, and the day that the rule said."""

    at: datetime
    day: date
    rule_day: date


def occurrences(
    rule: Rule, start: datetime, hours: OpenHours, *, on_closed_day: str, most: int = MOST_OCCURRENCES
) -> list[Occurrence]:
    """The first `most` (at most 366) occurrences from `start` on, in order, one a day, within HORIZON.

    COUNT counts what the rule says, before anything is left out or falls together. One that has no open day to move to within
    HORIZON is left out; one that moves back may lie before `start`. A time that the clock skips is taken by the offset before
    (RFC 5545, 3.3.5), one that it repeats is the first of both.
    """
    return list(islice(_one_a_day(rule, start, hours, on_closed_day), min(most, MOST_OCCURRENCES)))


def _one_a_day(rule: Rule, start: datetime, hours: OpenHours, on_closed_day: str) -> Iterator[Occurrence]:
    zone = ZoneInfo(hours.time_zone)
    local = start.astimezone(zone).replace(tzinfo=None)
    last = min(local.date() + HORIZON, LAST_DAY)
    seen: date | None = None
    for said in rule.days(local, zone):
        if said > last:
            return
        day = _placed(said, hours, on_closed_day)
        if day is None:
            continue
        at = datetime.combine(day, local.time(), zone).astimezone(UTC)
        # Where a zone left out a whole day, what was said of it lies on the next one.
        shown = at.astimezone(zone).date()
        if shown != seen:
            seen = shown
            yield Occurrence(at, shown, said)


def _placed(day: date, hours: OpenHours, on_closed_day: str) -> date | None:
    if on_closed_day == OnClosedDay.KEEP or opens_on(day, hours):
        return day
    if on_closed_day == OnClosedDay.SKIP:
        return None
    begin, end = bounds_of(day, hours)
    try:
        if on_closed_day == OnClosedDay.NEXT_OPEN:
            second = add_business(end, 1, hours) - timedelta(seconds=1)
        else:
            second = add_business(begin, -1, hours)
    except BeyondHorizon:
        return None
    return second.astimezone(ZoneInfo(hours.time_zone)).date()
