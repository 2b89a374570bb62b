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
# What a daily or weekly rule may say: with more it can be one that never comes true, looked for day by day until year 9999.
FREQUENT = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"})
EARLIEST_RECURRENCE = 1970
ACCEPTED = (
    f"accepted: an iCalendar file (RFC 5545, UTF-8) of at most {MOST_BYTES} bytes and {MOST_EVENTS} events, each with a DTSTART"
    f", repeated {', '.join(RECURRENCES).lower()} at most, and {MOST_CLOSINGS} days in the end"
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
        found.update(_closings_of(series, zone, first, after_last))
        if len(found) > MOST_CLOSINGS:
            raise _refused("too_many", "The file closes too many days")
        if time.thread_time() - started > MOST_CPU_SECONDS:
            raise _refused("too_complex", "The file's recurrences take too long to work out")
    return sorted(found)


def _parsed(file: bytes) -> icalendar.Calendar:
    try:
        calendar = icalendar.Calendar.from_ical(file.decode("utf-8-sig"))
    except Exception as error:
        # Whatever a stranger's file makes the library raise, it is the file that is wrong.
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
    rule = event.get("RRULE")
    if event.get("EXRULE") or not (rule is None or _is_accepted(rule, begin)):
        raise _refused("not_accepted", f"Event {number} repeats in a way that is not accepted")


def _is_accepted(rule: Any, begin: date) -> bool:
    """One rule, by the day at most, that goes forward and was not begun by the Romans."""
    if not isinstance(rule, icalendar.vRecur) or begin.year < EARLIEST_RECURRENCE:
        return False
    said, frequency = {str(name).upper() for name in rule}, rule.get("FREQ")
    return (
        frequency in [[accepted] for accepted in RECURRENCES]
        and all(isinstance(step, int) and step > 0 for step in rule.get("INTERVAL", [1]))
        and not {"BYHOUR", "BYMINUTE", "BYSECOND"} & said
        and (frequency in (["MONTHLY"], ["YEARLY"]) or said <= FREQUENT)
    )


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


def _closings_of(series: icalendar.Calendar, zone: ZoneInfo, first: date, after_last: date) -> set[Closing]:
    try:
        events = recurring_ical_events.of(series).between(first - DAY, after_last + DAY)
        kept = [event for event in events if str(event.get("STATUS", "")).upper() != "CANCELLED"]
        return {closing for event in kept for closing in _days_of(event, zone, first, after_last)}
    except Exception as error:
        # As in _parsed.
        raise _refused("malformed", "An event's times cannot be worked out") from error


def _days_of(event: Any, zone: ZoneInfo, first: date, after_last: date) -> Iterator[Closing]:
    """One occurrence between two days, cut at the zone's midnights."""
    begin, end = event["DTSTART"].dt, event["DTEND"].dt
    name = "".join(letter for letter in str(event.get("SUMMARY", "")) if letter.isprintable())[:LONGEST_NAME]
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
