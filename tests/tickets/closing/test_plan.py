"""When what is due: arithmetic alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.organizations.calendars import OpenHours
from apps.tickets.choices import Doing, Purpose
from apps.tickets.closing.plan import NOTICE, Standing, coming, due
from apps.tickets.closing.terms import Terms
from apps.tickets.closing.terms import _workdays as workdays

MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
USUAL = Terms(
    hours=workdays("UTC"),
    stamp="usual.UTC",
    answer_days="business",
    remind_after=(2, 4),
    resolve_after=7,
    close_days="business",
    warn_after=3,
    close_after=5,
    reopen_days="calendar",
    reopen_within=14,
    reply_reopens=True,
    ignores_thanks=False,
)


def plan(purpose, terms=USUAL, since=MONDAY, **standing):
    return [(step.doing.value, step.at) for step in coming(Standing(purpose, since, **standing), terms)]


def test_an_answer_is_reminded_of_after_two_and_four_business_days_and_given_up_after_seven():
    assert plan(Purpose.ASKING) == [
        ("remind", MONDAY + 2 * DAY),
        ("remind", MONDAY + 4 * DAY),
        # Over a weekend.
        ("resolve", MONDAY + 9 * DAY),
    ]


def test_what_is_resolved_is_warned_of_after_three_business_days_and_closed_after_five():
    assert plan(Purpose.CLOSING) == [("warn", MONDAY + 3 * DAY), ("close", MONDAY + 7 * DAY)]


def test_glpi_6527_closing_counts_no_weekend_and_no_holiday_where_business_days_are_chosen():
    friday = datetime(2026, 4, 3, 10, 0, tzinfo=UTC)
    holidays = [{"date": "2026-04-06", "kind": "closed"}]
    office = OpenHours("UTC", [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)], holidays)

    business = plan(Purpose.CLOSING, replace(USUAL, hours=office, warn_after=0, close_after=2), friday)
    calendar = plan(Purpose.CLOSING, replace(USUAL, warn_after=0, close_after=2, close_days="calendar"), friday)

    # Saturday, Sunday and Easter Monday do not count.
    assert business == [("close", datetime(2026, 4, 8, 10, 0, tzinfo=UTC))]
    assert calendar == [("close", datetime(2026, 4, 5, 10, 0, tzinfo=UTC))]


@pytest.mark.parametrize(("day", "at"), [("2026-03-27", 8), ("2026-10-23", 10)])
def test_a_business_day_ends_at_the_same_local_time_when_the_clocks_were_put_forward_or_back(day, at):
    """In Berlin it is an hour earlier in UTC in spring, an hour later in autumn."""
    berlin = replace(USUAL, hours=workdays("Europe/Berlin"), warn_after=0, close_after=1)
    friday = datetime.fromisoformat(f"{day}T09:00:00+00:00")

    assert plan(Purpose.CLOSING, berlin, friday) == [("close", (friday + 3 * DAY).replace(hour=at))]


def test_a_calendar_day_has_24_hours_whatever_the_clocks_do():
    berlin = replace(USUAL, hours=workdays("Europe/Berlin"), close_days="calendar", warn_after=0, close_after=5)
    before = datetime(2026, 3, 27, 9, 30, tzinfo=UTC)

    assert plan(Purpose.CLOSING, berlin, before) == [("close", before + timedelta(hours=120))]


def test_what_ends_after_closing_time_ends_at_closing_time():
    office = OpenHours("UTC", [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)])
    late = MONDAY.replace(hour=22)

    assert plan(Purpose.CLOSING, replace(USUAL, hours=office))[0] == ("warn", MONDAY + 3 * DAY)
    assert plan(Purpose.CLOSING, replace(USUAL, hours=office), late)[0] == ("warn", (late + 3 * DAY).replace(hour=17))


def test_zero_days_switch_each_step_off():
    assert plan(Purpose.ASKING, replace(USUAL, resolve_after=0))[-1][0] == "remind"
    assert [name for name, _ in plan(Purpose.ASKING, replace(USUAL, remind_after=()))] == ["resolve"]
    assert [name for name, _ in plan(Purpose.CLOSING, replace(USUAL, warn_after=0))] == ["close"]
    assert plan(Purpose.CLOSING, replace(USUAL, warn_after=0, close_after=0)) == []


def test_time_neither_reminds_nor_ends_a_major_incident_but_lets_it_go_on():
    until = MONDAY + DAY

    assert plan(Purpose.ASKING, is_exempt=True) == []
    assert plan(Purpose.CLOSING, is_exempt=True) == []
    scheduled = plan(Purpose.UNTIL, is_exempt=True, hold_reason="scheduled", hold_until=until)
    assert scheduled == [("resume", until)]


def test_only_what_is_scheduled_goes_on_by_itself_the_owner_of_the_rest_is_told_once():
    until = MONDAY + DAY
    vendor = {"hold_reason": "awaiting_vendor", "hold_until": until}

    assert plan(Purpose.UNTIL, **vendor) == [("recall", until)]
    assert plan(Purpose.UNTIL, given=1, last_given_at=until, **vendor) == []


def test_of_reminders_that_were_missed_the_last_alone_is_given_and_nobody_is_given_up_right_behind_it():
    asking, late = Standing(Purpose.ASKING, MONDAY), MONDAY + 30 * DAY

    reminder = due(coming(asking, USUAL), late)
    after = coming(replace(asking, given=reminder.number, last_given_at=late), USUAL)

    assert (reminder.doing, reminder.number) == (Doing.REMIND, 2)
    assert [(step.doing, step.at) for step in after] == [(Doing.RESOLVE, late + NOTICE)]
    assert due(after, late) is None


def test_a_warning_that_came_a_little_late_moves_nothing():
    warned = Standing(Purpose.CLOSING, MONDAY, given=1, last_given_at=MONDAY + 3 * DAY + timedelta(minutes=59))

    assert [step.at for step in coming(warned, USUAL)] == [MONDAY + 7 * DAY]


def test_a_calendar_that_opens_no_more_ends_nothing():
    never = OpenHours("UTC", [], [{"date": "2026-03-02", "kind": "open", "start": "09:00", "end": "17:00"}])

    assert plan(Purpose.CLOSING, replace(USUAL, hours=never)) == []


def test_the_window_for_reopening_is_open_at_its_last_second_and_shut_after_it():
    closed_at, last = MONDAY, MONDAY + 14 * DAY

    assert USUAL.why_closed_for_good(closed_at, last, "incident") is None
    late = USUAL.why_closed_for_good(closed_at, last + timedelta(seconds=1), "incident")
    assert late == "It was closed more than 14 days ago; open a new incident that follows up."
    never = replace(USUAL, reopen_within=0).why_closed_for_good(closed_at, closed_at, "incident")
    assert never == "What is closed is not reopened here; open a new incident that follows up."
    by_business = replace(USUAL, reopen_within=1, reopen_days="business")
    friday = MONDAY + 4 * DAY
    assert by_business.why_closed_for_good(friday, friday + 3 * DAY, "incident") is None
    assert by_business.why_closed_for_good(friday, friday + 3 * DAY + timedelta(seconds=1), "incident") == (
        "It was closed more than 1 business day ago; open a new incident that follows up."
    )
