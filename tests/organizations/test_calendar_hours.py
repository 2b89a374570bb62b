"""Where business time is easily got wrong: changed clocks, midnight, closed days, and what went wrong in others' products."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from apps.organizations.calendars import ALWAYS, HORIZON, BeyondHorizon, OpenHours, add_business, business_between

HOUR = 3600
WORKDAYS = range(5)


def hours(*windows, zone="Europe/Paris", exceptions=()):
    """Windows as (weekdays, start, end)."""
    week = [{"weekday": day, "start": start, "end": end} for days, start, end in windows for day in days]
    return OpenHours(zone, week, exceptions)


def nine_to_five(zone="Europe/Paris", exceptions=()):
    return hours((WORKDAYS, "09:00", "17:00"), zone=zone, exceptions=exceptions)


def local(text, zone="Europe/Paris", fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def closed(date, start=None, end=None):
    return {"date": date, "kind": "closed", **({"start": start, "end": end} if start else {})}


def opened(date, start, end):
    return {"date": date, "kind": "open", "start": start, "end": end}


# --- what others got wrong


def test_glpi_10594_a_pause_over_the_weekend_is_no_business_time():
    assert business_between(local("2026-11-20T17:00"), local("2026-11-23T09:00"), nine_to_five()) == 0


def test_erpnext_49414_a_pause_from_closing_to_opening_moves_no_deadline():
    pause = business_between(local("2026-11-24T17:00"), local("2026-11-25T09:00"), nine_to_five())

    assert pause == 0
    assert add_business(local("2026-11-24T12:00"), 8 * HOUR + pause, nine_to_five()) == local("2026-11-25T12:00")


@pytest.mark.parametrize("seconds", [1, HOUR, 8 * HOUR, 8 * HOUR + 1, 16 * HOUR, 40 * HOUR, 41 * HOUR + 7])
def test_glpi_9082_a_deadline_is_an_open_instant_or_a_closing_one(seconds):
    calendar = nine_to_five()
    for start in ("2026-11-20T16:59:59", "2026-11-21T12:00", "2026-11-23T00:00", "2026-11-23T17:00"):
        due = add_business(local(start), seconds, calendar)

        assert calendar.is_open(due - timedelta(seconds=1))


def test_glpi_15429_a_level_before_the_deadline_walks_the_calendar_backwards():
    due = local("2026-11-23T10:00")

    assert add_business(due, -2 * HOUR, nine_to_five()) == local("2026-11-20T16:00")
    assert add_business(due, -HOUR, nine_to_five()) == local("2026-11-23T09:00")
    assert add_business(due, -9 * HOUR, nine_to_five()) == local("2026-11-20T09:00")


def test_glpi_days_are_not_86400_seconds_when_the_clocks_change():
    """A working day from Friday morning ended an hour late in spring and an hour early in autumn."""
    assert add_business(local("2025-03-28T10:00"), 8 * HOUR, nine_to_five()) == local("2025-03-31T10:00")
    assert add_business(local("2025-10-24T10:00"), 8 * HOUR, nine_to_five()) == local("2025-10-27T10:00")


def test_glpi_a_sunday_is_counted_once_when_the_clocks_change():
    """Elapsed time counted one Sunday twice and skipped another."""
    weekend = hours(((5, 6), "09:00", "17:00"))

    assert business_between(local("2025-10-25T00:30"), local("2025-10-27T00:30"), weekend) == 16 * HOUR
    assert business_between(local("2025-03-29T23:30"), local("2025-03-31T00:30"), weekend) == 8 * HOUR


def test_zammad_3180_a_whole_day_has_no_minute_missing():
    calendar = hours((range(7), "00:00", "24:00"))

    assert business_between(local("2026-11-02T00:00"), local("2026-11-09T00:00"), calendar) == 7 * 24 * HOUR
    assert business_between(local("2026-11-02T00:00"), local("2026-11-09T00:00"), ALWAYS) == 7 * 24 * HOUR


def test_frappe_2212_a_lunch_break_is_two_windows_of_one_day():
    calendar = hours((WORKDAYS, "09:00", "12:00"), (WORKDAYS, "13:00", "17:00"))

    assert business_between(local("2026-11-23T08:00"), local("2026-11-23T18:00"), calendar) == 7 * HOUR
    assert add_business(local("2026-11-23T11:30"), HOUR, calendar) == local("2026-11-23T13:30")
    assert add_business(local("2026-11-23T11:30"), HOUR // 2, calendar) == local("2026-11-23T12:00")


def test_frappe_2075_a_ticket_of_a_closed_day_starts_at_the_next_opening():
    assert business_between(local("2026-11-21T12:00"), local("2026-11-23T09:30"), nine_to_five()) == HOUR // 2
    assert add_business(local("2026-11-21T12:00"), HOUR // 2, nine_to_five()) == local("2026-11-23T09:30")


def test_frappe_1554_a_break_is_an_interval_and_not_a_shift_of_the_start():
    calendar = nine_to_five()
    worked = business_between(local("2026-11-24T09:00"), local("2026-11-24T16:30"), calendar)

    # On hold from 16:30 to 10:00: what is left is counted from the end of the hold.
    assert add_business(local("2026-11-25T10:00"), 8 * HOUR - worked, calendar) == local("2026-11-25T10:30")


def test_dbt_zendesk_25_history_is_counted_with_the_offset_of_its_day():
    """In July Paris is two hours ahead, in January one, whatever day it is today."""
    calendar = nine_to_five()

    for day, opening in (("2026-07-15", "07:00"), ("2026-01-15", "08:00"), ("1975-07-15", "08:00")):
        start = datetime.fromisoformat(f"{day}T00:00Z")
        assert add_business(start, 1, calendar) == datetime.fromisoformat(f"{day}T{opening}:01Z")


def test_glpi_holidays_over_the_turn_of_the_year_are_found():
    """Month-day strings never matched 24 December to 2 January."""
    days = ["2026-12-24", "2026-12-25", "2026-12-28", "2026-12-29", "2026-12-30", "2026-12-31", "2027-01-01"]
    calendar = nine_to_five(exceptions=[closed(day) for day in days])

    assert business_between(local("2026-12-24T00:00"), local("2027-01-04T00:00"), calendar) == 0
    assert add_business(local("2026-12-23T16:00"), 2 * HOUR, calendar) == local("2027-01-04T10:00")


def test_zammad_two_breaks_of_one_minute_both_count_and_seconds_are_kept():
    calendar = nine_to_five(exceptions=[closed("2026-11-23", "10:00", "10:01"), closed("2026-11-23", "10:01", "10:02")])

    assert business_between(local("2026-11-23T09:59:30"), local("2026-11-23T10:02:30"), calendar) == 60


def test_frappe_a_calendar_that_never_opens_is_walked_no_further_than_the_horizon():
    never = OpenHours("Europe/Paris", [])

    for seconds in (1, -1, 10**15, -(10**15)):
        with pytest.raises(BeyondHorizon, match="3660 days away"):
            add_business(local("2026-11-23T09:00"), seconds, never)
    assert business_between(local("2026-11-23T09:00"), local("2036-11-23T09:00"), never) == 0


# --- the clocks


def test_python_would_say_five_oclock_where_the_answer_is_six():
    """Spring in Paris: 01:00 and four hours."""
    assert add_business(local("2025-03-30T01:00"), 4 * HOUR, ALWAYS) == local("2025-03-30T06:00")
    assert business_between(local("2025-03-30T01:00"), local("2025-03-30T05:00"), ALWAYS) == 3 * HOUR


def test_a_start_inside_the_spring_gap_is_the_first_valid_instant():
    calendar = hours(((6,), "02:30", "10:00"))

    assert add_business(local("2026-03-29T00:00"), 1, calendar) == local("2026-03-29T03:00:01")
    assert business_between(local("2026-03-29T00:00"), local("2026-03-30T00:00"), calendar) == 7 * HOUR


def test_a_window_within_the_spring_gap_does_not_open():
    calendar = hours(((6,), "02:15", "02:45"))

    assert business_between(local("2026-03-29T00:00"), local("2026-03-30T00:00"), calendar) == 0


def test_a_repeated_hour_is_open_in_both_passes():
    calendar = hours(((6,), "02:00", "03:00"))

    assert business_between(local("2026-10-25T00:00"), local("2026-10-26T00:00"), calendar) == 2 * HOUR
    half = hours(((6,), "02:30", "03:00"))
    assert half.intervals(local("2026-10-25T00:00"), local("2026-10-26T00:00")) == [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
    ]


def test_a_day_that_a_zone_left_out_has_no_hours():
    """Samoa went from 29 to 31 December 2011; the 30th would have been a Friday."""
    calendar = nine_to_five("Pacific/Apia")
    thursday = local("2011-12-29T16:00", "Pacific/Apia")

    assert add_business(thursday, 2 * HOUR, calendar) == local("2012-01-02T10:00", "Pacific/Apia")


def test_lord_howe_moves_by_half_an_hour():
    zone = "Australia/Lord_Howe"
    night = hours((range(7), "00:00", "06:00"), zone=zone)

    lengths = [
        business_between(local(f"{day}T00:00", zone), local(f"{day}T12:00", zone), night)
        for day in ("2026-04-04", "2026-04-05", "2026-10-04")
    ]

    assert lengths == [6 * HOUR, 6 * HOUR + HOUR // 2, 6 * HOUR - HOUR // 2]


# --- midnight and exceptions


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts():
    calendar = hours(((4,), "22:00", "06:00"))

    assert calendar.intervals(local("2026-11-16T00:00"), local("2026-11-23T00:00")) == [
        (local("2026-11-20T22:00"), local("2026-11-21T06:00"))
    ]


def test_sunday_night_runs_into_monday():
    calendar = hours(((6,), "22:00", "06:00"))

    assert business_between(local("2026-11-23T00:00"), local("2026-11-24T00:00"), calendar) == 6 * HOUR


def test_a_closed_day_is_the_day_on_the_wall_also_for_what_runs_over_midnight():
    calendar = hours((range(7), "22:00", "06:00"), exceptions=[closed("2026-12-25")])

    assert calendar.intervals(local("2026-12-24T12:00"), local("2026-12-26T12:00")) == [
        (local("2026-12-24T22:00"), local("2026-12-25T00:00")),
        (local("2026-12-26T00:00"), local("2026-12-26T06:00")),
    ]


def test_an_extra_opening_beats_a_closing():
    calendar = nine_to_five(exceptions=[closed("2026-12-24"), opened("2026-12-24", "10:00", "12:00")])

    assert calendar.intervals(local("2026-12-24T00:00"), local("2026-12-25T00:00")) == [
        (local("2026-12-24T10:00"), local("2026-12-24T12:00"))
    ]


def test_part_days_close_and_open():
    calendar = nine_to_five(exceptions=[closed("2026-11-23", "12:00", "24:00"), opened("2026-11-22", "10:00", "11:00")])

    assert calendar.intervals(local("2026-11-22T00:00"), local("2026-11-24T00:00")) == [
        (local("2026-11-22T10:00"), local("2026-11-22T11:00")),
        (local("2026-11-23T09:00"), local("2026-11-23T12:00")),
    ]


def test_a_closing_over_midnight_reaches_into_the_next_day():
    calendar = hours((range(7), "00:00", "24:00"), exceptions=[closed("2026-12-31", "18:00", "06:00")])

    assert business_between(local("2026-12-31T12:00"), local("2027-01-01T12:00"), calendar) == 12 * HOUR


# --- the convention


def test_a_target_that_ends_at_closing_time_is_due_at_closing_time():
    assert add_business(local("2026-11-23T09:00"), 8 * HOUR, nine_to_five()) == local("2026-11-23T17:00")
    assert add_business(local("2026-11-23T09:00"), 8 * HOUR + 1, nine_to_five()) == local("2026-11-24T09:00:01")


def test_nothing_is_due_at_the_start_open_or_not_and_fractions_are_cut_off():
    start = local("2026-11-21T12:00:00") + timedelta(microseconds=999_999)

    assert add_business(start, 0, nine_to_five()) == local("2026-11-21T12:00:00")


def test_any_zone_of_the_instants_says_the_same():
    tokyo = local("2026-11-23T10:00").astimezone(ZoneInfo("Asia/Tokyo"))

    assert add_business(tokyo, HOUR, nine_to_five()) == local("2026-11-23T11:00")


def test_a_naive_time_is_nobodys():
    with pytest.raises(TypeError):
        add_business(datetime(2026, 11, 23, 9), 1, ALWAYS)  # noqa: DTZ001


def test_the_horizon_is_exact():
    start = local("2026-11-23T09:00")

    assert add_business(start, HORIZON.days * 86_400, ALWAYS) == start + HORIZON
    assert add_business(start, -HORIZON.days * 86_400, ALWAYS) == start - HORIZON
    for seconds in (HORIZON.days * 86_400 + 1, -HORIZON.days * 86_400 - 1):
        with pytest.raises(BeyondHorizon):
            add_business(start, seconds, ALWAYS)


def test_instants_of_other_centuries_are_refused():
    with pytest.raises(BeyondHorizon, match="1970 to 2200"):
        business_between(datetime(1800, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), ALWAYS)


def test_asking_in_any_order_changes_no_answer():
    """The table grows as it is asked, at both ends."""
    years = [2026, 2031, 1999, 2040, 1971, 2199, 2026]
    grown = nine_to_five()

    for year in years:
        start = local(f"{year}-03-02T12:00")
        assert add_business(start, 100 * HOUR, grown) == add_business(start, 100 * HOUR, nine_to_five())
        assert business_between(start, local("2026-06-01T12:00"), grown) == business_between(
            start, local("2026-06-01T12:00"), nine_to_five()
        )
