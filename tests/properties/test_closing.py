"""Due instants against a walk over the local calendar that uses none of the product's arithmetic."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
from hypothesis import assume, given, settings

from apps.organizations.calendars import OpenHours
from apps.tickets.choices import Doing, Purpose
from apps.tickets.closing.plan import NOTICE, Standing, coming, due
from apps.tickets.closing.terms import Terms
from tests.conftest import IS_FULL_RUN

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")
# Whole days, and hours that no clock is put forward or back in.
WINDOWS = (("00:00", "24:00"), ("09:00", "17:00"), ("07:30", "18:00"))
YEAR = date(2026, 1, 1)
SINCE = st.integers(0, 334 * 86_400).map(lambda second: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second))
# Never all of them: some day is open.
WORKDAYS = st.sets(st.integers(0, 6), min_size=1)
HOLIDAYS = st.sets(st.integers(0, 400), max_size=25)


def clock(text):
    return time.max if text == "24:00" else time.fromisoformat(text)


def walked(since, days, zone, workdays, holidays, window):
    """The same local time, so many open days later, within that day's window."""
    local = since.astimezone(ZoneInfo(zone))
    day, left = local.date(), days
    while left:
        day += timedelta(days=1)
        left -= day.weekday() in workdays and (day - YEAR).days not in holidays
    begin, end = (datetime.combine(day, clock(text), ZoneInfo(zone)) for text in window)
    if window[1] == "24:00":
        end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
    wanted = datetime.combine(day, local.time(), ZoneInfo(zone))
    instants = [at.astimezone(UTC) for at in (begin, wanted, end)]
    return sorted(instants)[1]


def terms(hours, unit="business", **values):
    usual = {"remind_after": (2, 4), "resolve_after": 7, "warn_after": 3, "close_after": 5, "reopen_within": 14}
    return Terms(
        hours=hours,
        stamp="property",
        answer_days=unit,
        close_days=unit,
        reopen_days=unit,
        reply_reopens=True,
        ignores_thanks=False,
        **{**usual, **values},
    )


@settings(max_examples=2_000 if IS_FULL_RUN else 150, deadline=None)
@given(SINCE, st.integers(1, 20), st.sampled_from(ZONES), WORKDAYS, HOLIDAYS, st.sampled_from(WINDOWS))
def test_business_days_end_when_a_walk_over_the_local_calendar_says(since, days, zone, workdays, holidays, window):
    start, end = window
    windows = [{"weekday": day, "start": start, "end": end} for day in sorted(workdays)]
    exceptions = [{"date": (YEAR + timedelta(days=day)).isoformat(), "kind": "closed"} for day in sorted(holidays)]
    hours = OpenHours(zone, windows, exceptions)

    (step,) = coming(Standing(Purpose.CLOSING, since), terms(hours, warn_after=0, close_after=days))

    assert step.at == walked(since, days, zone, workdays, holidays, window)


@settings(max_examples=1_000 if IS_FULL_RUN else 100, deadline=None)
@given(
    SINCE,
    st.lists(st.integers(1, 30), min_size=0, max_size=4, unique=True).map(sorted),
    st.integers(0, 40),
    st.lists(st.integers(1, 2_000), min_size=1, max_size=60),
)
def test_however_rarely_the_job_runs_notices_come_in_order_once_and_the_end_a_day_behind_the_last(
    since, reminders, end, gaps
):
    """The job runs after gaps of so many hours; what it takes is remembered as the product remembers it."""
    # Terms that end before they have reminded are refused.
    assume(not end or not reminders or end > reminders[-1])
    by = terms(
        OpenHours("UTC", [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)]),
        unit="calendar",
        remind_after=tuple(reminders),
        resolve_after=end,
    )
    standing, now, taken = Standing(Purpose.ASKING, since), since, []
    for hours in gaps:
        now += timedelta(hours=hours)
        step = due(coming(standing, by), now)
        if step is None:
            continue
        taken.append((step.doing, step.number, now))
        if step.doing is Doing.RESOLVE:
            break
        standing = Standing(Purpose.ASKING, since, given=step.number, last_given_at=now)

    numbers = [number for doing, number, _ in taken if doing is Doing.REMIND]
    assert numbers == sorted(set(numbers))
    assert all(
        at >= since + timedelta(days=reminders[number - 1]) for doing, number, at in taken if doing is Doing.REMIND
    )
    ends = [at for doing, _, at in taken if doing is Doing.RESOLVE]
    if ends:
        assert end and ends[0] >= since + timedelta(days=end)
        last = [at for doing, _, at in taken if doing is Doing.REMIND][-1:]
        assert not reminders or (last and ends[0] >= last[0] + NOTICE)
