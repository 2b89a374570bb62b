"""Open hours compiled for arithmetic, and the two questions that everything else asks of them.

Instants are aware datetimes; arithmetic is in whole seconds since 1970, fractions cut off. A local time is open when the
local clock, as it stands at that instant, is inside a window: a window that starts in a spring gap opens at the first valid
instant, and an hour that the clock repeats in autumn is open in both passes.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

from apps.core.errors import DomainError
from apps.organizations.calendars import zones
from apps.organizations.calendars.weeks import DAY, Piece, Week, merged

# No walk goes further from where it starts. A calendar that opens an hour a week is served ten years, not for ever.
HORIZON = timedelta(days=3660)
REACH = HORIZON.days * DAY
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
FIRST, LAST = zones.year_start(zones.FIRST_YEAR), zones.year_start(zones.LAST_YEAR + 1)
FIRST_STRETCH_YEARS = 2


class BeyondHorizon(DomainError):
    """The answer lies further away than any walk goes, or outside the years that calendars count. A refusal, never a guess."""

    status = 422
    code = "beyond_horizon"
    title = "That is further away than business time is counted"


class Table(NamedTuple):
    """What is compiled so far: every open interval between two instants, and the open seconds before each."""

    low: int
    high: int
    starts: "array[int]"
    ends: "array[int]"
    # Open seconds between `low` and the start of the same place.
    before: "array[int]"
    total: int

    def count(self, instant: int) -> int:
        """Open seconds from `low` to `instant`, which lies within."""
        place = bisect_right(self.starts, instant) - 1
        if place < 0:
            return 0
        return self.before[place] + min(instant, self.ends[place]) - self.starts[place]


class OpenHours:
    """When something is open, for all time: immutable, and compiled year by year as far as anybody asked.

    `windows` and `exceptions` as a calendar keeps them. Safe to share between threads: a longer table replaces the shorter
    one as a whole.
    """

    __slots__ = ("_table", "_week", "time_zone")

    def __init__(
        self, time_zone: str, windows: Iterable[Mapping[str, Any]], exceptions: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        self.time_zone = time_zone
        self._week = Week(windows, exceptions)
        self._table: Table | None = None

    def __repr__(self) -> str:
        return f"OpenHours({self.time_zone})"

    def intervals(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """The open intervals between two instants, in UTC, cut off at both. Raises BeyondHorizon."""
        low, high = seconds_of(start), seconds_of(end)
        table = self._covering(low, max(low, high))
        first = bisect_right(table.ends, low)
        last = bisect_left(table.starts, high)
        return [
            (instant_of(max(table.starts[place], low)), instant_of(min(table.ends[place], high)))
            for place in range(first, last)
        ]

    def is_open(self, instant: datetime) -> bool:
        """Whether business time passes in the second that begins then. Raises BeyondHorizon."""
        second = seconds_of(instant)
        table = self._covering(second, second + 1)
        place = bisect_right(table.starts, second) - 1
        return place >= 0 and second < table.ends[place]

    def between(self, first: int, second: int) -> int:
        """Open seconds from one second since 1970 to another; negative when the second is earlier."""
        low, high = (first, second) if first <= second else (second, first)
        table = self._table
        if table is None or low < table.low or high > table.high:
            table = self._covering(low, high)
        return table.count(second) - table.count(first)

    def after(self, start: int, seconds: int) -> int:
        """The earliest instant with so many open seconds behind `start`: a closing instant rather than the next opening."""
        limit = start + REACH
        table = self._covering(start, start)
        while True:
            wanted = table.count(start) + seconds
            if wanted <= table.total:
                break
            if table.high >= min(limit, LAST):
                raise _too_far(seconds)
            table = self._covering(start, min(limit, LAST, table.high + (table.high - table.low)))
        place = bisect_left(table.before, wanted) - 1
        found = table.starts[place] + wanted - table.before[place]
        if found > limit:
            raise _too_far(seconds)
        return found

    def ahead_of(self, start: int, seconds: int) -> int:
        """The latest instant with so many open seconds up to `start`: an opening instant rather than the closing before."""
        limit = start - REACH
        table = self._covering(start, start)
        while table.count(start) < seconds:
            if table.low <= max(limit, FIRST):
                raise _too_far(-seconds)
            table = self._covering(max(limit, FIRST, table.low - (table.high - table.low)), start)
        wanted = table.count(start) - seconds
        place = bisect_right(table.before, wanted) - 1
        found = table.starts[place] + wanted - table.before[place]
        if found < limit:
            raise _too_far(-seconds)
        return found

    def _covering(self, low: int, high: int) -> Table:
        """The table, compiled at least from `low` to `high`. Raises BeyondHorizon outside the years that are counted."""
        table = self._table
        if table is not None and table.low <= low and high <= table.high:
            return table
        if low < FIRST or high > LAST:
            raise BeyondHorizon(
                f"Business time is counted from {zones.FIRST_YEAR + 1} to {zones.LAST_YEAR - 1}; accepted: instants in it."
            )
        first, after_last = zones.year_of(low), zones.year_of(high) + FIRST_STRETCH_YEARS
        if table is not None:
            first, after_last = min(first, zones.year_of(table.low)), max(after_last, zones.year_of(table.high))
        self._table = table = self._compiled(first, min(after_last, zones.LAST_YEAR + 1), table)
        return table

    def _compiled(self, first: int, after_last: int, known: Table | None) -> Table:
        """Years from `first` to before `after_last`; what is known already is not worked out again."""
        pieces: list[Piece] = []
        year = first
        while year < after_last:
            if known is not None and zones.year_start(year) == known.low:
                pieces.extend(zip(known.starts, known.ends, strict=True))
                year = zones.year_of(known.high)
                continue
            pieces.extend(self._year(year))
            year += 1
        joined = merged(pieces)
        starts, ends = array("q", [start for start, _ in joined]), array("q", [end for _, end in joined])
        sums = array("q", accumulate((end - start for start, end in joined), initial=0))
        total = sums.pop()
        return Table(zones.year_start(first), zones.year_start(after_last), starts, ends, sums, total)

    def _year(self, year: int) -> Iterable[Piece]:
        """Open intervals of one UTC year: the local clock's, where it stands between two changes of its offset."""
        for begin, end, offset in zones.stretches(self.time_zone, year):
            for day in range((begin + offset) // DAY, (end + offset - 1) // DAY + 1):
                midnight = day * DAY - offset
                for opens, closes in self._week.of_day(day + EPOCH_DAY):
                    start, stop = max(midnight + opens, begin), min(midnight + closes, end)
                    if start < stop:
                        yield start, stop


def add_business(start: datetime, seconds: int, calendar: OpenHours) -> datetime:
    """The first instant, walking from `start`, that has `seconds` of open time between; in UTC, whole seconds.

    Forwards that is the earliest such instant: work that ends at closing time is due at the closing instant. Backwards
    (negative seconds) it is the latest. 0 seconds is `start`, open or not. Raises BeyondHorizon past HORIZON.
    """
    if seconds == 0:
        return instant_of(seconds_of(start))
    if seconds > 0:
        return instant_of(calendar.after(seconds_of(start), seconds))
    return instant_of(calendar.ahead_of(seconds_of(start), -seconds))


def business_between(a: datetime, b: datetime, calendar: OpenHours) -> int:
    """Open seconds from `a` to `b`; negative when `b` is earlier. Raises BeyondHorizon outside the years that are counted."""
    return calendar.between(seconds_of(a), seconds_of(b))


def seconds_of(instant: datetime) -> int:
    """Whole seconds since 1970, a fraction cut off. Raises TypeError for a naive time."""
    passed = instant - EPOCH
    return passed.days * DAY + passed.seconds


def instant_of(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def _too_far(seconds: int) -> BeyondHorizon:
    return BeyondHorizon(
        f"{seconds} seconds of business time end more than {HORIZON.days} days away; accepted: what lies nearer."
    )


ALWAYS = OpenHours("UTC", [{"weekday": weekday, "start": "00:00", "end": "24:00"} for weekday in range(7)])
