"""Which weeks and which exceptions a business calendar accepts."""

import time
from datetime import timedelta

import pytest
from django.db.utils import ProgrammingError
from django.utils import timezone

from apps.audit.models import Event
from apps.core import records
from apps.organizations import calendar_records
from apps.organizations.models import BusinessCalendar, CalendarVersion
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.factories import BusinessCalendarFactory

CALENDARS = "/api/v1/sla/calendars/"
TODAY = timezone.now().date()
SOON, LONG_AGO, LATE = ((TODAY + timedelta(days=days)).isoformat() for days in (300, -30, 400))


def window(weekday=0, start="09:00", end="17:00"):
    return {"weekday": weekday, "start": start, "end": end}


def closed(date="2026-12-24", **times):
    return {"date": date, "kind": "closed", **times}


def opened(date="2026-12-24", start="09:00", end="12:00"):
    return {"date": date, "kind": "open", "start": start, "end": end}


def body(**values):
    return {"name": "Office", "time_zone": "Europe/Berlin", "windows": [window()], **values}


ACCEPTED = {
    "an ordinary week": {"windows": [window(day) for day in range(5)]},
    "around the clock": {"windows": [window(day, "00:00", "24:00") for day in range(7)]},
    "over midnight": {"windows": [window(4, "22:00", "06:00"), window(5, "06:00", "07:00")]},
    "over midnight on Sunday": {"windows": [window(6, "22:00", "06:00"), window(0, "06:00", "24:00")]},
    "until midnight, said the other way": {
        "windows": [window(start="18:00", end="00:00"), window(1, "00:00", "01:00")]
    },
    "no windows but an opening": {"windows": [], "exceptions": [opened(SOON)]},
    "closed over midnight": {"exceptions": [closed("2026-12-31", start="20:00", end="06:00")]},
    "closed all day and open for a while": {"exceptions": [closed(), opened()]},
    "two windows that touch": {"windows": [window(start="09:00", end="12:00"), window(start="12:00", end="17:00")]},
    "in any order": {"windows": [window(start="13:00"), window(6), window(start="08:00", end="12:00")]},
    "one minute": {"windows": [window(start="23:59", end="24:00")]},
    "the same hours on another day": {"windows": [window(1), window(2)]},
    "closed all day": {"exceptions": [closed()]},
    "closed for a while": {"exceptions": [closed(start="12:00", end="13:00")]},
    "open on a Sunday": {"exceptions": [opened()]},
    "two stretches of one date": {"exceptions": [opened(), opened(start="13:00", end="24:00")]},
    "closed within one date and open later": {
        "exceptions": [closed(start="09:00", end="10:00"), opened(start="10:00")]
    },
    "a leap day": {"exceptions": [closed("2028-02-29")]},
    "no exceptions": {"exceptions": []},
    "another zone": {"time_zone": "Australia/Lord_Howe"},
}

