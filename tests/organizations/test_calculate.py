"""`POST /sla/calendars/{id}/calculate/`: business seconds and deadlines of up to a thousand items."""

import pytest

from apps.organizations.models import BusinessCalendar
from tests.core.expectations import assert_problem, pointers

CALENDARS = "/api/v1/sla/calendars/"
WEEKDAYS = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
MONDAY = "2026-11-23T09:00:00+01:00"


@pytest.fixture
def url(acme, dan, api):
    given = {"name": "Office", "time_zone": "Europe/Berlin", "windows": WEEKDAYS}
    return api(dan).post(CALENDARS, given)["Location"] + "calculate/"


def test_both_kinds_are_answered_in_their_order(alice, api, url):
    items = [
        {"start": MONDAY, "end": "2026-11-24T09:00:00+01:00"},
        {"start": MONDAY, "seconds": 8 * 3600},
        {"start": MONDAY, "seconds": 8 * 3600 + 1},
        {"start": MONDAY, "seconds": 0},
        {"start": "2026-11-28T12:00:00Z", "seconds": 0},
        {"start": MONDAY, "seconds": -3600},
        {"start": "2026-11-24T08:00:00Z", "end": "2026-11-23T08:00:00Z"},
        {"start": "2026-11-28T00:00:00Z", "end": "2026-11-29T00:00:00Z"},
    ]

    answer = api(alice).post(url, {"items": items})

    assert (answer.status_code, answer.json()["results"]) == (
        200,
        [
            {"business_seconds": 28_800},
            {"due_at": "2026-11-23T16:00:00Z"},
            {"due_at": "2026-11-24T08:00:01Z"},
            {"due_at": "2026-11-23T08:00:00Z"},
            {"due_at": "2026-11-28T12:00:00Z"},
            {"due_at": "2026-11-20T15:00:00Z"},
            {"business_seconds": -28_800},
            {"business_seconds": 0},
        ],
    )


def test_the_hours_that_count_are_the_newest(alice, dan, api, url):
    api(dan).patch(url.removesuffix("calculate/"), {"exceptions": [{"date": "2026-11-23", "kind": "closed"}]})

    answer = api(alice).post(url, {"items": [{"start": MONDAY, "seconds": 1}]})

    assert answer.json()["results"] == [{"due_at": "2026-11-24T08:00:01Z"}]


REFUSED = {
    "naive start": ({"start": "2026-11-23T09:00:00", "seconds": 1}, ("/items/1/start", "naive")),
    "naive end": ({"start": MONDAY, "end": "2026-11-23T09:00:00"}, ("/items/1/end", "naive")),
    "a date": ({"start": "2026-11-23", "seconds": 1}, ("/items/1/start", "naive")),
    "no start": ({"seconds": 1}, ("/items/1/start", "required")),
    "neither": ({"start": MONDAY}, ("/items/1/end", "required")),
    "both": ({"start": MONDAY, "end": MONDAY, "seconds": 1}, ("/items/1/end", "required")),
    "text": ({"start": MONDAY, "seconds": "1"}, ("/items/1/seconds", "invalid")),
    "a fraction": ({"start": MONDAY, "seconds": 1.5}, ("/items/1/seconds", "invalid")),
    "too many seconds": ({"start": MONDAY, "seconds": 10**12 + 1}, ("/items/1/seconds", "out_of_range")),
    "unknown": ({"start": MONDAY, "seconds": 1, "unit": "h"}, ("/items/1/unit", "unknown_field")),
    "a list": ([], ("/items/1", "invalid")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_item_is_named_by_its_position(alice, api, url, name):
    item, fault = REFUSED[name]

    answer = api(alice).post(url, {"items": [{"start": MONDAY, "seconds": 1}, item]})

    assert pointers(assert_problem(answer, 400, "invalid")) == [fault]


@pytest.mark.parametrize(
    ("items", "fault"),
    [
        ([], ("/items", "min_length")),
        ([{"start": MONDAY, "seconds": 1}] * 1001, ("/items", "max_length")),
        ({}, ("/items", "not_a_list")),
        (None, ("/items", "null")),
    ],
)
def test_one_to_a_thousand_items_are_accepted(alice, api, url, items, fault):
    assert pointers(assert_problem(api(alice).post(url, {"items": items}), 400, "invalid")) == [fault]


def test_a_thousand_items_are_answered(alice, api, url):
    answer = api(alice).post(url, {"items": [{"start": MONDAY, "seconds": 60}] * 1000})

    assert answer.json()["results"] == [{"due_at": "2026-11-23T08:01:00Z"}] * 1000


def test_a_deadline_beyond_the_horizon_is_a_refusal_that_names_the_item_and_what_is_accepted(alice, api, url):
    items = [
        {"start": MONDAY, "seconds": 1},
        {"start": MONDAY, "seconds": 10**9},
        {"start": MONDAY, "seconds": -(10**12)},
    ]

    problem = assert_problem(api(alice).post(url, {"items": items}), 422, "beyond_horizon")

    assert pointers(problem) == [("/items/1/seconds", "beyond_horizon"), ("/items/2/seconds", "beyond_horizon")]
    assert problem["errors"][0]["detail"] == (
        "1000000000 seconds of business time end more than 3660 days away; accepted: what lies nearer."
    )


def test_another_organizations_calendar_is_not_there(acme, dan, mallory, bob, api, url):
    given = {"items": [{"start": MONDAY, "seconds": 1}]}

    assert api(mallory).post(url, given).status_code == 404
    assert api(bob).post(url, given).status_code == 403
    assert api().post(url, given).status_code == 401
    with acme.entered():
        assert BusinessCalendar.objects.get().version == 1
