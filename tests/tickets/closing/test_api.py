"""The terms, what comes next on a ticket, and the ticket that follows one up, over HTTP."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.tickets.models import Link, Ticket
from tests.tickets.closing.conftest import DAY, MONDAY, SOLVED

SETTINGS = "/api/v1/closing/settings/"


def test_the_usual_terms_are_shown_where_nobody_chose_others_and_an_admin_changes_them(desk, dan, api):
    usual = api(desk.agent).get(SETTINGS).json()
    changed = api(dan).patch(SETTINGS, {"close_days": "calendar", "close_after": 10, "remind_after": [1, 3, 5]})

    assert {
        name: usual[name] for name in ("calendar", "remind_after", "resolve_after", "warn_after", "close_after")
    } == {
        "calendar": None,
        "remind_after": [2, 4],
        "resolve_after": 7,
        "warn_after": 3,
        "close_after": 5,
    }
    assert (usual["answer_days"], usual["close_days"], usual["reopen_days"]) == ("business", "business", "calendar")
    assert (usual["reopen_within"], usual["reply_reopens"], usual["ignores_thanks"]) == (14, True, False)
    assert changed.status_code == 200, changed.json()
    assert api(desk.agent).get(SETTINGS).json()["remind_after"] == [1, 3, 5]


def test_agents_read_the_terms_and_requesters_do_not_and_neither_changes_them(desk, api):
    assert api(desk.agent).patch(SETTINGS, {"close_after": 1}).json()["grant"] == "workflows.configure"
    assert api(desk.requester).get(SETTINGS).status_code == 403
    assert api(desk.agent).get(SETTINGS).json()["close_after"] == 5


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"close_after": -1}, "/close_after"),
        ({"close_after": 366}, "/close_after"),
        ({"close_after": "soon"}, "/close_after"),
        ({"close_days": "weeks"}, "/close_days"),
        ({"warn_after": 5}, "/warn_after"),
        ({"close_after": 0}, "/warn_after"),
        ({"remind_after": [2, 2]}, "/remind_after"),
        ({"remind_after": [4, 2]}, "/remind_after"),
        ({"remind_after": [7]}, "/remind_after"),
        ({"remind_after": [0]}, "/remind_after/0"),
        ({"remind_after": list(range(1, 12)), "resolve_after": 20}, "/remind_after"),
        ({"remind_after": 2}, "/remind_after"),
        ({"calendar": "01890000-0000-7000-8000-000000000000"}, "/calendar"),
        ({"weekends": True}, "/weekends"),
    ],
)
def test_terms_that_make_no_sense_are_refused_with_the_reason(desk, dan, api, body, pointer):
    answer = api(dan).patch(SETTINGS, body)

    assert answer.status_code == 400, answer.json()
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert api(dan).get(SETTINGS).json()["version"] == 1


def test_a_calendar_that_terms_count_by_cannot_be_deleted(desk, dan, api):
    calendar = desk.calendar()
    assert api(dan).patch(SETTINGS, {"calendar": str(calendar.pk)}).status_code == 200

    refused = api(dan).delete(f"/api/v1/sla/calendars/{calendar.pk}/")

    assert (refused.status_code, refused.json()["code"]) == (409, "still_referenced")


def test_what_comes_next_is_told_to_whoever_sees_the_ticket_and_to_nobody_else(desk, mallory, api):
    ticket = desk.asked()
    address = f"/api/v1/tickets/{ticket.pk}/upcoming/"

    told = api(desk.requester).get(address).json()

    assert told["since"] == "2026-03-02T09:00:00Z"
    assert [(step["action"], step["at"], step["days"], step["unit"]) for step in told["results"]] == [
        ("remind", "2026-03-04T09:00:00Z", 2, "business"),
        ("remind", "2026-03-06T09:00:00Z", 4, "business"),
        ("resolve", "2026-03-11T09:00:00Z", 7, "business"),
    ]
    assert api(mallory).get(address).status_code == 404
    assert api(desk.agent).get(f"/api/v1/tickets/{ticket.number}/upcoming/").json() == told


def test_of_what_is_closed_it_says_until_when_it_reopens(desk, api):
    ticket = desk.resolved()
    desk.do(ticket, "close", MONDAY)

    told = api(desk.agent).get(f"/api/v1/tickets/{ticket.pk}/upcoming/").json()

    assert told == {"since": None, "reopens_until": "2026-03-16T09:00:00Z", "results": []}


def test_an_agent_reopens_within_the_organizations_window_and_not_after_it(desk, api):
    ticket, now = desk.open(), timezone.now()
    desk.do(ticket, "resolve", now - 4 * DAY, **SOLVED)
    desk.do(ticket, "close", now - 3 * DAY)
    address = f"/api/v1/incidents/{ticket.pk}/"

    desk.terms(reopen_within=2)
    assert "reopen" not in api(desk.agent).get(address).json()["allowed_transitions"]
    refused = api(desk.agent).post(f"{address}reopen/", {"reason": "Again"})
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_transition")
    assert refused.json()["detail"] == "It was closed more than 2 days ago; open a new incident that follows up."

    desk.terms(reopen_within=4)
    assert "reopen" in api(desk.agent).get(address).json()["allowed_transitions"]
    assert api(desk.agent).post(f"{address}reopen/", {"reason": "Again"}).json()["status"] == "in_progress"


def test_a_list_of_closed_tickets_asks_for_the_terms_once(desk, api, django_assert_max_num_queries):
    for _ in range(5):
        ticket = desk.resolved()
        desk.do(ticket, "close", MONDAY)
    client = api(desk.agent)
    client.get("/api/v1/incidents/")

    with django_assert_max_num_queries(25) as asked:
        assert len(client.get("/api/v1/incidents/?status=closed").json()["results"]) == 5

    terms = [query["sql"] for query in asked.captured_queries if "tickets_closingsettings" in query["sql"]]
    assert len(terms) <= 1


def test_the_requester_follows_up_what_was_closed_with_a_ticket_that_is_linked_to_it(desk, api):
    ticket = desk.resolved(impact=1, urgency=2, description="Nobody can send.")
    desk.do(ticket, "close", MONDAY)

    answer = api(desk.requester).post(f"/api/v1/incidents/{ticket.pk}/follow-up/", {"description": "It is down again."})

    assert answer.status_code == 201, answer.json()
    made = answer.json()
    assert made["title"] == "Mail is down"
    assert (made["description"], made["status"], made["requester"]) == (
        "It is down again.",
        "new",
        str(desk.requester.pk),
    )
    assert (made["impact"], made["urgency"], made["priority"]) == (1, 2, 2)
    with desk.entered():
        link = Link.objects.get(ticket_id=made["id"])
        assert (link.link_type, link.to_id) == ("follow_up_of", ticket.pk)
    assert desk.facts(ticket, "followed_up")[0].data["other_number"] == made["number"]
    assert desk.now(ticket).status == "closed"


def test_what_is_not_closed_is_reopened_rather_than_followed_up(desk, api):
    ticket = desk.resolved()

    refused = api(desk.agent).post(f"/api/v1/tickets/{ticket.pk}/follow-up/", {})

    assert (refused.status_code, refused.json()["code"]) == (409, "not_closed")
    with desk.entered():
        assert Ticket.objects.count() == 1


def test_nobody_follows_up_what_they_do_not_see(desk, mallory, api):
    ticket = desk.resolved()
    desk.do(ticket, "close", MONDAY + timedelta(hours=1))

    assert api(mallory).post(f"/api/v1/tickets/{ticket.pk}/follow-up/", {}).status_code == 404