REFUSED = {
    "never open": ({"windows": []}, [("/windows", "never_open")]),
    "open only in the past": (
        {"windows": [], "exceptions": [opened(LONG_AGO)]}, [("/windows", "never_open")],
    ),
    "open only in more than a year": (
        {"windows": [], "exceptions": [opened(LATE)]}, [("/windows", "never_open")],
    ),
    "overlap over midnight": (
        {"windows": [window(0, "22:00", "06:00"), window(1, "05:59", "07:00")]}, [("/windows/1/start", "overlap")],
    ),
    "overlap over midnight on Sunday": (
        {"windows": [window(0, "05:59", "07:00"), window(6, "22:00", "06:00")]}, [("/windows/1/start", "overlap")],
    ),
    "exceptions that overlap over midnight": (
        {"exceptions": [closed("2026-12-31", start="20:00", end="06:00"), closed("2027-01-01")]},
        [("/exceptions/1/start", "overlap")],
    ),
    "no length": ({"windows": [window(start="09:00", end="09:00")]}, [("/windows/0/end", "out_of_range")]),
    "from midnight to midnight": ({"windows": [window(start="24:00", end="24:00")]}, [("/windows/0/end", "out_of_range")]),
    "overlap": (
        {"windows": [window(start="09:00", end="12:00"), window(start="11:59", end="13:00")]},
        [("/windows/1/start", "overlap")],
    ),
    "overlap in any order": (
        {"windows": [window(start="11:00"), window(1), window(start="09:00", end="12:00")]},
        [("/windows/0/start", "overlap")],
    ),
    "one inside the other": (
        {"windows": [window(start="00:00", end="24:00"), window(start="09:00", end="10:00")]},
        [("/windows/1/start", "overlap")],
    ),
    "twice the same": ({"windows": [window(), window()]}, [("/windows/1/start", "overlap")]),
    "25:00": ({"windows": [window(end="25:00")]}, [("/windows/0/end", "invalid")]),
    "24:01": ({"windows": [window(end="24:01")]}, [("/windows/0/end", "invalid")]),
    "12:60": ({"windows": [window(end="12:60")]}, [("/windows/0/end", "invalid")]),
    "9:00": ({"windows": [window(start="9:00")]}, [("/windows/0/start", "invalid")]),
    "seconds": ({"windows": [window(start="09:00:00")]}, [("/windows/0/start", "invalid")]),
    "newline": ({"windows": [window(start="09:00\n")]}, [("/windows/0/start", "invalid")]),
    "other digits": ({"windows": [window(start="٠٩:٠٠")]}, [("/windows/0/start", "invalid")]),
    "a number": ({"windows": [window(start=9)]}, [("/windows/0/start", "invalid")]),
    "no time": ({"windows": [window(end=None)]}, [("/windows/0/end", "null")]),
    "weekday 7": ({"windows": [window(7)]}, [("/windows/0/weekday", "out_of_range")]),
    "weekday -1": ({"windows": [window(-1)]}, [("/windows/0/weekday", "out_of_range")]),
    "weekday as text": ({"windows": [window("0")]}, [("/windows/0/weekday", "invalid")]),
    "weekday true": ({"windows": [window(True)]}, [("/windows/0/weekday", "invalid")]),
    "weekday 1.0": ({"windows": [window(1.0)]}, [("/windows/0/weekday", "invalid")]),
    "half a window": ({"windows": [{"weekday": 0}]}, [("/windows/0/start", "required"), ("/windows/0/end", "required")]),
    "an empty window": (
        {"windows": [{}]},
        [("/windows/0/weekday", "required"), ("/windows/0/start", "required"), ("/windows/0/end", "required")],
    ),
    "the second one is wrong": ({"windows": [window(), window(1, end="x")]}, [("/windows/1/end", "invalid")]),
    "an unknown field": ({"windows": [{**window(), "colour": 1}]}, [("/windows/0/colour", "unknown_field")]),
    "windows as an object": ({"windows": {"0": window()}}, [("/windows", "not_a_list")]),
    "windows as a text": ({"windows": "always"}, [("/windows", "not_a_list")]),
    "no windows at all": ({"windows": None}, [("/windows", "null")]),
    "a text as window": ({"windows": ["09:00"]}, [("/windows/0", "invalid")]),
    "null as window": ({"windows": [None]}, [("/windows/0", "null")]),
    "too many windows": ({"windows": [window()] * 71}, [("/windows", "max_length")]),
    "open without times": ({"exceptions": [{"date": "2026-12-24", "kind": "open"}]}, [("/exceptions/0/start", "required")]),
    "open without an end": (
        {"exceptions": [{"date": "2026-12-24", "kind": "open", "start": "09:00"}]},
        [("/exceptions/0/end", "required")],
    ),
    "closed without a start": ({"exceptions": [closed(end="12:00")]}, [("/exceptions/0/start", "required")]),
    "closed for no time": ({"exceptions": [closed(start="13:00", end="13:00")]}, [("/exceptions/0/end", "out_of_range")]),
    "the same date closed twice": ({"exceptions": [closed(), closed()]}, [("/exceptions/1/start", "overlap")]),
    "closed all day and for a while": (
        {"exceptions": [closed(start="09:00", end="12:00"), closed()]}, [("/exceptions/0/start", "overlap")],
    ),
    "overlap on one date": (
        {"exceptions": [opened(), opened(start="11:00", end="13:00")]},
        [("/exceptions/1/start", "overlap")],
    ),
    "no such date": ({"exceptions": [closed("2026-02-29")]}, [("/exceptions/0/date", "invalid")]),
    "a time as date": ({"exceptions": [closed("2026-12-24T00:00:00Z")]}, [("/exceptions/0/date", "invalid")]),
    "a German date": ({"exceptions": [closed("24.12.2026")]}, [("/exceptions/0/date", "invalid")]),
    "a date as number": ({"exceptions": [closed(20261224)]}, [("/exceptions/0/date", "invalid")]),
    "the year 1": ({"exceptions": [closed("0001-01-01")]}, [("/exceptions/0/date", "out_of_range")]),
    "another kind": ({"exceptions": [{"date": "2026-12-24", "kind": "half"}]}, [("/exceptions/0/kind", "invalid_choice")]),
    "an empty exception": (
        {"exceptions": [{}]},
        [("/exceptions/0/date", "required"), ("/exceptions/0/kind", "required")],
    ),
    "too many exceptions": ({"exceptions": [closed()] * 2001}, [("/exceptions", "max_length")]),
    "an unknown zone": ({"time_zone": "Europe/Atlantis"}, [("/time_zone", "unknown_zone")]),
    "a zone in lower case": ({"time_zone": "europe/berlin"}, [("/time_zone", "unknown_zone")]),
    "an offset": ({"time_zone": "+01:00"}, [("/time_zone", "unknown_zone")]),
    "a path": ({"time_zone": "../../etc/passwd"}, [("/time_zone", "unknown_zone")]),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_sensible_calendar_is_kept_as_it_was_given(acme, dan, api, name):
    given = body(**ACCEPTED[name])

    answer = api(dan).post(CALENDARS, given)

    assert answer.status_code == 201, answer.content
    assert {key: answer.json()[key] for key in given} == given
    assert api(dan).get(answer["Location"]).json() == answer.json()


@pytest.mark.parametrize("method", ["post", "patch"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_calendar_that_makes_no_sense_is_refused_with_a_pointer_and_what_is_accepted(acme, dan, api, name, method):
    changes, expected = REFUSED[name]
    with acme.entered():
        calendar = BusinessCalendarFactory()

    url, given = (CALENDARS, body(**changes)) if method == "post" else (f"{CALENDARS}{calendar.pk}/", changes)
    answer = getattr(api(dan), method)(url, given)

    assert pointers(assert_problem(answer, 400, "invalid")) == expected
    with acme.entered():
        assert BusinessCalendar.objects.values_list("pk", "version").get() == (calendar.pk, 1)
        assert not Event.objects.filter(subject_type="calendar").exists()


def test_a_calendar_without_a_zone_is_refused(acme, dan, api):
    """No zone of the server, of the organization or of UTC is taken for what nobody said."""
    given = body()
    del given["time_zone"]

    answer = api(dan).post(CALENDARS, given)

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/time_zone", "required")]
    for nothing in (None, ""):
        answer = api(dan).post(CALENDARS, {**given, "time_zone": nothing})
        assert [pointer for pointer, _ in pointers(assert_problem(answer, 400, "invalid"))] == ["/time_zone"]
    with acme.entered():
        assert not BusinessCalendar.objects.exists()


def test_a_patch_changes_the_week_as_a_whole_and_leaves_the_rest(acme, dan, api):
    url = api(dan).post(CALENDARS, body(exceptions=[closed()]))["Location"]

    answer = api(dan).patch(url, {"windows": [window(4)]})

    assert (answer.json()["windows"], answer.json()["exceptions"]) == ([window(4)], [closed()])
    assert api(dan).patch(url, {"windows": [window(4)], "exceptions": [closed()]})["ETag"] == '"2"'


def test_two_thousand_wrong_exceptions_cost_as_much_as_a_hundred_and_a_hundred_are_told(acme, dan, api):
    """In the CPU time of this thread, the best of three: a busy machine changes nothing."""
    client = api(dan)

    def cost(number):
        given, spent = body(exceptions=[{"colour": 1}] * number), []
        for _ in range(3):
            started = time.thread_time()
            answer = client.post(CALENDARS, given)
            spent.append(time.thread_time() - started)
            assert len(assert_problem(answer, 400, "invalid")["errors"]) == 100
        return min(spent)

    assert cost(2000) < 3 * cost(100)


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_only_who_configures_changes_a_calendar(acme, dan, api, request, who):
    user = request.getfixturevalue(who)
    url = api(dan).post(CALENDARS, body())["Location"]

    for answer in (
        api(user).post(CALENDARS, body(name="Mine")),
        api(user).patch(url, {"name": "Mine"}),
        api(user).delete(url),
    ):
        assert assert_problem(answer, 403, "missing_grant")["grant"] == "calendars.configure"
    assert api(user).get(url).json()["name"] == "Office"


def test_each_change_of_hours_is_a_version_and_nothing_else_is(acme, dan, api):
    url = api(dan).post(CALENDARS, body())["Location"]

    for change in (
        {"name": "Renamed"},
        {"windows": [window(1)]},
        {"windows": [window(1)], "name": "Once more"},
        {"time_zone": "Asia/Tokyo"},
        {"exceptions": [closed()]},
    ):
        assert api(dan).patch(url, change).status_code == 200

    versions = api(dan).get(f"{url}versions/").json()["results"]
    hours = [(row["number"], row["time_zone"], row["windows"], row["exceptions"]) for row in versions]
    assert hours == [
        (4, "Asia/Tokyo", [window(1)], [closed()]),
        (3, "Asia/Tokyo", [window(1)], []),
        (2, "Europe/Berlin", [window(1)], []),
        (1, "Europe/Berlin", [window()], []),
    ]
    first = versions[-1]
    assert api(dan).get(f"{url}versions/{first['id']}/").json() == first
    with acme.entered():
        assert BusinessCalendar.objects.get().current.number == 4


def test_a_refused_change_leaves_no_version(acme, dan, api):
    url = api(dan).post(CALENDARS, body())["Location"]

    assert_problem(api(dan).patch(url, {"windows": []}), 400, "invalid")

    assert [row["number"] for row in api(dan).get(f"{url}versions/").json()["results"]] == [1]


def test_a_version_never_changes(acme):
    with acme.entered():
        BusinessCalendarFactory()

    with pytest.raises(ProgrammingError, match="append-only"), acme.entered():
        CalendarVersion.objects.update(time_zone="UTC")


def test_a_calendar_is_deleted_with_its_versions(acme, dan, api):
    url = api(dan).post(CALENDARS, body())["Location"]

    assert api(dan).delete(url).status_code == 204

    with acme.entered():
        assert not CalendarVersion.objects.exists()


def test_two_who_change_hours_at_once_write_one_version_after_the_other(fresh_database, acme):
    with acme.entered():
        calendar = BusinessCalendarFactory()

    def change(number):
        with acme.entered():
            row = records.lock(BusinessCalendar, calendar.pk, actor=acme.system)
            values = {"windows": [window(number)]}
            calendar_records.change_calendar(row, actor=acme.system, at=timezone.now(), values=values)

    at_once([lambda: change(1), lambda: change(2)])

    with acme.entered():
        versions = CalendarVersion.objects.filter(calendar=calendar).order_by("number")
        assert [version.number for version in versions] == [1, 2, 3]
        assert versions[2].windows == BusinessCalendar.objects.get(pk=calendar.pk).windows
