"""Priority: the matrix of the organization, unless somebody knows better and says why."""

import pytest
from django.utils import timezone

from apps.tickets.priorities import DEFAULT, create_default_matrix
from tests.factories import TeamFactory
from tests.tickets.desk import SOLVED, facts, incident, opened, refused, stored, told

MATRIX = "/api/v1/priority-matrix/"


@pytest.fixture
def matrix(acme):
    with acme.entered():
        create_default_matrix(acme.id, at=timezone.now())


def cell(client, impact, urgency):
    (row,) = client.get(MATRIX, {"impact": impact, "urgency": urgency}).json()["results"]
    return row


@pytest.mark.parametrize(("levels", "priority"), DEFAULT.items())
def test_the_default_matrix_rates_every_pair(acme, bob, api, matrix, levels, priority):
    impact, urgency = levels

    assert opened(api(bob), impact=impact, urgency=urgency)["priority"] == priority


def test_a_changed_cell_rates_what_comes_after_it(acme, alice, dan, api, matrix):
    agent = api(alice)
    before = opened(agent)

    answer = api(dan).patch(f"{MATRIX}{cell(api(dan), 3, 3)['id']}/", {"priority": 4})

    assert (answer.status_code, answer.json()["priority"], answer.json()["version"]) == (200, 4, 2)
    assert opened(agent)["priority"] == 4
    assert agent.get(incident(before)).json()["priority"] == 5


def test_the_matrix_is_read_by_agents_and_changed_by_who_configures(
    acme, globex, alice, bob, dan, mallory, api, matrix
):
    row = cell(api(alice), 1, 1)
    address = f"{MATRIX}{row['id']}/"

    assert (row["kind"], row["priority"]) == ("incident", 1)
    assert len(api(alice).get(MATRIX).json()["results"]) == 9
    assert api(alice).patch(address, {"priority": 5}).json()["grant"] == "matrix.configure"
    assert api(bob).get(MATRIX).json()["grant"] == "matrix.read"
    assert api(mallory).patch(address, {"priority": 5}).status_code == 404
    assert api(dan).delete(address).status_code == 405
    assert api(dan).post(MATRIX, {"priority": 1}).status_code == 405
    refused(api(dan).patch(address, {"impact": 3}), 400, "read_only")
    problem = refused(api(dan).patch(address, {"priority": 6}), 400, "out_of_range")
    assert problem["errors"][0]["detail"] == "Out of range; accepted: 1, 2, 3, 4, 5."
    assert cell(api(alice), 1, 1) == row


def test_impact_and_urgency_rate_anew_unless_the_priority_was_set_by_hand(acme, alice, api, matrix):
    agent = api(alice)
    ticket = opened(agent)

    assert agent.patch(incident(ticket), {"impact": 1}).json()["priority"] == 3
    assert agent.patch(incident(ticket), {"urgency": 1}).json()["priority"] == 1
    overridden = agent.post(incident(ticket, "override-priority"), {"priority": 4, "reason": "A test system."}).json()
    assert (overridden["priority"], overridden["priority_override_reason"]) == (4, "A test system.")
    assert agent.patch(incident(ticket), {"impact": 2}).json()["priority"] == 4
    returned = agent.post(incident(ticket, "override-priority"), {"priority": None}).json()
    assert (returned["priority"], returned["priority_override_reason"]) == (2, "")
    assert facts(acme, ticket) == ["created", *["updated"] * 2, "priority_overridden", "updated", "priority_overridden"]


def test_bad_input_says_what_is_accepted_and_changes_nothing(acme, alice, api, matrix):
    agent = api(alice)
    ticket = opened(agent)
    override = incident(ticket, "override-priority")

    problem = refused(agent.patch(incident(ticket), {"impact": 4}), 400, "out_of_range")
    assert problem["errors"] == [
        {"pointer": "/impact", "code": "out_of_range", "detail": "Out of range; accepted: 1, 2, 3."}
    ]
    refused(agent.patch(incident(ticket), {"impact": "high"}), 400, "invalid_choice")
    assert (
        refused(agent.patch(incident(ticket), {"priority": 1}), 400, "read_only")["errors"][0]["pointer"] == "/priority"
    )
    assert refused(agent.post(override, {"priority": 1}), 400, "required")["errors"][0]["pointer"] == "/reason"
    refused(agent.post(override, {"priority": 9, "reason": "x"}), 400, "out_of_range")
    refused(agent.post(override, {"reason": "x"}), 400, "required")
    missing = refused(agent.post(incident(ticket, "resolve"), {}), 400, "required")
    assert {error["pointer"] for error in missing["errors"]} == {"/resolution_code", "/resolution_notes"}
    wrong = refused(
        agent.post(incident(ticket, "resolve"), {**SOLVED, "resolution_code": "magic"}), 400, "invalid_choice"
    )
    assert wrong["errors"][0]["detail"].startswith("Not a choice; accepted: duplicate, known_error, ")
    refused(agent.post(incident(ticket, "hold"), {}), 400, "required")
    silent = refused(agent.post(incident(ticket, "hold"), {"reason": "awaiting_requester"}), 400, "required")
    assert silent["errors"][0]["pointer"] == "/comment"
    endless = refused(agent.post(incident(ticket, "hold"), {"reason": "scheduled"}), 400, "required")
    assert endless["errors"][0]["pointer"] == "/until"
    assert (facts(acme, ticket), stored(acme, ticket).version) == (["created"], 1)


# --- PATCH of whose it is


def test_team_and_assignee_in_a_patch_assign_as_the_verb_would(acme, alice, carol, api):
    with acme.entered():
        first, second = (str(TeamFactory(organization_id=acme.id).pk) for _ in range(2))
    agent = api(alice)
    ticket = opened(agent)

    answer = agent.patch(incident(ticket), {"team": first, "assignee": str(carol.pk), "title": "Mail is slow"}).json()
    assert (answer["team"], answer["assignee"], answer["title"]) == (first, str(carol.pk), "Mail is slow")
    assert answer["reassignment_count"] == 1
    assert facts(acme, ticket) == ["created", "updated", "assigned"]
    moved = agent.patch(incident(ticket), {"team": second}).json()
    assert (moved["team"], moved["assignee"], moved["reassignment_count"]) == (second, None, 2)
    assert agent.patch(incident(ticket), {"team": second}).json()["version"] == moved["version"]
    assert facts(acme, ticket) == ["created", "updated", "assigned", "assigned"]


def test_a_patch_assigns_to_nobody_who_could_not_work_and_on_nothing_that_is_over(acme, alice, bob, api):
    agent = api(alice)
    ticket = opened(agent)

    wrong = {"assignee": str(bob.pk), "title": "x"}
    problem = refused(agent.patch(incident(ticket), wrong), 400, "not_assignable")
    assert problem["errors"][0]["pointer"] == "/assignee"
    agent.post(incident(ticket, "cancel"), {"reason": "by mistake"})
    refused(agent.patch(incident(ticket), {"assignee": str(alice.pk)}), 409, "illegal_transition")
    refused(agent.patch(incident(ticket), {"title": "x"}), 409, "finished")
    assert facts(acme, ticket) == ["created", "cancelled"]
    assert told(acme, ticket, "cancelled") == {"reason": "by mistake"}
    assert api(bob).patch(incident(opened(api(bob))), {"title": "x"}).json()["grant"] == "incidents.update"
