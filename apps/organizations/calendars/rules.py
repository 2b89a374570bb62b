"""Which hours make sense. One set of rules, whoever writes them: the API, the admin, a confirmed holiday."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from apps.core.errors import FieldError, Invalid
from apps.core.validators import zone_names
from apps.organizations.calendars.hours import OpenHours, seconds_of
from apps.organizations.calendars.weeks import DAY, WEEK_DAYS, clock, stretch_of

MOST_WINDOWS, MOST_EXCEPTIONS = 70, 2_000
# Whoever overlaps more often learns nothing from the rest.
MOST_FAULTS = 100
OPEN_WITHIN = timedelta(days=366)
NO_ZONE = "Not a time zone; accepted: an IANA name such as Europe/Berlin."
WEEK = WEEK_DAYS * DAY

Entries = Sequence[Mapping[str, Any]]


def refuse_senseless(time_zone: str, windows: Entries, exceptions: Entries, *, at: datetime) -> None:
    """Raises Invalid with pointers: no zone, an overlap, no length, or not one open second in the 366 days after `at`."""
    faults = [] if time_zone in zone_names() else [FieldError("/time_zone", "unknown_zone", NO_ZONE)]
    faults += [*_faults("windows", windows, MOST_WINDOWS), *_faults("exceptions", exceptions, MOST_EXCEPTIONS)]
    faults = faults or [*_overlapping_windows(windows), *_overlapping_exceptions(exceptions)]
    faults = faults or _never_open(OpenHours(time_zone, windows, exceptions), at)
    if faults:
        raise Invalid(errors=faults[:MOST_FAULTS])


def _faults(name: str, entries: Entries, most: int) -> list[FieldError]:
    if len(entries) > most:
        return [FieldError(f"/{name}", "max_length", f"Too many; accepted: at most {most}.")]
    found = (_fault(f"/{name}/{place}", entry) for place, entry in enumerate(entries))
    return [fault for fault in found if fault is not None]


def _fault(pointer: str, entry: Mapping[str, Any]) -> FieldError | None:
    given = [name for name in ("start", "end") if entry.get(name)]
    if len(given) == 1 or (entry.get("kind") == "open" and not given):
        missing = next(name for name in ("start", "end") if name not in given)
        return FieldError(f"{pointer}/{missing}", "required", "start and end go together; open needs both.")
    if given and (clock(entry["start"]) == DAY or entry["start"] == entry["end"]):
        detail = "It has no length; accepted: a start before 24:00 and another end, 00:00 to 24:00 for the whole day."
        return FieldError(f"{pointer}/end", "out_of_range", detail)
    return None


def _overlapping_windows(windows: Entries) -> list[FieldError]:
    """A week is a circle: what runs over midnight on Sunday meets Monday."""
    placed = sorted(
        (window["weekday"] * DAY + start, window["weekday"] * DAY + end, place)
        for place, window in enumerate(windows)
        for start, end in [stretch_of(window)]
    )
    faults = _overlapping("windows", placed)
    if placed and not faults:
        last_end, last = max((end, place) for _, end, place in placed)
        if last_end - WEEK > placed[0][0]:
            faults.append(_overlap("windows", last))
    return faults


def _overlapping_exceptions(exceptions: Entries) -> list[FieldError]:
    """Those of one kind; where a closed and an open one meet, the open one counts."""
    faults: list[FieldError] = []
    for kind in ("closed", "open"):
        placed = sorted(
            (day * DAY + start, day * DAY + end, place)
            for place, exception in enumerate(exceptions)
            if exception["kind"] == kind
            for day in [date.fromisoformat(str(exception["date"])).toordinal()]
            for start, end in [stretch_of(exception)]
        )
        faults.extend(_overlapping("exceptions", placed))
    return faults


def _overlapping(name: str, placed: list[tuple[int, int, int]]) -> list[FieldError]:
    faults, reached = [], -1
    for start, end, place in placed:
        if start < reached:
            faults.append(_overlap(name, place))
        reached = max(reached, end)
    return faults


def _overlap(name: str, place: int) -> FieldError:
    detail = "It overlaps another one of them; accepted: stretches that do not overlap, also over midnight."
    return FieldError(f"/{name}/{place}/start", "overlap", detail)


def _never_open(hours: OpenHours, at: datetime) -> list[FieldError]:
    if hours.between(seconds_of(at), seconds_of(at + OPEN_WITHIN)):
        return []
    detail = f"Nothing is open in the next {OPEN_WITHIN.days} days; accepted: hours with an open second among them."
    return [FieldError("/windows", "never_open", detail)]
