"""Business time against an oracle that knows no arithmetic: it looks at the local clock once for each minute of UTC."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import accumulate, pairwise
from operator import itemgetter
from random import Random
from zoneinfo import ZoneInfo

import pytest
import pytz
from businesstimedelta import BusinessTimeDelta, HolidayRule, Rules, WorkDayRule

from apps.organizations.calendars import OpenHours, add_business, business_between
from tests.conftest import IS_FULL_RUN

ZONES = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Asia/Kathmandu",  # a quarter of an hour from its neighbours, and once half an hour: it moved in 1986
    "Africa/Casablanca",  # one hour back for Ramadan
    "Pacific/Apia",  # had no 30 December 2011
)
# Around each change of the zone's clocks, and where nothing changes.
PERIODS = {
    "Europe/Paris": ["2025-03-24", "2025-10-20", "2026-03-20", "2026-10-17", "2026-07-01", "2028-02-20", "1976-09-20"],
    "America/New_York": ["2025-03-04", "2025-10-28", "2026-02-28", "2026-10-27", "2027-12-24", "1987-03-30", "2006-04-01"],
    "Australia/Lord_Howe": ["2025-04-01", "2025-09-29", "2026-03-28", "2026-10-01", "2026-06-01", "1981-02-24", "2024-12-25"],
    "Asia/Kathmandu": ["1985-12-26", "1986-01-01", "2025-03-24", "2026-10-20", "2027-12-24", "2028-02-20", "1985-12-20"],
    "Africa/Casablanca": ["2025-02-18", "2025-04-01", "2026-02-10", "2026-03-17", "2018-10-22", "2027-03-10", "2012-07-15"],
    "Pacific/Apia": ["2011-12-20", "2011-12-25", "2011-09-20", "2012-03-27", "2021-03-30", "2020-09-20", "2026-05-01"],
}  # fmt: skip
SPAN_DAYS = 14
CASES = 100_000 if IS_FULL_RUN else 2_000
# One test for each slice of a zone's cases, so that none runs into the time limit.
SLICES = 25 if IS_FULL_RUN else 1
MINUTES = 1440
TIMES = [0, 1, 30, 90, 115, 120, 121, 135, 150, 179, 180, 185, 240, 420, 540, 720, 780, 1020, 1080, 1320, 1410, 1439]


@dataclass(frozen=True)
class Wall:
    """What the local clock shows in each minute of UTC of a period."""

    begin: datetime
    first_day: date
    days: int
    # Of a table of whole local days what each minute of UTC finds there.
    seen: itemgetter
    changes: int


@cache
def wall(zone: str, begin: str) -> Wall:
    at = datetime.combine(date.fromisoformat(begin), time(), UTC)
    shown = [(at + timedelta(minutes=minute)).astimezone(ZoneInfo(zone)) for minute in range((SPAN_DAYS + 1) * MINUTES)]
    first, last = shown[0].date(), shown[-1].date()
    places = [(local.date() - first).days * MINUTES + local.hour * 60 + local.minute for local in shown]
    assert all(local.second == 0 for local in shown), "the oracle looks once a minute"
    changes = sum(later - earlier != 1 for earlier, later in pairwise(places))
    return Wall(at, first, (last - first).days + 1, itemgetter(*places), changes)


def text(minute):
    return f"{minute // 60:02}:{minute % 60:02}"


def minutes(clock):
    return int(clock[:2]) * 60 + int(clock[3:])


def some_stretches(random, most):
    """Up to `most` of one day that neither overlap nor are empty; the last may run over midnight."""
    marks = sorted(random.sample([*TIMES, MINUTES], 2 * random.randint(1, most)))
    pairs = [(text(start), text(end)) for start, end in zip(marks[::2], marks[1::2], strict=True)]
    if random.random() < 0.3 and marks[-1] != MINUTES:
        pairs[-1] = (pairs[-1][0], text(random.randint(0, marks[0])))
    return [(start, end) for start, end in pairs if start != end]


def some_calendar(random, period):
    windows = [
        {"weekday": weekday, "start": start, "end": end}
        for weekday in random.sample(range(7), random.randint(1, 7))
        for start, end in some_stretches(random, 3)
    ]
    exceptions = []
    for _ in range(random.choice([0, 0, 1, 3, 6])):
        day = period.first_day + timedelta(days=random.randrange(-1, SPAN_DAYS + 1))
        if random.random() < 0.3:
            exceptions.append({"date": day.isoformat(), "kind": "closed"})
        else:
            kind = random.choice(["closed", "open"])
            for start, end in some_stretches(random, 2):
                exceptions.append({"date": day.isoformat(), "kind": kind, "start": start, "end": end})
    return windows, exceptions


def open_minutes_before(period, windows, exceptions):
    """The oracle. For each minute of the period how many open ones lie before it, found by painting local days."""
    size = period.days * MINUTES
    painted = bytearray(size)
    for number in range(-1, period.days):
        for window in windows:
            if (period.first_day + timedelta(days=number)).weekday() == window["weekday"]:
                paint(painted, number, window, 1)
    for kind, colour in (("closed", 0), ("open", 1)):
        for exception in exceptions:
            if exception["kind"] == kind:
                paint(painted, (date.fromisoformat(exception["date"]) - period.first_day).days, exception, colour)
    return list(accumulate(period.seen(painted), initial=0))


def paint(painted, number, stretch, colour):
    start, end = minutes(stretch.get("start", "00:00")), minutes(stretch.get("end", "24:00"))
    length = end - start if end > start else end + MINUTES - start
    low = number * MINUTES + start
    high = min(low + length, len(painted))
    low = max(low, 0)
    if low < high:
        painted[low:high] = bytes([colour]) * (high - low)


def counted(before, second):
    """Open seconds up to `second` of the period, by the oracle."""
    minute, rest = divmod(second, 60)
    return 60 * before[minute] + (rest if rest and before[minute + 1] > before[minute] else 0)


def first_with(before, wanted):
    """The earliest second of the period that has `wanted` open ones before it, by the oracle."""
    minute = bisect_left(before, -(-wanted // 60))
    return minute * 60 - (60 * before[minute] - wanted)


def one_case(zone, number):
    random = Random(f"{zone} {number}")
    period = wall(zone, random.choice(PERIODS[zone]))
    windows, exceptions = some_calendar(random, period)
    before = open_minutes_before(period, windows, exceptions)
    a, c, b = sorted(random.randint(0, SPAN_DAYS * 86_400) for _ in range(3))
    calendar = OpenHours(zone, windows, exceptions)
    at_a, at_b, at_c = (period.begin + timedelta(seconds=second) for second in (a, b, c))
    case = f"{zone} case {number}: {at_a} to {at_b}, {windows} {exceptions}"

    between = business_between(at_a, at_b, calendar)
    assert between == counted(before, b) - counted(before, a), case
    assert business_between(at_b, at_a, calendar) == -between, case
    assert business_between(at_a, at_c, calendar) + business_between(at_c, at_b, calendar) == between, case

    n, m = sorted((random.randint(0, between), random.choice([between, random.randint(0, between)])))
    due, later = add_business(at_a, n, calendar), add_business(at_a, m, calendar)
    assert business_between(at_a, due, calendar) == n, case
    assert at_a <= due <= later <= at_b, case
    assert add_business(due, m - n, calendar) == later or n == m, case
    if n:
        assert due == period.begin + timedelta(seconds=first_with(before, counted(before, a) + n)), case
    back = add_business(at_b, -n, calendar)
    assert business_between(at_b, back, calendar) == -n, case
    assert at_a <= back <= at_b, case
    if n:
        # The latest: a second further on there is less.
        assert business_between(back + timedelta(seconds=1), at_b, calendar) == n - 1, case


@pytest.mark.heavy
@pytest.mark.parametrize("piece", range(SLICES))
@pytest.mark.parametrize("zone", ZONES)
def test_business_time_is_what_the_local_clock_shows_minute_by_minute(zone, piece):
    """Additive, inverse and monotonic besides; CASES over all zones."""
    each = CASES // len(ZONES) // SLICES + 1

    for number in range(piece * each, (piece + 1) * each):
        one_case(zone, number)


WORKING_WEEKS = ((range(5), 9, 17), (range(5), 8, 20), (range(6), 7, 12), ((0, 2, 4), 10, 16), (range(7), 6, 22))
FREE = {date(2026, 1, 1): "New Year", date(2026, 4, 3): "Friday", date(2026, 4, 6): "Monday", date(2026, 12, 25): "Friday",
        date(2031, 1, 1): "New Year"}  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_businesstimedelta_counts_the_same_where_it_counts_at_all(zone):
    """Its domain: one window a day within the day, the same on each working day, and whole days off."""
    random = Random(zone)
    for _ in range(2_000 if IS_FULL_RUN else 60):
        weekdays, start, end = random.choice(WORKING_WEEKS)
        judge = Rules(
            [WorkDayRule(start_time=time(start), end_time=time(end), working_days=list(weekdays), tz=pytz.timezone(zone)),
             HolidayRule(FREE, tz=pytz.timezone(zone))]
        )  # fmt: skip
        calendar = OpenHours(
            zone,
            [{"weekday": day, "start": f"{start:02}:00", "end": f"{end:02}:00"} for day in weekdays],
            [{"date": day.isoformat(), "kind": "closed"} for day in FREE],
        )
        a = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(360 * 86_400))
        b = a + timedelta(seconds=random.randrange(14 * 86_400))

        assert business_between(a, b, calendar) == judge.difference(a, b).timedelta.total_seconds()
        seconds = random.randrange(1, 10 * 8 * 3600)
        assert add_business(a, seconds, calendar) == a + BusinessTimeDelta(judge, timedelta=timedelta(seconds=seconds))


def test_most_periods_of_the_oracle_have_a_change_of_the_clocks():
    """No more than one each, save for the zone that left out a day; a minute later is a minute later otherwise."""
    changes = {zone: [wall(zone, begin).changes for begin in PERIODS[zone]] for zone in ZONES}

    assert all(1 in found and max(found) == 1 for found in changes.values()), changes
    assert sum(map(sum, changes.values())) >= 20, changes
