"""Where holidays come from: a country's law as the `holidays` library knows it, and iCalendar files. Nothing here is stored."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import holidays
import icalendar
import recurring_ical_events

from apps.core.errors import FieldError, Invalid

MOST_YEARS, MOST_BYTES, MOST_EVENTS, MOST_CLOSINGS = 10, 1024 * 1024, 2_000, 2_000
# A file is expanded for the year it is read in and the four after it.
YEARS_AHEAD = 5
LONGEST_NAME = 200
# Some rules keep a computer busy for half a second and never come true; a file of nothing else is not worth the wait.
MOST_CPU_SECONDS = 5.0
RECURRENCES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
EARLIEST_RECURRENCE = 1970
ACCEPTED = (
    f"accepted: an iCalendar file (RFC 5545, UTF-8) of at most {MOST_BYTES} bytes and {MOST_EVENTS} events, each with DTSTART"
    f" and DTEND or DURATION, repeated {', '.join(RECURRENCES).lower()} at most, and {MOST_CLOSINGS} days in the end"
)
DAY = timedelta(days=1)


class Closing(NamedTuple):
    """A day, or with "HH:MM" times a part of one, on which a calendar may be closed."""

    date: date
    start: str
    end: str
    name: str


def public_holidays(country: str, region: str, years: Sequence[int], *, language: str) -> list[Closing]:
    """The public holidays of those years, with what is observed instead. Raises Invalid for an unknown country or region."""
    regions = holidays.list_supported_countries(include_aliases=False).get(country)
    if regions is None:
        detail = "Not a country whose holidays are known; accepted: an ISO 3166 code such as BR, DE or US."
        raise Invalid(errors=[FieldError("/country", "unknown_country", detail)])
    if region and region not in regions:
        detail = f"Not a region of {country}; accepted: {', '.join(regions) or 'none, this country has no regions'}."
        raise Invalid(errors=[FieldError("/region", "unknown_region", detail)])
    found = holidays.country_holidays(
        country, subdiv=region or None, years=years, language=_spoken(country, language), expand=False
    )
    return [Closing(day, "", "", name[:LONGEST_NAME]) for day, name in sorted(found.items()) if day.year in years]


def _spoken(country: str, language: str) -> str | None:
    """The library's name of the wanted language, where the country's holidays are translated into it."""
    known: Sequence[str] = holidays.list_localized_countries(include_aliases=False).get(country, [])
    wanted = language.replace("-", "_").lower()
    exact = [tag for tag in known if tag.lower() == wanted]
    near = [tag for tag in known if tag.split("_")[0].lower() == wanted.split("_")[0]]
    return next(iter([*exact, *near, *(tag for tag in known if tag == "en_US")]), None)


def closings_in(file: bytes, *, time_zone: str, at: datetime) -> list[Closing]:
    """What an iCalendar file says is closed, from the year of `at` on, as days of that zone; what repeats as real dates.

    Cancelled events are left out. Raises Invalid saying what is accepted.
    """
    if len(file) > MOST_BYTES:
        raise _refused("too_large", "The file is too large")
    calendar = _parsed(file)
    first, after_last = date(at.year, 1, 1), date(at.year + YEARS_AHEAD, 1, 1)
    zone, found = ZoneInfo(time_zone), set[Closing]()
    started = time.thread_time()
    for series in _series(calendar):
        for event in _occurrences(series, first, after_last):
            found.update(_days_of(event, zone, first, after_last))
            if len(found) > MOST_CLOSINGS:
                raise _refused("too_many", "The file closes too many days")
        if time.thread_time() - started > MOST_CPU_SECONDS:
            raise _refused("too_complex", "The file's recurrences take too long to work out")
    return sorted(found)


def _parsed(file: bytes) -> icalendar.Calendar:
    try:
        calendar = icalendar.Calendar.from_ical(file.decode("utf-8-sig"))
    except (ValueError, IndexError, KeyError) as error:
        raise _refused("malformed", "The file cannot be read") from error
    if not isinstance(calendar, icalendar.Calendar):
        raise _refused("malformed", "The file holds no VCALENDAR")
    events = calendar.walk("VEVENT")
    if not events or len(events) > MOST_EVENTS:
        raise _refused("no_events" if not events else "too_many", f"The file holds {len(events)} events")
    for number, event in enumerate(events, 1):
        _refuse_event(event, number)
    return calendar


def _refuse_event(event: Any, number: int) -> None:
    """Raises Invalid for what has no usable time, and for recurrences that no holiday has and no computer likes."""
    begin = None if event.errors else getattr(event.get("DTSTART"), "dt", None)
    if not isinstance(begin, date):
        raise _refused("malformed", f"Event {number} has no readable DTSTART, DTEND or rule")
    if event.get("EXRULE"):
        raise _refused("not_accepted", f"Event {number} has an EXRULE")
    rules = event.get("RRULE") or []
    for rule in rules if isinstance(rules, list) else [rules]:
        is_accepted = (
            isinstance(rule, icalendar.vRecur)
            and rule.get("FREQ") in [[frequency] for frequency in RECURRENCES]
            and all(isinstance(step, int) and step > 0 for step in rule.get("INTERVAL", [1]))
            and not {"BYHOUR", "BYMINUTE", "BYSECOND"} & set(rule)
            and begin.year >= EARLIEST_RECURRENCE
        )
        if not is_accepted:
            raise _refused("not_accepted", f"Event {number} repeats in a way that is not accepted")


def _series(calendar: icalendar.Calendar) -> Iterator[icalendar.Calendar]:
    """The file cut into one calendar for each event and its exceptions, with the zones that they speak of."""
    zones = calendar.walk("VTIMEZONE")
    by_uid: dict[str, list[Any]] = {}
    for number, event in enumerate(calendar.walk("VEVENT")):
        by_uid.setdefault(str(event.get("UID") or number), []).append(event)
    for events in by_uid.values():
        part = icalendar.Calendar()
        part.subcomponents = [*zones, *events]
        yield part


def _occurrences(series: icalendar.Calendar, first: date, after_last: date) -> list[Any]:
    try:
        found = recurring_ical_events.of(series).between(first - DAY, after_last + DAY)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise _refused("malformed", "A recurrence cannot be worked out") from error
    return [event for event in found if str(event.get("STATUS", "")).upper() != "CANCELLED"]


def _days_of(event: Any, zone: ZoneInfo, first: date, after_last: date) -> Iterator[Closing]:
    """One occurrence between two days, cut at the zone's midnights."""
    begin, end, name = event["DTSTART"].dt, event["DTEND"].dt, str(event.get("SUMMARY", ""))[:LONGEST_NAME]
    if isinstance(begin, datetime):
        start, stop = _local(begin, zone), _local(end, zone, is_end=True)
    else:
        start, stop = _midnight(begin), _midnight(max(end, begin + DAY))
    start, stop = max(start, _midnight(first)), min(stop, _midnight(after_last))
    while start < stop:
        midnight = _midnight(start.date())
        until = min(stop, midnight + DAY)
        if (start, until) == (midnight, midnight + DAY):
            yield Closing(start.date(), "", "", name)
        else:
            yield Closing(
                start.date(), f"{start:%H:%M}", "24:00" if until == midnight + DAY else f"{until:%H:%M}", name
            )
        start = until


def _midnight(day: date) -> datetime:
    """As a clock shows it, of no zone."""
    return datetime.combine(day, clock_time())


def _local(instant: datetime, zone: ZoneInfo, *, is_end: bool = False) -> datetime:
    """What the zone's clock shows then, in whole minutes; an instant without a zone is the clock's already."""
    shown = instant if instant.tzinfo is None else instant.astimezone(UTC).astimezone(zone)
    whole = shown.replace(second=0, microsecond=0, tzinfo=None)
    is_cut = is_end and (shown.second or shown.microsecond)
    return whole + timedelta(minutes=1) if is_cut else whole


def _refused(code: str, what: str) -> Invalid:
    return Invalid(errors=[FieldError("/file", code, f"{what}; {ACCEPTED}.")])
