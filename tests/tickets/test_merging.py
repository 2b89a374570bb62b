"""Tickets that turn out to be one, several, or of another kind."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.db import transaction
from django.utils import timezone

from apps.core import events as core_events
from apps.core import tenancy
from apps.core.errors import Conflict
from apps.tickets import conversation, events, kinds, merging
from apps.tickets.models import Link, Merge, Ticket
from apps.users.rights import actor_for
from tests.core.racing import at_once
from tests.factories import CustomFieldFactory, TeamFactory
from tests.tickets.desk import (
    SOLVED,
    facts,
    incident,
    opened,
    part,
    refused,
    stored,
    stored_row,
    told,
    watch,
    watchers,
)


def merged(client, ticket, into):
    return client.post(incident(ticket, "merge"), {"into": into["id"]})


def numbers(tenant):
    with tenant.entered():
        return set(Ticket.objects.values_list("number", flat=True))


def comment(tenant, ticket, author, body, visibility):
    with tenant.entered():
        return conversation.add_comment(
            stored_row(ticket),
            actor=actor_for(author, at=timezone.now()),
            at=timezone.now(),
            body=body,
            visibility=visibility,
        )


@pytest.fixture
def requests() -> Iterator[None]:
    """A second kind that tickets convert to and from, until service requests have an app of their own."""
    like = kinds.get("incident")
    before, declared = dict(kinds._kinds), dict(core_events._declared)
    events.declare_for("service_request")
    lifecycle = replace(like.lifecycle, resource="service_requests")
    kinds.register(
        replace(like, name="service_request", prefix="REQ", resource="service_requests", lifecycle=lifecycle)
    )
    yield
    kinds._kinds.clear()
    kinds._kinds.update(before)
    core_events._declared.clear()
    core_events._declared.update(declared)


# --- merge


def test_the_absorbed_is_cancelled_and_its_people_watch_the_survivor(acme, alice, bob, carol, api):
    agent = api(alice)
    absorbed, survivor = opened(api(bob)), opened(agent)
    watch(acme, absorbed, carol)

    answer = merged(agent, absorbed, survivor).json()

    assert (answer["status"], answer["phase"], answer["merged_into"]) == ("cancelled", "cancelled", survivor["id"])
    assert answer["closed_at"] is not None
    assert (answer["version"], stored(acme, survivor).version) == (2, 1)
    assert watchers(acme, survivor) == {bob.pk, carol.pk}
    assert api(bob).get(incident(survivor)).status_code == 200
    assert (facts(acme, absorbed), facts(acme, survivor)) == (["created", "merged"], ["created", "absorbed"])
    assert told(acme, absorbed, "merged") == {"other": survivor["id"], "other_number": survivor["number"]}
    assert told(acme, survivor, "absorbed") == {"other": absorbed["id"], "other_number": absorbed["number"]}


def test_children_and_links_of_the_absorbed_stay_with_it(acme, alice, api):
    agent = api(alice)
    absorbed, survivor, child = opened(agent), opened(agent), opened(agent)
    agent.post(part(absorbed, "links"), {"type": "parent_of", "to": child["id"]})

    merged(agent, absorbed, survivor)

    assert agent.get(incident(child)).json()["parent"] == absorbed["id"]


def test_an_undone_merge_leaves_everything_as_it_was(acme, alice, bob, carol, api):
    agent = api(alice)
    absorbed, survivor = opened(api(bob)), opened(agent)
    watch(acme, absorbed, carol)
    watch(acme, survivor, carol)
    agent.post(incident(absorbed, "hold"), {"reason": "scheduled", "until": "2027-03-01T09:00:00Z"})
    kept = ("status", "phase", "hold_reason", "hold_until", "closed_at", "merged_into", "assignee", "parent")
    before = agent.get(incident(absorbed)).json()
    merged(agent, absorbed, survivor)

    answer = agent.post(incident(absorbed, "unmerge"), {}).json()

    assert {name: answer[name] for name in kept} == {name: before[name] for name in kept}
    assert answer["hold_until"] == "2027-03-01T09:00:00Z"
    assert watchers(acme, survivor) == {carol.pk}
    assert api(bob).get(incident(survivor)).status_code == 404
    assert (facts(acme, absorbed)[-1], facts(acme, survivor)[-1]) == ("unmerged", "released")
    assert "unmerge" not in answer["allowed_transitions"]
    refused(agent.post(incident(absorbed, "unmerge"), {}), 409, "illegal_transition")


def test_a_merge_may_be_made_undone_and_made_again(acme, alice, bob, api):
    agent = api(alice)
    absorbed, survivor = opened(api(bob)), opened(agent)

    for _ in range(2):
        assert merged(agent, absorbed, survivor).status_code == 200
        assert agent.post(incident(absorbed, "unmerge"), {}).json()["status"] == "new"
    with acme.entered():
        assert Merge.objects.filter(undone_at__isnull=False).count() == 2


def test_whoever_another_merge_brought_too_stays_until_that_one_is_undone(acme, alice, bob, api):
    agent, requester = api(alice), api(bob)
    first, second, survivor = opened(requester), opened(requester), opened(agent)
    merged(agent, first, survivor)
    merged(agent, second, survivor)

    agent.post(incident(first, "unmerge"), {})
    assert watchers(acme, survivor) == {bob.pk}
    agent.post(incident(second, "unmerge"), {})
    assert watchers(acme, survivor) == set()


def test_what_cannot_absorb_is_refused_with_its_state_and_nothing_changes(acme, globex, alice, mallory, api):
    agent = api(alice)
    ticket, closed, cancelled, absorbed, survivor = (opened(agent) for _ in range(5))
    foreign = opened(api(mallory))
    agent.post(incident(closed, "resolve"), SOLVED)
    agent.post(incident(closed, "close"), {})
    agent.post(incident(cancelled, "cancel"), {"reason": "by mistake"})
    merged(agent, absorbed, survivor)

    assert refused(merged(agent, ticket, closed), 409, "finished")["current_status"] == "closed"
    assert refused(merged(agent, ticket, cancelled), 409, "finished")["current_status"] == "cancelled"
    assert refused(merged(agent, ticket, absorbed), 409, "merged")["into"] == survivor["id"]
    assert refused(merged(agent, absorbed, ticket), 409, "merged")["into"] == survivor["id"]
    refused(merged(agent, cancelled, ticket), 409, "illegal_transition")
    assert refused(merged(agent, ticket, ticket), 400, "self")["errors"][0]["pointer"] == "/into"
    assert refused(merged(agent, ticket, foreign), 400, "does_not_exist")["errors"][0]["pointer"] == "/into"
    refused(agent.post(incident(ticket, "merge"), {}), 400, "required")
    refused(merged(agent, foreign, ticket), 404, "not_found")
    assert facts(acme, ticket) == ["created"]
    assert stored(acme, ticket).version == 1


def test_kinds_do_not_mix(acme, alice, api, requests):
    agent = api(alice)
    ticket = opened(agent)
    request = agent.post(incident(opened(agent), "convert"), {"to": "service_request"}).json()

    problem = refused(merged(agent, ticket, request), 400, "different_kind")

    assert problem["errors"][0]["detail"] == "It is no incident; accepted: a ticket of the same kind."


def test_a_requester_merges_nothing(acme, bob, api):
    requester = api(bob)
    first, second = opened(requester), opened(requester)

    assert merged(requester, first, second).json()["grant"] == "incidents.update"
    assert requester.post(incident(first, "unmerge"), {}).json()["grant"] == "incidents.update"
    assert facts(acme, first) == ["created"]


def test_a_stale_version_merges_nothing(acme, alice, api):
    agent = api(alice)
    first, second = opened(agent), opened(agent)

    answer = agent.post(incident(first, "merge"), {"into": second["id"]}, headers={"If-Match": '"7"'})

    refused(answer, 412, "stale")
    assert facts(acme, first) == ["created"]


def test_of_two_opposite_merges_at_once_one_wins(fresh_database, acme, alice, api):
    agent = api(alice)
    for _ in range(5):
        first, second = opened(agent), opened(agent)

        answers = at_once(
            [lambda a=first, b=second: merged(api(alice), a, b), lambda a=first, b=second: merged(api(alice), b, a)]
        )

        assert sorted(answer.status_code for answer in answers) == [200, 409]
        loser = next(answer for answer in answers if answer.status_code == 409)
        assert loser.json()["code"] == "merged"
        assert sorted([facts(acme, first), facts(acme, second)]) == [["created", "absorbed"], ["created", "merged"]]


def test_of_two_opposite_merges_by_services_one_wins(fresh_database, acme, alice, api):
    """Without the view, which locks before it: the services alone keep the order."""
    agent = api(alice)
    with acme.entered():
        actor = actor_for(alice, at=timezone.now())
    first, second = opened(agent), opened(agent)

    def attempt(ticket, into):
        try:
            with tenancy.tenant(acme.id), transaction.atomic():
                into_id = stored_row(into).pk
                merging.merge(stored_row(ticket), actor=actor, at=timezone.now(), into_id=into_id)
        except Conflict as refusal:
            return refusal.code
        return "done"

    assert sorted(at_once([lambda: attempt(first, second), lambda: attempt(second, first)])) == ["done", "merged"]


def test_a_ticket_is_unmerged_once_however_many_try(fresh_database, acme, alice, api):
    agent = api(alice)
    absorbed, survivor = opened(agent), opened(agent)
    merged(agent, absorbed, survivor)

    answers = at_once([lambda: api(alice).post(incident(absorbed, "unmerge"), {})] * 3)

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert facts(acme, absorbed) == ["created", "merged", "unmerged"]


# --- split


def test_a_comment_becomes_a_ticket_of_its_own(acme, alice, bob, api):
    agent = api(alice)
    ticket = opened(api(bob), impact=1, urgency=1)
    said = comment(acme, ticket, bob, "And the **printer** too.", "public")

    answer = agent.post(incident(ticket, "split"), {"comment": str(said.pk), "title": "Printer"})

    made = answer.json()
    assert (answer.status_code, answer["Location"]) == (201, f"/api/v1/tickets/{made['id']}/")
    assert agent.get(answer["Location"]).json()["number"] == "INC0000002"
    assert (made["kind"], made["title"], made["description"]) == ("incident", "Printer", "And the **printer** too.")
    assert (made["requester"], made["opened_by"], made["priority"]) == (str(bob.pk), str(alice.pk), 1)
    assert agent.get(part(ticket, "links")).json()["results"][0]["to"] == made["id"]
    assert (facts(acme, ticket)[-1], facts(acme, made)) == ("split", ["created"])
    assert told(acme, ticket, "split")["other_number"] == "INC0000002"


def test_an_internal_comment_becomes_a_ticket_that_its_requester_does_not_see(acme, alice, bob, api):
    ticket = opened(api(bob))
    said = comment(acme, ticket, alice, "The customer must not know.", "internal")

    made = api(alice).post(incident(ticket, "split"), {"comment": str(said.pk), "title": "Look into it"}).json()

    assert made["requester"] == str(alice.pk)
    assert api(bob).get(f"/api/v1/tickets/{made['id']}/").status_code == 404
    assert api(bob).get(part(ticket, "links")).json()["results"] == []


def test_another_tickets_comment_is_not_split_off(acme, globex, alice, bob, mallory, api):
    agent = api(alice)
    ticket, other, foreign = opened(agent), opened(agent), opened(api(mallory))
    elsewhere = comment(acme, other, alice, "Not here.", "public")
    abroad = comment(globex, foreign, mallory, "Not here.", "public")

    for said in (elsewhere, abroad):
        problem = refused(
            agent.post(incident(ticket, "split"), {"comment": str(said.pk), "title": "x"}), 400, "does_not_exist"
        )
        assert problem["errors"][0]["pointer"] == "/comment"
    own = comment(acme, ticket, alice, "Here.", "public")
    refused(agent.post(incident(ticket, "split"), {"comment": str(own.pk)}), 400, "required")
    assert numbers(acme) == {ticket["number"], other["number"]}


def test_the_team_goes_along_where_the_actor_may_assign(acme, alice, api):
    with acme.entered():
        team = TeamFactory(organization_id=acme.id)
    ticket = api(alice).patch(incident(opened(api(alice))), {"team": str(team.pk)}).json()
    said = comment(acme, ticket, alice, "Another matter.", "public")
    given = {"comment": str(said.pk), "title": "Another"}

    assert api(alice).post(incident(ticket, "split"), given).json()["team"] == str(team.pk)
    with acme.entered():
        actor = actor_for(alice, at=timezone.now())
        rights = actor.authorizer.narrowed(["incidents:create", "incidents:read", "incidents:update"])
        given = {"comment_id": said.pk, "title": "Another"}
        made = merging.split(stored_row(ticket), actor=replace(actor, authorizer=rights), at=timezone.now(), **given)
    assert made.team_id is None


# --- convert


def test_a_ticket_becomes_one_of_another_kind_and_is_cancelled(acme, alice, bob, carol, api, requests):
    agent = api(alice)
    ticket = opened(api(bob), description="I need one.", impact=2, urgency=1)
    ticket = agent.patch(incident(ticket), {"tags": ["laptop"]}).json()
    watch(acme, ticket, carol)

    answer = agent.post(incident(ticket, "convert"), {"to": "service_request"})

    made = answer.json()
    assert (answer.status_code, answer["Location"]) == (201, f"/api/v1/tickets/{made['id']}/")
    assert (made["kind"], made["number"], made["status"]) == ("service_request", "REQ0000001", "new")
    same = ("title", "description", "impact", "urgency", "requester", "tags", "source")
    assert {name: made[name] for name in same} == {name: ticket[name] for name in same}
    old = agent.get(incident(ticket)).json()
    assert (old["status"], old["number"]) == ("cancelled", ticket["number"])
    links = agent.get(part(made, "links")).json()["results"]
    assert [(row["type"], row["to"]) for row in links] == [("follow_up_of", ticket["id"])]
    assert watchers(acme, made) == {carol.pk}
    assert (facts(acme, ticket)[-1], facts(acme, made)) == ("converted", ["created"])


def test_a_conversion_carries_the_custom_fields_that_fit(acme, alice, api, requests):
    with acme.entered():
        for kind, key, field_type, is_required in (
            ("incident", "building", "text", False),
            ("incident", "seats", "text", False),
            ("service_request", "building", "text", False),
            ("service_request", "seats", "integer", True),
        ):
            CustomFieldFactory(kind=kind, key=key, field_type=field_type, is_required=is_required)
    ticket = opened(api(alice), custom_fields={"building": "North", "seats": "many"})

    made = api(alice).post(incident(ticket, "convert"), {"to": "service_request"}).json()

    assert made["custom_fields"] == {"building": "North"}


def test_a_conversion_to_what_is_no_kind_or_the_same_is_refused(acme, alice, bob, api):
    agent = api(alice)
    ticket = opened(api(bob))

    problem = refused(agent.post(incident(ticket, "convert"), {"to": "problem"}), 400, "invalid_choice")
    assert problem["errors"] == [
        {
            "pointer": "/to",
            "code": "invalid_choice",
            "detail": "Nothing that it could become; accepted: incident.",
        }
    ]
    refused(agent.post(incident(ticket, "convert"), {"to": "incident"}), 409, "same_kind")
    assert api(bob).post(incident(ticket, "convert"), {"to": "incident"}).json()["grant"] == "incidents.update"
    assert (numbers(acme), facts(acme, ticket)) == ({ticket["number"]}, ["created"])
    with acme.entered():
        assert Link.objects.count() == 0
