"""What repeats, by a calendar: on the rule's days at the start's wall time, and what becomes of closed days."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from random import Random
from time import thread_time
from zoneinfo import ZoneInfo

import pytest

from apps.core.errors import Invalid
from apps.organizations.calendars import OpenHours, occurrences, rule_of
from tests.conftest import IS_FULL_RUN
from tests.core.expectations import assert_problem, pointers

WEEKDAYS = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
# Saturdays and Sundays are closed, 24 December too, and 27 December 2026 (a Sunday) is open for an hour.
EXCEPTIONS = [
    {"date": "2026-12-24", "kind": "closed"},
    {"date": "2026-12-27", "kind": "open", "start": "10:00", "end": "11:00"},
]
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = OpenHours("Europe/Berlin", WEEKDAYS, EXCEPTIONS)
CASES = 20_000 if IS_FULL_RUN else 400
NAMES = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def berlin(year, month, day, hour=8):
    return datetime(year, month, day, hour, tzinfo=BERLIN)


def days(rule, start, on_closed_day="keep", hours=OFFICE, most=6):
    found = occurrences(rule_of(rule), start, hours, on_closed_day=on_closed_day, most=most)
    return [each.day.isoformat() for each in found]


def test_glpi_18703_what_falls_on_a_closed_day_is_kept_skipped_or_moved_as_asked():
    daily, wednesday = "FREQ=DAILY", berlin(2026, 12, 23)

    kept = days(daily, wednesday)
    skipped = days(daily, wednesday, "skip")
    later = days("FREQ=MONTHLY;BYMONTHDAY=24", berlin(2026, 10, 1), "next_open", most=4)
    earlier = days("FREQ=MONTHLY;BYMONTHDAY=24", berlin(2026, 10, 1), "previous_open", most=4)

    assert kept == [f"2026-12-{day}" for day in range(23, 29)]
    assert skipped == ["2026-12-23", "2026-12-25", "2026-12-27", "2026-12-28", "2026-12-29", "2026-12-30"]
    # 24 October 2026 is a Saturday, 24 January 2027 a Sunday.
    assert later == ["2026-10-26", "2026-11-24", "2026-12-25", "2027-01-25"]
    assert earlier == ["2026-10-23", "2026-11-24", "2026-12-23", "2027-01-22"]


def test_glpi_18703_what_moves_onto_one_day_happens_once_and_remembers_the_first():
    weekend = rule_of("FREQ=WEEKLY;BYDAY=FR,SA,SU,MO;COUNT=5")

    found = occurrences(weekend, berlin(2026, 11, 20), OFFICE, on_closed_day="next_open")

    assert [(each.at, each.day, each.rule_day) for each in found] == [
        (datetime(2026, 11, 20, 7, tzinfo=UTC), date(2026, 11, 20), date(2026, 11, 20)),
        (datetime(2026, 11, 23, 7, tzinfo=UTC), date(2026, 11, 23), date(2026, 11, 21)),
        (datetime(2026, 11, 27, 7, tzinfo=UTC), date(2026, 11, 27), date(2026, 11, 27)),
    ]


def test_glpi_21821_a_fixed_day_of_the_month_stays_that_day_whatever_months_are_long():
    tenth = days("FREQ=MONTHLY;BYMONTHDAY=10", berlin(2026, 1, 31), most=5)
    # Of a month without one the rule says nothing; "the 31st or the last" is a rule of its own.
    thirty_first = days("FREQ=MONTHLY", berlin(2026, 1, 31), most=4)
    last = days("FREQ=MONTHLY;BYMONTHDAY=-1", berlin(2026, 1, 31), most=4)
    nearly = days("FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", berlin(2026, 1, 30), most=3)

    assert tenth == ["2026-02-10", "2026-03-10", "2026-04-10", "2026-05-10", "2026-06-10"]
    assert thirty_first == ["2026-01-31", "2026-03-31", "2026-05-31", "2026-07-31"]
    assert last == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    assert nearly == ["2026-01-30", "2026-02-28", "2026-03-30"]


@pytest.mark.parametrize(
    ("zone", "start", "instants"),
    [
        # 02:30 is left out on 29 March and comes an hour later by the clock; the days around keep their wall time.
        ("Europe/Berlin", "2026-03-28T02:30", ["28T01:30", "29T01:30", "30T00:30"]),
        # 02:30 comes twice on 25 October: the first.
        ("Europe/Berlin", "2026-10-24T02:30", ["24T00:30", "25T00:30", "26T01:30"]),
        # Half an hour of daylight saving: 02:15 is left out on 4 October.
        ("Australia/Lord_Howe", "2026-10-03T02:15", ["02T15:45", "03T15:45", "04T15:15"]),
        # 30 December 2011 was left out whole: what was said of it and of the 31st is one.
        ("Pacific/Apia", "2011-12-29T09:00", ["29T19:00", "30T19:00", "31T19:00"]),
    ],
)
def test_the_wall_clock_keeps_its_time_through_every_change(zone, start, instants):
    hours = OpenHours(zone, WEEKDAYS)
    at = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))

    found = occurrences(rule_of("FREQ=DAILY"), at, hours, on_closed_day="keep", most=3)

    assert [each.at.strftime("%dT%H:%M") for each in found] == instants
    assert len({each.day for each in found}) == 3


def test_until_is_a_whole_local_day_or_an_instant_and_the_end_is_ten_years_away_at_most():
    start = berlin(2026, 11, 20)

    assert days("FREQ=DAILY;UNTIL=20261122", start) == ["2026-11-20", "2026-11-21", "2026-11-22"]
    assert days("FREQ=DAILY;UNTIL=20261122T070000Z", start) == ["2026-11-20", "2026-11-21", "2026-11-22"]
    assert days("FREQ=DAILY;UNTIL=20261122T065959Z", start) == ["2026-11-20", "2026-11-21"]
    assert len(days("RRULE:freq=daily", start, most=1_000)) == 366
    assert days("FREQ=YEARLY", start, most=366)[-1] == "2036-11-20"
    assert days("FREQ=YEARLY;INTERVAL=1000", start) == ["2026-11-20"]
    # A calendar that is open on one day only: after it nothing is open any more, before it neither.
    once = OpenHours("UTC", [], [{"date": "2026-11-25", "kind": "open", "start": "10:00", "end": "11:00"}])
    assert days("FREQ=WEEKLY", start, "next_open", once) == ["2026-11-25"]
    assert days("FREQ=WEEKLY", start, "previous_open", once) == ["2026-11-25"]


REFUSED = {
    "FREQ=SECONDLY": ("frequency", "repeats by the day at most"),
    "FREQ=HOURLY;COUNT=3": ("frequency", "repeats by the day at most"),
    "FREQ=DAILY;BYSECOND=0,1": ("not_accepted", "repeats by the day at most"),
    "FREQ=SOMETIMES": ("frequency", "DAILY or WEEKLY or MONTHLY or YEARLY"),
    "COUNT=3": ("frequency", "DAILY or WEEKLY or MONTHLY or YEARLY"),
    "every day": ("not_accepted", "such as FREQ=MONTHLY;BYMONTHDAY=10"),
    "FREQ=DAILY;FREQ=DAILY": ("not_accepted", "each part once"),
    "FREQ=DAILY;COUNT=3;UNTIL=20270101": ("not_accepted", "either COUNT or UNTIL"),
    "FREQ=DAILY;INTERVAL=0": ("not_accepted", "a number from 1 to 1000"),
    "FREQ=DAILY;INTERVAL=1,2": ("not_accepted", "a number from 1 to 1000"),
    "FREQ=DAILY;INTERVAL=٣": ("not_accepted", "a number from 1 to 1000"),
    "FREQ=DAILY;COUNT=": ("not_accepted", "a number from 1 to 100000"),
    "FREQ=MONTHLY;BYMONTHDAY=32": ("not_accepted", "numbers from 1 to 31 or -31 to -1"),
    "FREQ=MONTHLY;BYMONTHDAY=0": ("not_accepted", "numbers from 1 to 31 or -31 to -1"),
    "FREQ=WEEKLY;BYMONTHDAY=1": ("not_accepted", "beside FREQ=DAILY or MONTHLY or YEARLY"),
    "FREQ=MONTHLY;BYDAY=6MO": ("not_accepted", "places from 1 to 5 or -5 to -1"),
    "FREQ=WEEKLY;BYDAY=1MO": ("not_accepted", "MO to SU, separated by commas."),
    "FREQ=MONTHLY;BYSETPOS=1": ("not_accepted", "BYSETPOS beside another BY… part"),
    "FREQ=YEARLY;BYWEEKNO=20": ("not_accepted", "BYWEEKNO beside BYDAY"),
    "FREQ=DAILY;WKST=XX": ("not_accepted", "one of MO to SU"),
    "FREQ=DAILY;UNTIL=20270230": ("not_accepted", "a day such as 20271231"),
    "FREQ=DAILY;UNTIL=20271231T235959": ("not_accepted", "an instant in UTC such as"),
    "FREQ=DAILY;BYEASTER=0": ("not_accepted", "accepted: FREQ, UNTIL, BYDAY"),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_rule_that_is_not_followed_is_refused_with_the_reason(rule):
    code, reason = REFUSED[rule]

    with pytest.raises(Invalid) as refusal:
        rule_of(rule)

    (error,) = refusal.value.errors
    assert (error.pointer, error.code) == ("/rule", code)
    assert reason in error.detail


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=WEEKLY;INTERVAL=2;BYMONTH=2;BYDAY=MO;WKST=SU;COUNT=1",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6;BYDAY=MO",
        "FREQ=YEARLY;BYYEARDAY=366;INTERVAL=2",
    ],
)
def test_a_rule_that_seldom_or_never_comes_true_keeps_nobody_waiting(rule):
    before = thread_time()

    found = occurrences(rule_of(rule), berlin(2027, 3, 1), OFFICE, on_closed_day="skip")

    assert thread_time() - before < 3
    assert len(found) <= 1


def says(rule, day, start):
    """The oracle: whether a day is one of the rule's, by looking at nothing but that day. BYSETPOS is left to `spelt_out`."""
    freq, step = rule["FREQ"], rule.get("INTERVAL", 1)
    apart = {
        "DAILY": (day - start).days,
        "WEEKLY": ((day - timedelta(day.weekday())) - (start - timedelta(start.weekday()))).days // 7,
        "MONTHLY": (day.year - start.year) * 12 + day.month - start.month,
        "YEARLY": day.year - start.year,
    }[freq]
    if apart % step or ("BYMONTH" in rule and day.month not in rule["BYMONTH"]):
        return False
    length = ((day.replace(day=28) + timedelta(4)).replace(day=1) - timedelta(1)).day
    if "BYMONTHDAY" in rule and not {day.day, day.day - length - 1} & set(rule["BYMONTHDAY"]):
        return False
    of_year = day.timetuple().tm_yday
    year_length = date(day.year, 12, 31).timetuple().tm_yday
    if "BYYEARDAY" in rule and not {of_year, of_year - year_length - 1} & set(rule["BYYEARDAY"]):
        return False
    if "BYWEEKNO" in rule and day.isocalendar().week not in rule["BYWEEKNO"]:
        return False
    if "BYDAY" in rule:
        in_month = freq == "MONTHLY" or "BYMONTH" in rule
        nth, back = (
            ((day.day, length) if in_month else (of_year, year_length)) if freq in ("MONTHLY", "YEARLY") else (1, 1)
        )
        places = {None, (nth - 1) // 7 + 1, -((back - nth) // 7 + 1)}
        return any(day.weekday() == weekday and place in places for place, weekday in rule["BYDAY"])
    if {"BYMONTHDAY", "BYYEARDAY"} & rule.keys() or freq == "DAILY":
        return True
    if freq == "WEEKLY":
        return day.weekday() == start.weekday()
    return day.day == start.day and (freq == "MONTHLY" or "BYMONTH" in rule or day.month == start.month)


def spelt_out(rule, start, end):
    """The oracle's days: each day of the years is asked."""
    first, after_last = date(start.year, 1, 1), date(end.year + 1, 1, 1)
    found = [day for day in (first + timedelta(n) for n in range((after_last - first).days)) if says(rule, day, start)]
    if "BYSETPOS" in rule:
        unit = "%Y-%m" if rule["FREQ"] == "MONTHLY" else "%Y"
        chosen = []
        for _, group in groupby(found, key=lambda day: day.strftime(unit)):
            period = list(group)
            chosen += [
                day
                for place, day in enumerate(period)
                if place + 1 in rule["BYSETPOS"] or place - len(period) in rule["BYSETPOS"]
            ]
        found = chosen
    return [day for day in found if start <= day < end]


def some_rule(random):
    freq = random.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    rule = {"FREQ": freq}
    if random.random() < 0.5:
        rule["INTERVAL"] = random.choice([1, 2, 3, 5, 13])
    if random.random() < 0.3:
        rule["BYMONTH"] = sorted(random.sample(range(1, 13), random.randint(1, 4)))
    if freq in ("DAILY", "MONTHLY", "YEARLY") and random.random() < 0.4:
        rule["BYMONTHDAY"] = random.sample([*range(1, 32), -1, -2, -15, -31], random.randint(1, 4))
    if freq == "YEARLY" and random.random() < 0.2:
        rule["BYYEARDAY"] = random.sample([1, 59, 60, 100, 365, 366, -1, -366, -100], 3)
    if random.random() < 0.5:
        has_places = freq in ("MONTHLY", "YEARLY") and random.random() < 0.5
        places = [1, 2, -1, 5, -5, 3] if has_places else [None]
        rule["BYDAY"] = [(random.choice(places), weekday) for weekday in random.sample(range(7), random.randint(1, 3))]
        if freq == "YEARLY" and not has_places and random.random() < 0.5:
            # Which year a week between two belongs to, only a rule of every year need not say.
            rule.pop("INTERVAL", None)
            rule["BYWEEKNO"] = random.sample(range(1, 54), 5)
    if freq in ("MONTHLY", "YEARLY") and len(rule.keys() - {"FREQ", "INTERVAL"}) and random.random() < 0.3:
        rule["BYSETPOS"] = random.sample([1, 2, -1, -2, 3], 2)
    return rule


def text(rule):
    def said(name, value):
        if name == "BYDAY":
            return ",".join(f"{'' if place is None else place}{NAMES[weekday]}" for place, weekday in value)
        return ",".join(map(str, value)) if isinstance(value, list) else value

    return ";".join(f"{name}={said(name, value)}" for name, value in rule.items())


def moved(day, is_open, how):
    if how == "keep" or is_open(day):
        return day
    if how == "skip":
        return None
    step = timedelta(1 if how == "next_open" else -1)
    while not is_open(day):
        day += step
    return day


@pytest.mark.heavy
def test_every_rule_agrees_with_asking_each_day_of_the_years():
    zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"]
    found_at_all = 0
    for number in range(CASES):
        random = Random(number)
        rule, zone = some_rule(random), random.choice(zones)
        closed = {date(2026, 1, 1) + timedelta(random.randrange(1_000)) for _ in range(60)}
        open_weekdays = random.sample(range(7), random.randint(1, 7))
        hours = OpenHours(
            zone,
            [{"weekday": weekday, "start": "08:00", "end": "12:00"} for weekday in open_weekdays],
            [{"date": day.isoformat(), "kind": "closed"} for day in closed],
        )
        start = datetime.combine(date(2026, 1, 1) + timedelta(random.randrange(400)), time(random.randrange(24), 30))
        how = random.choice(["keep", "skip", "next_open", "previous_open"])
        case = f"case {number}: {text(rule)} from {start} in {zone}, {how}, open {open_weekdays}"

        def is_open(day, closed=closed, open_weekdays=open_weekdays):
            return day.weekday() in open_weekdays and day not in closed

        until = start.date() + timedelta(700)
        placed = [moved(day, is_open, how) for day in spelt_out(rule, start.date(), until)]
        expected = sorted({day for day in placed if day is not None})[:60]
        got = occurrences(
            rule_of(f"{text(rule)};UNTIL={until - timedelta(1):%Y%m%d}"),
            start.replace(tzinfo=ZoneInfo(zone)),
            hours,
            on_closed_day=how,
            most=60,
        )
        assert [each.rule_day if how == "keep" else each.day for each in got] == expected, case
        for each in got:
            local = each.at.astimezone(ZoneInfo(zone))
            # The clocks leave out an hour at most: what is not at its time is later by that.
            assert local.time() == start.time() or local.utcoffset() != (local - timedelta(days=1)).utcoffset(), case
        found_at_all += len(got)
    assert found_at_all > CASES * 5


CALENDARS = "/api/v1/sla/calendars/"


@pytest.fixture
def url(acme, dan, api):
    given = {"name": "Office", "time_zone": "Europe/Berlin", "windows": WEEKDAYS, "exceptions": EXCEPTIONS}
    return api(dan).post(CALENDARS, given)["Location"] + "occurrences/"


def test_a_preview_says_when_and_what_the_rule_had_said(alice, bob, mallory, api, url):
    given = {"rule": "FREQ=MONTHLY;BYMONTHDAY=24", "start": "2026-11-20T08:00:00+01:00", "count": 2}

    moved_on = api(alice).post(url, {**given, "on_closed_day": "next_open"})
    plain = api(alice).post(url, {"rule": "FREQ=WEEKLY", "start": "2026-11-20T08:00:00+01:00"})

    assert (moved_on.status_code, moved_on.json()) == (
        200,
        {
            "results": [
                {"at": "2026-11-24T07:00:00Z", "day": "2026-11-24", "rule_day": "2026-11-24"},
                {"at": "2026-12-25T07:00:00Z", "day": "2026-12-25", "rule_day": "2026-12-24"},
            ]
        },
    )
    assert len(plain.json()["results"]) == 10
    assert [api(who).post(url, given).status_code for who in (mallory, bob)] == [404, 403]


@pytest.mark.parametrize(
    ("change", "fault", "accepted"),
    [
        ({"rule": "FREQ=SECONDLY"}, ("/rule", "frequency"), "DAILY or WEEKLY or MONTHLY or YEARLY"),
        ({"rule": None}, ("/rule", "null"), ""),
        ({"start": "2026-11-20T08:00:00"}, ("/start", "naive"), "RFC 3339 with offset"),
        ({"on_closed_day": "guess"}, ("/on_closed_day", "invalid_choice"), "keep, skip, next_open, previous_open"),
        ({"count": 367}, ("/count", "out_of_range"), "1 to 366"),
        ({"zone": "UTC"}, ("/zone", "unknown_field"), ""),
    ],
)
def test_a_wrong_question_is_told_what_is_accepted(alice, api, url, change, fault, accepted):
    answer = api(alice).post(url, {"rule": "FREQ=DAILY", "start": "2026-11-20T08:00:00Z", **change})

    problem = assert_problem(answer, 400, "invalid")
    assert pointers(problem) == [fault]
    assert accepted in problem["errors"][0]["detail"]
