"""One verb on many tickets: each by itself, as if it had been asked for alone."""

import pytest

from apps.tickets.models import Tag
from tests.factories import TeamFactory
from tests.tickets.desk import INCIDENTS, SOLVED, TICKETS, facts, incident, opened, refused, stored

ACTIONS = (
    "update, delete, claim, assign, start, hold, resume, resolve, close, reopen, cancel, escalate, override-priority, "
    "merge, tag, untag"
)


def bulk(client, tickets, action, params=None, queue=TICKETS):
    given = {"ids": [ticket["id"] for ticket in tickets], "action": action}
    return client.post(f"{queue}bulk/", given | ({"params": params} if params is not None else {}))


def results(answer):
    assert answer.status_code == 200, answer.json()
    return [(row["status"], row.get("code")) for row in answer.json()["results"]]


@pytest.mark.parametrize("queue", [TICKETS, INCIDENTS])
def test_many_live_from_claim_to_reopening(acme, alice, api, queue):
    agent = api(alice)
    tickets = [opened(agent) for _ in range(3)]
    steps = (
        ("claim", {}, "in_progress"),
        ("hold", {"reason": "awaiting_vendor", "comment": "Ordered."}, "on_hold"),
        ("resume", {}, "in_progress"),
        ("escalate", {"to": "hierarchical", "reason": "It takes long."}, "in_progress"),
        ("override-priority", {"priority": 1, "reason": "The board asks."}, "in_progress"),
        ("update", {"title": "Mail was down"}, "in_progress"),
        ("resolve", SOLVED, "resolved"),
        ("close", {"comment": "Thank you."}, "closed"),
        ("reopen", {"reason": "Again."}, "in_progress"),
        ("cancel", {"reason": "No more."}, "cancelled"),
    )
    for action, params, status in steps:
        assert results(bulk(agent, tickets, action, params, queue)) == [(200, None)] * 3, action
        assert {stored(acme, ticket).status for ticket in tickets} == {status}, action
    last = stored(acme, tickets[2])
    assert (last.title, last.priority, last.assignee_id, last.reopen_count) == ("Mail was down", 1, alice.pk, 1)


def test_each_row_answers_for_itself(acme, globex, alice, mallory, api):
    agent = api(alice)
    fine, over, also_fine = (opened(agent) for _ in range(3))
    foreign = opened(api(mallory))
    agent.post(incident(over, "cancel"), {"reason": "by mistake"})

    answer = bulk(agent, [fine, over, foreign, also_fine], "resolve", SOLVED)

    assert results(answer) == [(200, None), (409, "illegal_transition"), (404, "not_found"), (200, None)]
    assert [row["id"] for row in answer.json()["results"]] == [t["id"] for t in (fine, over, foreign, also_fine)]
    assert [stored(acme, ticket).status for ticket in (fine, over, also_fine)] == ["resolved", "cancelled", "resolved"]
    assert (facts(acme, over), facts(globex, foreign)) == (["created", "cancelled"], ["created"])


def test_a_claimed_ticket_names_its_owner_and_keeps_no_other_from_being_claimed(acme, alice, carol, api):
    taken, free = opened(api(alice)), opened(api(alice))
    api(carol).post(incident(taken, "claim"), {})

    answer = bulk(api(alice), [taken, free], "claim")

    assert results(answer) == [(409, "already_claimed"), (200, None)]
    assert answer.json()["results"][0]["detail"] == "Carol has it."


def test_many_are_assigned_merged_tagged_and_deleted(acme, alice, carol, dan, api):
    with acme.entered():
        team = str(TeamFactory(organization_id=acme.id).pk)
    agent = api(alice)
    tickets, survivor = [opened(agent) for _ in range(2)], opened(agent)

    assert results(bulk(agent, tickets, "assign", {"team": team, "assignee": str(carol.pk)})) == [(200, None)] * 2
    assert {str(stored(acme, ticket).team_id) for ticket in tickets} == {team}
    assert results(bulk(agent, tickets, "start")) == [(200, None)] * 2
    assert results(bulk(agent, tickets, "tag", {"tags": ["Outage", "mail"]})) == [(200, None)] * 2
    assert results(bulk(agent, tickets, "tag", {"tags": ["mail", "berlin"]})) == [(200, None)] * 2
    assert results(bulk(agent, tickets, "untag", {"tags": ["MAIL", "unknown"]})) == [(200, None)] * 2
    assert [stored(acme, ticket).tags for ticket in tickets] == [["outage", "berlin"]] * 2
    with acme.entered():
        assert set(Tag.objects.values_list("name", flat=True)) == {"outage", "mail", "berlin"}
    assert results(bulk(agent, [*tickets, survivor], "merge", {"into": survivor["id"]})) == [
        (200, None),
        (200, None),
        (400, "invalid"),
    ]
    assert {str(stored(acme, ticket).merged_into_id) for ticket in tickets} == {survivor["id"]}
    assert results(bulk(api(dan), [survivor], "delete")) == [(204, None)]
    assert stored(acme, survivor).is_deleted


def test_what_is_asked_wrongly_is_refused_before_any_row(acme, alice, api):
    agent = api(alice)
    ticket = opened(agent)

    problem = refused(bulk(agent, [ticket], "explode"), 400, "invalid_choice")
    assert problem["errors"] == [
        {"pointer": "/action", "code": "invalid_choice", "detail": f"Not an action; accepted: {ACTIONS}."}
    ]
    missing = refused(bulk(agent, [ticket], "resolve", {}), 400, "required")
    assert {error["pointer"] for error in missing["errors"]} == {
        "/params/resolution_code",
        "/params/resolution_notes",
    }
    unknown = refused(bulk(agent, [ticket], "claim", {"force": True}), 400, "unknown_field")
    assert unknown["errors"][0]["pointer"] == "/params/force"
    refused(bulk(agent, [ticket], "tag", {}), 400, "required")
    refused(bulk(agent, [ticket, ticket], "claim"), 400, "duplicate")
    assert facts(acme, ticket) == ["created"]


def test_rights_are_those_of_the_single_action(acme, alice, bob, api):
    ticket, own = opened(api(alice)), opened(api(bob))

    assert bulk(api(bob), [own], "cancel", {"reason": "x"}).json()["grant"] == "tickets.update"
    assert bulk(api(alice), [ticket], "delete").json()["grant"] == "tickets.delete"
    assert (facts(acme, own), facts(acme, ticket)) == (["created"], ["created"])


def test_sent_again_with_its_key_each_row_answers_what_it_did(acme, alice, api):
    agent = api(alice)
    tickets = [opened(agent) for _ in range(2)]
    given = {"ids": [ticket["id"] for ticket in tickets], "action": "tag", "params": {"tags": ["mail"]}}

    first, second = (
        agent.post(f"{TICKETS}bulk/", given, headers={"Idempotency-Key": "0199c3f0-once"}) for _ in range(2)
    )

    assert first.json() == second.json()
    assert [stored(acme, ticket).version for ticket in tickets] == [2, 2]
