"""Canned replies: who writes them, what may stand in them, and what they become."""

import pytest

from apps.core.lifecycle import Phase
from apps.tickets.canned_replies import VALUES
from apps.tickets.choices import HoldReason
from apps.tickets.friendly import BY_HOLD_REASON, BY_PHASE, friendly_status
from tests.tickets.desk import refused

URL = "/api/v1/canned-replies/"
HELLO = "Hello {{ requester.first_name }},\nwe look into {{ticket.number}} ({{ ticket.title }}).\n{{ agent.name }}"


@pytest.fixture
def reply(dan, api):
    answer = api(dan).post(URL, {"name": "Hello", "body": HELLO})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_administrators_write_them_and_agents_use_them(acme, alice, bob, dan, api, reply):
    assert api(alice).get(f"{URL}{reply['id']}/").json() == reply
    refusal = api(alice).post(URL, {"name": "x", "body": "x"})
    assert (refusal.status_code, refusal.json()["grant"]) == (403, "templates.configure")
    assert api(bob).get(URL).json()["grant"] == "templates.read"
    assert api(bob).post(f"{URL}{reply['id']}/render/", {}).status_code == 403
    assert api(dan).patch(f"{URL}{reply['id']}/", {"visibility": "internal"}).json()["version"] == 2
    assert api(dan).post(URL, {"name": "Hello", "body": "x"}).status_code == 409
    assert api(dan).delete(f"{URL}{reply['id']}/").status_code == 204


def test_a_reply_is_filled_in_for_one_ticket_and_says_nothing_yet(acme, alice, api, ticket, reply):
    answer = api(alice).post(f"{URL}{reply['id']}/render/", {"ticket": ticket["id"]})

    assert answer.json() == {
        "body": "Hello Bob,\nwe look into INC0000001 (Mail is down).\nAlice",
        "visibility": "public",
    }
    assert api(alice).get(f"/api/v1/tickets/{ticket['id']}/comments/").json()["results"] == []


def test_every_placeholder_has_a_value_for_a_ticket_that_nobody_has(acme, alice, dan, api, ticket):

    body = "|".join(f"{{{{ {name} }}}}" for name in VALUES)
    reply = api(dan).post(URL, {"name": "All", "body": body}).json()

    rendered = api(alice).post(f"{URL}{reply['id']}/render/", {"ticket": ticket["id"]}).json()["body"]

    assert rendered == "INC0000001|Mail is down|new|We have received it|5|Bob|Bob|||Alice|Alice|Acme"


def test_what_a_requester_wrote_becomes_neither_markup_nor_a_mention(acme, alice, bob, api, reply):
    title = f"@[Alice](user:{alice.pk}) **now** <b> {{{{ agent.name }}}}"
    theirs = api(bob).post("/api/v1/incidents/", {"title": title}).json()
    body = api(alice).post(f"{URL}{reply['id']}/render/", {"ticket": theirs["id"]}).json()["body"]

    comment = api(alice).post(f"/api/v1/tickets/{theirs['id']}/comments/", {"body": body}).json()

    assert f"({title.replace('<b>', '&lt;b&gt;')})" in comment["html"]


@pytest.mark.parametrize(
    "body", ["{{ requester.password }}", "{{ }}", "{{ ticket.number", "}} x", "{{ ticket.number.x }}"]
)
def test_an_unknown_placeholder_is_refused_when_it_is_saved(acme, dan, api, reply, body):
    for answer in (
        api(dan).post(URL, {"name": "Another", "body": body}),
        api(dan).patch(f"{URL}{reply['id']}/", {"body": body}),
    ):
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["pointer"], error["code"]) == (400, "/body", "unknown_placeholder")
        assert "{{ requester.first_name }}" in error["detail"]


def test_next_door_there_is_neither_reply_nor_ticket(acme, globex, alice, mallory, api, ticket, reply):
    theirs = api(mallory).post("/api/v1/incidents/", {"title": "Ours"}).json()

    assert api(mallory).get(f"{URL}{reply['id']}/").status_code == 404
    assert api(mallory).post(f"{URL}{reply['id']}/render/", {"ticket": theirs["id"]}).status_code == 404
    refusal = api(alice).post(f"{URL}{reply['id']}/render/", {"ticket": theirs["id"]})
    assert (refusal.status_code, refusal.json()["errors"][0]["code"]) == (400, "does_not_exist")


def test_every_state_has_friendly_words_and_the_requester_reads_them(acme, alice, bob, api, ticket):
    assert set(BY_PHASE) == set(Phase.values)
    assert set(BY_HOLD_REASON) == set(HoldReason.values)
    assert friendly_status(Phase.PENDING, HoldReason.AWAITING_REQUESTER) == "Waiting for you"
    address = f"/api/v1/tickets/{ticket['id']}/"
    assert api(bob).get(address).json()["friendly_status"] == "We have received it"
    api(alice).post(f"{address}hold/", {"reason": "awaiting_requester", "comment": "Which server?"})
    assert api(bob).get(address).json()["friendly_status"] == "Waiting for you"


def test_a_deleted_ticket_is_none_to_render_for(acme, alice, dan, api, ticket, reply):
    assert api(dan).delete(f"/api/v1/incidents/{ticket['id']}/").status_code == 204

    problem = refused(api(alice).post(f"{URL}{reply['id']}/render/", {"ticket": ticket["id"]}), 400, "does_not_exist")

    assert problem["errors"][0]["pointer"] == "/ticket"
