"""Rules, queues and what waits, in the admin."""

import html
import re

import pytest

from apps.tickets.models import AssignmentQueue, AssignmentRule
from tests.factories import PASSWORD

RULES, QUEUES = "/admin/tickets/assignmentrule/", "/admin/tickets/assignmentqueue/"


@pytest.fixture
def browser(client, dan):
    client.post("/admin/login/", {"username": dan.email, "password": PASSWORD})
    return client


def text_of(answer):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode())))


def test_a_rule_is_written_tried_and_refused_in_the_admin(acme, desk, browser):
    form = {
        "name": "Everything",
        "position": "",
        "is_active": "on",
        "match": "{}",
        "skills": "[]",
        "destination": "team",
    }
    refused = browser.post(f"{RULES}add/", form)
    assert "A rule names a team, or whose support team it is." in refused.content.decode()

    browser.post(f"{RULES}add/", {**form, "team": str(desk.team.pk)})
    ticket = desk.opens(team_id=None)

    with acme.entered():
        rule = AssignmentRule.objects.get()
    assert (rule.position, rule.match, rule.team_id) == (10, {}, desk.team.pk)
    assert "Everything" in text_of(browser.get(RULES))
    page = text_of(browser.get(f"{RULES}preview/"))
    assert f"{ticket.number} Mail is down Service Desk Service Desk Everything" in page
    assert "0 would go to another team" in page


def test_a_queue_is_set_up_and_says_what_waits_and_why(acme, desk, agents, browser):
    agents("ann", "ben", presence="offline")
    ticket = desk.opens()

    page = text_of(browser.get(f"{QUEUES}waiting/"))
    assert "Service Desk 1 0 min" in page
    assert f"{ticket.number} Mail is down 5 Service Desk 0 min 2 offline" in page

    change = f"{QUEUES}{desk.queue.pk}/change/"
    form = {
        "is_active": "on",
        "method": "round_robin",
        "accept_minutes": '{"1": 3}',
        "most_tries": "2",
        "hands_back": "all",
    }
    assert browser.post(change, form).status_code == 302
    with acme.entered():
        queue = AssignmentQueue.objects.get()
    assert (queue.method, queue.accept_minutes, queue.most_tries, queue.hands_back) == (
        "round_robin",
        {"1": 3},
        2,
        "all",
    )


def test_whoever_may_not_configure_finds_neither_the_trial_nor_a_form(desk, alice, client):
    assert client.get(f"{RULES}preview/").status_code == 302
    client.post("/admin/login/", {"username": alice.email, "password": PASSWORD})
    assert client.get(f"{RULES}preview/").status_code in {302, 403, 404}
