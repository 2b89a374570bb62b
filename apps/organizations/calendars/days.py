"""Business days: whole open days counted from an instant, by the local clock of whoever is open."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.organizations.calendars.hours import (
    HORIZON,
    BeyondHorizon,
    OpenHours,
    add_business,
    business_between,
    instant_of,
    seconds_of,
)


def bounds_of(day: date, hours: OpenHours) -> tuple[datetime, datetime]:
    """The midnights between which that day lies, by the local clock of the hours."""
    begin, end = (
        datetime.combine(each, datetime.min.time(), ZoneInfo(hours.time_zone))
        for each in (day, day + timedelta(days=1))
    )
    return begin, end


def opens_on(day: date, hours: OpenHours) -> bool:
    """Whether that local day has an open second. Raises BeyondHorizon outside the years that are counted."""
    return business_between(*bounds_of(day, hours), hours) > 0


def days_later(start: datetime, days: int, hours: OpenHours) -> datetime:
    """The same local time so many open days later, or the last closing time until then. A day counts that is open at all.

    Raises BeyondHorizon.
    """
    zone = ZoneInfo(hours.time_zone)
    start = instant_of(seconds_of(start))
    day = start.astimezone(zone).date()
    last = day + HORIZON
    # Finding the n-th open day costs a look at each.
    while days:
        if day >= last:
            raise BeyondHorizon(f"{days} open days more than {HORIZON.days} days hold; accepted: fewer.")
        day += timedelta(days=1)
        days -= opens_on(day, hours)
    wanted = datetime.combine(day, start.astimezone(zone).time(), zone).astimezone(start.tzinfo)
    begin = datetime.combine(day, datetime.min.time(), zone)
    if hours.is_open(wanted):
        return wanted
    opened = hours.intervals(begin, wanted)
    # Before the first opening of that day, its opening; after closing time, the closing.
    return opened[-1][1] if opened else add_business(wanted, 1, hours) - timedelta(seconds=1)
