"""On-call arithmetic against an oracle that knows no arithmetic: it walks through the days and looks at the wall clock."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.users.on_call import (
    Override,
    Plan,
    instant_of,
    offset_keeping,
    plan_at,
    shift_at,
    shifts,
    stand_in,
    uncovered,
)
from tests.conftest import IS_FULL_RUN

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
EXAMPLES = 600 if IS_FULL_RUN else 60
PEOPLE = [UUID(int=number) for number in range(1, 6)]
ROUNDS = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

clocks = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 1, 15, 29, 30, 59]))
# Around the changes of the clocks as often as anywhere else.
days = st.one_of(
    st.dates(date(2025, 1, 1), date(2027, 12, 31)),
    st.sampled_from([date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5)]),
)


@st.composite
def plans(draw):
    return Plan(
        effective_at=datetime(2020, 1, 1, tzinfo=UTC),
        time_zone=draw(st.sampled_from(ZONES)),
        starts_on=draw(days),
        handover_weekday=draw(st.integers(0, 6)),
        handover_time=draw(clocks),
        weeks_per_turn=draw(st.integers(1, 3)),
        members=tuple(PEOPLE[: draw(st.integers(1, 4))]),
        offset=draw(st.integers(0, 3)),
    )


def first_instant_showing(zone: ZoneInfo, day: date, clock: str) -> datetime:
    """The oracle: minute by minute in UTC from the day before, the first at which the wall clock shows it or is past it."""
    wanted = datetime.combine(day, time.fromisoformat(clock))
    instant = datetime.combine(day, time(), UTC) - timedelta(hours=26)
    while instant.astimezone(zone).replace(tzinfo=None) < wanted:
        instant += MINUTE
    return instant


def handovers_until(plan: Plan, end: datetime) -> list[datetime]:
    """Day by day by the calendar on the wall: the start, then every so many handover days after the first week began."""
    zone = ZoneInfo(plan.time_zone)
    found = [first_instant_showing(zone, plan.starts_on, plan.handover_time)]
    # The week in which the rota starts counts as one, however much of it is left.
    day, weeks = plan.starts_on, 0
    while found[-1] <= end:
        day += DAY
        if day.weekday() == plan.handover_weekday:
            weeks += 1
            if weeks % plan.weeks_per_turn == 0:
                found.append(first_instant_showing(zone, day, plan.handover_time))
    return found


@pytest.mark.parametrize(
    ("zone", "day", "clock", "expected"),
    [
        ("Europe/Berlin", date(2026, 3, 28), "09:00", "2026-03-28T08:00:00+00:00"),
        ("Europe/Berlin", date(2026, 3, 30), "09:00", "2026-03-30T07:00:00+00:00"),
        # Left out: 02:00 to 03:00 does not exist, so the instant at which it ends.
        ("Europe/Berlin", date(2026, 3, 29), "02:00", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", date(2026, 3, 29), "02:59", "2026-03-29T01:00:00+00:00"),
        ("America/New_York", date(2026, 3, 8), "02:30", "2026-03-08T07:00:00+00:00"),
        # Twice: the first.
        ("Europe/Berlin", date(2026, 10, 25), "02:30", "2026-10-25T00:30:00+00:00"),
        ("America/New_York", date(2026, 11, 1), "01:30", "2026-11-01T05:30:00+00:00"),
        # Lord Howe moves its clocks by half an hour.
        ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", "2026-10-03T15:30:00+00:00"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "01:45", "2026-04-04T14:45:00+00:00"),
        # Samoa left out a whole day.
        ("Pacific/Apia", date(2011, 12, 30), "09:00", "2011-12-30T10:00:00+00:00"),
        ("Asia/Kolkata", date(2026, 3, 29), "02:30", "2026-03-28T21:00:00+00:00"),
    ],
)
def test_a_wall_clocks_time_is_one_instant(zone, day, clock, expected):
    assert instant_of(day, clock, zone) == datetime.fromisoformat(expected)


@ROUNDS
@given(st.sampled_from(ZONES), days, clocks)
def test_a_wall_clocks_time_is_the_instant_at_which_the_clock_gets_there(zone, day, clock):
    assert instant_of(day, clock, zone) == first_instant_showing(ZoneInfo(zone), day, clock)


@ROUNDS
@given(plans(), st.integers(-3 * 24 * 60, 100 * 24 * 60))
def test_the_turn_at_an_instant_is_the_number_of_handovers_that_the_calendar_shows(plan, minutes):
    at = instant_of(plan.starts_on, plan.handover_time, plan.time_zone) + minutes * MINUTE
    passed = [instant for instant in handovers_until(plan, at) if instant <= at]

    assert plan.turn_at(at) == (len(passed) - 1 if passed else None)
    expected = plan.members[(len(passed) - 1 + plan.offset) % len(plan.members)] if passed else None
    assert plan.member_at(at) == expected
    shift = shift_at([plan], [], at)
    assert shift.starts_at <= at < shift.ends_at
    assert shift.user_id == expected
    if passed:
        assert shift.starts_at == passed[-1]
        assert shift.ends_at == next(each for each in handovers_until(plan, shift.ends_at) if each > at)


@ROUNDS
@given(plans(), st.integers(0, 60))
def test_exactly_at_a_handover_it_is_the_next_ones_turn_and_a_second_before_it_is_not(plan, turn):
    begins = plan.handover(turn)
    local = begins.astimezone(ZoneInfo(plan.time_zone))

    assert plan.turn_at(begins) == turn
    assert plan.turn_at(begins - timedelta(seconds=1)) == (turn - 1 if turn else None)
    assert plan.turn_at(plan.handover(turn + 1) - timedelta(seconds=1)) == turn
    if begins == local.replace(hour=int(plan.handover_time[:2]), minute=int(plan.handover_time[3:])):
        assert f"{local:%H:%M}" == plan.handover_time, "before and after the clocks change alike"
    if turn:
        assert local.weekday() == plan.handover_weekday


@st.composite
def rotas(draw):
    """A rota that was changed a few times, with overrides that overlap."""
    first = draw(plans())
    start = first.handover(0)
    changes = sorted(draw(st.sets(st.integers(1, 60 * 24), max_size=2)))
    versions = [first] + [
        Plan(**{**as_dict(draw(plans())), "effective_at": start + timedelta(hours=hours)}) for hours in changes
    ]
    overrides = []
    for number in range(draw(st.integers(0, 4))):
        begin = start + draw(st.integers(-48, 60 * 24)) * timedelta(hours=1)
        length = draw(st.integers(1, 400)) * timedelta(hours=1)
        # Made in any order, some at the same instant: then the greater id is the newer.
        created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=draw(st.integers(0, 2)))
        overrides.append(Override(UUID(int=100 + number), PEOPLE[4], begin, begin + length, created))
    begin = start + draw(st.integers(-48, 40 * 24)) * timedelta(hours=1)
    return versions, overrides, begin, begin + timedelta(hours=draw(st.integers(1, 92 * 24)))


def as_dict(plan):
    return {name: getattr(plan, name) for name in Plan.__dataclass_fields__}


@ROUNDS
@given(rotas(), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=12))
def test_shifts_tile_time_and_each_instant_has_the_one_person_it_should(rota, places):
    versions, overrides, begin, end = rota
    found = shifts(versions, overrides, begin, end)

    assert (found[0].starts_at, found[-1].ends_at) == (begin, end)
    assert all(earlier.ends_at == later.starts_at for earlier, later in pairwise(found)), "no gap and no overlap"
    assert all(shift.starts_at < shift.ends_at for shift in found)
    edges = [edge for each in overrides for edge in (each.starts_at, each.ends_at - MINUTE)]
    seconds = (end - begin).total_seconds()
    probes = [begin + timedelta(seconds=int(seconds * place)) for place in places]
    probes += [edge for edge in edges if begin <= edge < end]
    for at in probes:
        (shift,) = [each for each in found if each.starts_at <= at < each.ends_at]
        plan = next((each for each in reversed(versions) if each.effective_at <= at), None)
        scheduled = plan.member_at(at) if plan else None
        winning = max((each for each in overrides if each.starts_at <= at < each.ends_at), key=newest, default=None)
        assert shift.scheduled_id == scheduled
        assert (shift.user_id, shift.override_id) == ((winning.user_id, winning.id) if winning else (scheduled, None))
        whole = shift_at(versions, overrides, at)
        assert (whole.user_id, whole.override_id) == (shift.user_id, shift.override_id)
        assert whole.starts_at <= at < whole.ends_at


def newest(override):
    return override.created_at, override.id


@ROUNDS
@given(plans(), plans(), st.integers(0, 60 * 24))
def test_a_change_keeps_the_turn_of_whoever_is_on_call_and_leaves_the_past_alone(before, after, hours):
    at = max(before.handover(0), after.handover(0)) + timedelta(hours=hours)
    holder = before.member_at(at)
    changed = Plan(**{**as_dict(after), "effective_at": at, "offset": offset_keeping(after, holder, at)})

    assert changed.member_at(at) == (holder if holder in changed.members else changed.members[0])
    past = [at - timedelta(hours=1), at - timedelta(days=9)]
    assert [plan_at([before, changed], each) for each in past] == [before, before]
    window = (before.handover(0), at)
    if window[0] < window[1]:
        assert shifts([before, changed], [], *window) == shifts([before], [], *window)


ANN, BEN, CLEO, DIRK, EVE = PEOPLE
ROTA = Plan(datetime(2026, 1, 1, tzinfo=UTC), "UTC", date(2026, 1, 5), 0, "09:00", 1, (ANN, BEN, CLEO))


@pytest.mark.parametrize(
    ("override", "away", "gone", "expected"),
    [
        (None, {}, (), ANN),
        (None, {ANN: DIRK}, (), DIRK),
        (None, {ANN: None}, (), BEN),
        (None, {ANN: None, BEN: DIRK}, (), CLEO),
        (None, {ANN: DIRK}, (DIRK,), BEN),
        (None, {}, (ANN,), BEN),
        (None, {ANN: DIRK}, (ANN,), BEN),
        (None, {ANN: None, BEN: None, CLEO: None}, (), ANN),
        (None, {}, (ANN, BEN, CLEO), None),
        (None, {BEN: None}, (ANN, CLEO), None),
        (EVE, {ANN: None}, (), EVE),
        (EVE, {EVE: None}, (), ANN),
        (EVE, {EVE: DIRK}, (), DIRK),
        (EVE, {EVE: None, ANN: None}, (), BEN),
    ],
)
def test_whoever_cannot_be_called_is_stood_in_for_by_the_delegate_else_the_next(override, away, gone, expected):
    at = datetime(2026, 1, 6, 12, tzinfo=UTC)
    named = [Override(UUID(int=9), override, at - DAY, at + DAY, at)] if override else []
    shift = shift_at([ROTA], named, at)

    answer = stand_in(shift, ROTA, away, frozenset(gone))

    assert shift.scheduled_id == ANN
    assert answer.user_id == expected
    # Nobody, or the one who is away: the next layer is asked first.
    assert answer.is_reached == (expected is not None and expected not in away)
    assert len(answer.because) == (1 if expected == shift.user_id and not (away.keys() & {shift.user_id}) else 3)


WINDOWS = [
    (),
    tuple((day, "08:00", "20:00") for day in range(7)),
    tuple((day, "20:00", "08:00") for day in range(7)),
    ((0, "00:00", "24:00"), (2, "01:30", "03:30"), (6, "22:00", "02:15")),
]


def shows(hours, at, zone):
    """The oracle: what the wall clock says at that instant, window by window."""
    local = at.astimezone(zone)
    clock, today = f"{local:%H:%M}", local.weekday()
    for weekday, start, end in hours:
        if end > start:
            if weekday == today and start <= clock < end:
                return True
        elif (weekday == today and clock >= start) or ((weekday + 1) % 7 == today and clock < end):
            return True
    return not hours


@ROUNDS
@given(plans(), st.sampled_from(WINDOWS), st.lists(st.integers(0, 90 * 24 * 60), min_size=1, max_size=12))
def test_outside_of_its_hours_a_rota_names_nobody_and_within_them_whoever_it_would_anyway(plan, hours, minutes):
    within = Plan(**{**as_dict(plan), "hours": hours})
    begin, zone = plan.handover(0), ZoneInfo(plan.time_zone)
    found = shifts([within], [], begin, begin + timedelta(days=92))
    assert all(earlier.ends_at == later.starts_at for earlier, later in pairwise(found))
    for at in (begin + number * MINUTE for number in minutes):
        (shift,) = [each for each in found if each.starts_at <= at < each.ends_at]
        assert shift.user_id == (plan.member_at(at) if shows(hours, at, zone) else None)
        assert within.member_at(at) == shift.user_id == shift_at([within], [], at).user_id


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=6),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=6),
)
def test_what_is_uncovered_is_every_minute_that_is_wanted_and_in_no_shift(wanted, covered):
    start = datetime(2026, 1, 5, tzinfo=UTC)
    minutes = sorted({minute for begin, length in wanted for minute in range(begin, begin + length)})
    runs = []
    for minute in minutes:
        if runs and runs[-1][1] == minute:
            runs[-1][1] = minute + 1
        else:
            runs.append([minute, minute + 1])
    stretches = [(start + low * MINUTE, start + high * MINUTE) for low, high in runs]
    shifts_of_all = [(start + begin * MINUTE, start + (begin + length) * MINUTE) for begin, length in covered]
    left = uncovered(stretches, shifts_of_all)
    found = {int((at - start) / MINUTE) for low, high in left for at in _minutes(low, high)}

    assert found == set(minutes) - {each for begin, length in covered for each in range(begin, begin + length)}
    assert all(low < high for low, high in left)


def _minutes(low, high):
    while low < high:
        yield low
        low += MINUTE
