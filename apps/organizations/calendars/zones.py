"""What a zone's clocks show: stretches of UTC with one offset, found by asking zoneinfo and never by adding to local times."""

from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

DAY = 86_400
# Seconds since 1970 of the first instant that is not counted any more: 2201-01-01T00:00:00Z.
FIRST_YEAR, LAST_YEAR = 1969, 2201

# (from, to, offset): from <= instant < to, in seconds since 1970 (UTC); the local clock shows instant + offset.
Stretch = tuple[int, int, int]


def year_start(year: int) -> int:
    """Seconds since 1970 at which that year begins in UTC."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def year_of(instant: int) -> int:
    return datetime.fromtimestamp(instant, UTC).year


def offset_at(zone: ZoneInfo, instant: int) -> int:
    """How many seconds local clocks are ahead of UTC."""
    offset = datetime.fromtimestamp(instant, zone).utcoffset()
    assert offset is not None
    return offset.days * DAY + offset.seconds


@lru_cache(maxsize=4096)
def stretches(zone_name: str, year: int) -> tuple[Stretch, ...]:
    """That UTC year, cut at each instant at which the zone's offset changes.

    Clocks are looked at once a day; no zone has changed its offset and taken it back within one.
    """
    zone = ZoneInfo(zone_name)
    begin, end = year_start(year), year_start(year + 1)
    days = [*range(begin, end, DAY), end]
    offsets = [offset_at(zone, day) for day in days]
    cuts = [begin]
    for (earlier, before), (later, after) in pairwise(zip(days, offsets, strict=True)):
        if before != after:
            cuts.append(_change(zone, earlier, later, before))
    return tuple((start, stop, offset_at(zone, start)) for start, stop in pairwise([*cuts, end]) if start < stop)


def _change(zone: ZoneInfo, low: int, high: int, before: int) -> int:
    """The first instant whose offset is not `before`: it lies after `low` and at or before `high`."""
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high
