"""A calendar's windows and exceptions as stretches of the local clock, split at midnight."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

DAY = 86_400
WEEK_DAYS = 7

# [start, end) in seconds.
Piece = tuple[int, int]


def clock(text: str) -> int:
    """Seconds of the day of a zero-padded "HH:MM"; "24:00" is the day's end."""
    return int(text[:2]) * 3600 + int(text[3:5]) * 60


def weekday_of(day: int) -> int:
    """0 for Monday; days are counted as `date.toordinal` does, whose day 1 was a Monday."""
    return (day - 1) % WEEK_DAYS


def stretch_of(entry: Mapping[str, Any]) -> Piece:
    """Seconds from its day's midnight. An end that is not after the start belongs to the next day; without times, all day."""
    if not entry.get("start"):
        return 0, DAY
    start, end = clock(entry["start"]), clock(entry["end"])
    return start, end if end > start else end + DAY


def split(day: int, stretch: Piece) -> Iterable[tuple[int, Piece]]:
    """The stretch's pieces, each with the day that it lies on."""
    start, end = stretch
    if start < DAY:
        yield day, (start, min(end, DAY))
    if end > DAY:
        yield day + 1, (max(start - DAY, 0), end - DAY)


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Sorted, and those that touch or overlap as one."""
    found: list[Piece] = []
    for start, end in sorted(pieces):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return found


def without(pieces: Iterable[Piece], closed: Sequence[Piece]) -> list[Piece]:
    """The pieces with `closed` (sorted) cut out of them."""
    left: list[Piece] = []
    for start, end in pieces:
        at = start
        for cut_start, cut_end in closed:
            if cut_end > at and cut_start < end:
                if cut_start > at:
                    left.append((at, cut_start))
                at = cut_end
        if at < end:
            left.append((at, end))
    return left


class Week:
    """What the local clock says: open stretches of each day, as windows and exceptions give them."""

    __slots__ = ("_different", "_usual")

    def __init__(self, windows: Iterable[Mapping[str, Any]], exceptions: Iterable[Mapping[str, Any]]) -> None:
        usual: dict[int, list[Piece]] = defaultdict(list)
        for window in windows:
            for weekday, piece in split(window["weekday"], stretch_of(window)):
                usual[weekday % WEEK_DAYS].append(piece)
        self._usual = [merged(usual[weekday]) for weekday in range(WEEK_DAYS)]
        self._different = self._apply(exceptions)

    def _apply(self, exceptions: Iterable[Mapping[str, Any]]) -> dict[int, list[Piece]]:
        """The days that differ: what is closed is cut out of the week first, what is extra open is added last and wins."""
        by_kind: dict[str, dict[int, list[Piece]]] = {"closed": defaultdict(list), "open": defaultdict(list)}
        for exception in exceptions:
            day = date.fromisoformat(str(exception["date"])).toordinal()
            for on, piece in split(day, stretch_of(exception)):
                by_kind[exception["kind"]][on].append(piece)
        closed, opened = by_kind["closed"], by_kind["open"]
        return {
            day: merged([*without(self._usual[weekday_of(day)], merged(closed[day])), *opened[day]])
            for day in {*closed, *opened}
        }

    def of_day(self, day: int) -> list[Piece]:
        """Open stretches of a day (`date.toordinal`), in seconds from its midnight as the local clock shows them."""
        different = self._different.get(day)
        return self._usual[weekday_of(day)] if different is None else different
