"""How tickets hang together: from both ends, for those who may see both, and never in a circle."""

import itertools

import pytest
from django.db import transaction
from django.utils import timezone

from apps.core import tenancy
from apps.core.errors import Conflict, Invalid
from apps.tickets import relations
from apps.tickets.choices import LinkType
from apps.tickets.models import Link
from apps.users.rights import actor_for
from tests.core.racing import at_once
from tests.tickets.desk import facts, incident, opened, part, refused, stored, stored_row, told


def linked(client, ticket, link_type, to):
    return client.post(part(ticket, "links"), {"type": link_type, "to": to["id"]})


def count(tenant):
    with tenant.entered():
        return Link.objects.count()


def shown(client, ticket):
    rows = client.get(part(ticket, "links")).json()["results"]
    return [(row["type"], row["direction"], row["to_number"]) for row in rows]


@pytest.mark.parametrize(("link_type", "inverse"), relations.INVERSE.items())
def test_a_link_is_told_from_both_ends_each_in_its_own_word(acme, alice, api, link_type, inverse):
    agent = api(alice)
    first, second = opened(agent), opened(agent)

    answer = linked(agent, first, link_type, second)

    assert answer.status_code == 201
    assert answer["Location"] == part(first, "links", answer.json()["id"])
    assert answer.json() | {"created_at": "", "updated_at": ""} == {
        "id": answer.json()["id"],
        "type": link_type,
        "direction": "outward",
        "to": second["id"],
        "to_number": second["number"],
        "to_title": "Mail is down",
        "to_status": "new",
        "created_at": "",
        "updated_at": "",
        "version": 1,
    }
    assert shown(agent, first) == [(link_type, "outward", second["number"])]
    assert shown(agent, second) == [(inverse, "inward", first["number"])]
    assert (facts(acme, first)[-1], facts(acme, second)[-1]) == ("linked", "linked")
    assert told(acme, second, "linked") == {
        "link_type": inverse,
        "other": first["id"],
        "other_number": first["number"],
    }


def test_a_number_names_the_ticket_and_a_link_is_removed_from_either_end(acme, alice, api):
    agent = api(alice)
    first, second = opened(agent), opened(agent)
    row = linked(agent, first, "relates_to", second).json()

    assert agent.get(f"/api/v1/tickets/{second['number']}/links/{row['id']}/").json()["to"] == first["id"]
    assert agent.delete(f"/api/v1/tickets/{second['number']}/links/{row['id']}/").status_code == 204

    assert count(acme) == 0
    assert (facts(acme, first)[-1], facts(acme, second)[-1]) == ("unlinked", "unlinked")


def test_a_link_of_another_version_is_not_removed(acme, alice, api):
    agent = api(alice)
    first, second = opened(agent), opened(agent)
    address = part(first, "links", linked(agent, first, "relates_to", second).json()["id"])

    refused(agent.delete(address, headers={"If-Match": '"2"'}), 412, "stale")
    assert count(acme) == 1
    assert agent.delete(address, headers={"If-Match": '"1"'}).status_code == 204
    assert agent.delete(address).status_code == 404


def test_the_same_link_is_refused_from_either_end(acme, alice, api):
    agent = api(alice)
    first, second = opened(agent), opened(agent)
    linked(agent, first, "causes", second)
    linked(agent, first, "relates_to", second)

    refused(linked(agent, first, "causes", second), 409, "duplicate")
    refused(linked(agent, second, "caused_by", first), 409, "duplicate")
    refused(linked(agent, second, "relates_to", first), 409, "duplicate")
    assert count(acme) == 2


def test_bad_links_are_refused_with_what_is_accepted_and_change_nothing(acme, globex, alice, mallory, api):
    agent = api(alice)
    ticket, foreign = opened(agent), opened(api(mallory))

    wrong = refused(linked(agent, ticket, "loves", ticket), 400, "invalid_choice")
    assert wrong["errors"] == [
        {
            "pointer": "/type",
            "code": "invalid_choice",
            "detail": "Not a choice; accepted: duplicates, relates_to, caused_by, causes, blocks, parent_of, follow_up_of.",
        }
    ]
    itself = refused(linked(agent, ticket, "blocks", ticket), 400, "self")
    assert itself["errors"][0]["pointer"] == "/to"
    beyond = refused(linked(agent, ticket, "blocks", foreign), 400, "does_not_exist")
    assert beyond["errors"][0]["pointer"] == "/to"
    refused(agent.post(part(ticket, "links"), {"type": "blocks"}), 400, "required")
    refused(agent.post(part(foreign, "links"), {"type": "blocks", "to": ticket["id"]}), 404, "not_found")
    assert count(acme) == 0
    assert facts(acme, ticket) == ["created"]


@pytest.mark.parametrize("link_type", ["parent_of", "blocks"])
def test_a_circle_is_refused_however_long(acme, alice, api, link_type):
    agent = api(alice)
    chain = [opened(agent) for _ in range(4)]
    for upper, lower in itertools.pairwise(chain):
        assert linked(agent, upper, link_type, lower).status_code == 201

    problem = refused(linked(agent, chain[3], link_type, chain[0]), 409, "cycle")

    upper, lower = chain[0]["number"], chain[3]["number"]
    assert problem["detail"] == f"{upper} stands above {lower} already: {link_type} would go round in a circle."
    refused(linked(agent, chain[1], link_type, chain[0]), 409, "cycle")
    assert count(acme) == 3


def test_relations_that_have_no_above_may_go_round(acme, alice, api):
    agent = api(alice)
    first, second = opened(agent), opened(agent)

    assert linked(agent, first, "duplicates", second).status_code == 201
    assert linked(agent, second, "duplicates", first).status_code == 201


def test_parent_of_is_the_childs_parent_and_there_is_one(acme, alice, api):
    agent = api(alice)
    parent, other, child = opened(agent), opened(agent), opened(agent)

    row = linked(agent, parent, "parent_of", child).json()

    assert agent.get(incident(child)).json()["parent"] == parent["id"]
    assert agent.get(incident(child)).json()["version"] == 2
    problem = refused(linked(agent, other, "parent_of", child), 409, "has_parent")
    assert problem["parent"] == parent["id"]
    assert agent.delete(part(parent, "links", row["id"])).status_code == 204
    assert agent.get(incident(child)).json()["parent"] is None
    assert linked(agent, other, "parent_of", child).status_code == 201


def test_what_is_over_neither_gets_a_parent_nor_becomes_one(acme, alice, api):
    agent = api(alice)
    over, ticket = opened(agent), opened(agent)
    agent.post(incident(over, "cancel"), {"reason": "by mistake"})

    refused(linked(agent, over, "parent_of", ticket), 409, "finished")
    refused(linked(agent, ticket, "parent_of", over), 409, "finished")
    assert count(acme) == 0


def test_a_participant_sees_links_to_own_tickets_alone_and_makes_none(acme, alice, bob, api):
    agent, requester = api(alice), api(bob)
    own, also_own, hidden = opened(requester), opened(requester), opened(agent)
    linked(agent, own, "relates_to", hidden)
    row = linked(agent, also_own, "blocks", own).json()

    assert shown(requester, own) == [("blocked_by", "inward", also_own["number"])]
    assert shown(requester, also_own) == [("blocks", "outward", own["number"])]
    assert requester.get(part(own, "links")).json()["results"][0]["id"] == row["id"]
    assert requester.get(part(hidden, "links")).status_code == 404
    assert linked(requester, own, "relates_to", also_own).json()["grant"] == "tickets.update"
    assert requester.delete(part(also_own, "links", row["id"])).status_code == 403
    assert count(acme) == 2


def test_a_link_to_a_deleted_ticket_is_not_shown(acme, alice, dan, api):
    agent = api(alice)
    first, second = opened(agent), opened(agent)
    linked(agent, first, "relates_to", second)

    api(dan).delete(incident(second))

    assert shown(agent, first) == []


def test_set_parent_moves_a_child_with_its_link(acme, alice, api):
    agent = api(alice)
    first, second, child = opened(agent), opened(agent), opened(agent)
    with acme.entered():
        actor = actor_for(alice, at=timezone.now())
        given = {"actor": actor, "at": timezone.now()}
        below = relations.set_parent(stored(acme, child), parent_id=stored(acme, first).pk, **given)
        assert str(below.parent_id) == first["id"]
        below = relations.set_parent(below, parent_id=stored(acme, second).pk, **given)
        assert str(below.parent_id) == second["id"]
        with pytest.raises(Conflict, match="circle"):
            relations.set_parent(stored(acme, second), parent_id=below.pk, **given)
        with pytest.raises(Invalid):
            relations.set_parent(below, parent_id=below.pk, **given)

    assert shown(agent, second) == [("parent_of", "outward", child["number"])]
    assert shown(agent, first) == []

    with acme.entered():
        assert relations.set_parent(below, parent_id=None, **given).parent_id is None
    assert shown(agent, second) == []
    assert facts(acme, child) == ["created", "linked", "unlinked", "linked", "unlinked"]


@pytest.mark.parametrize("link_type", [LinkType.BLOCKS, LinkType.PARENT_OF])
def test_links_made_at_once_close_no_circle_although_none_shares_a_ticket(fresh_database, acme, alice, api, link_type):
    """a → b and c → d stand; b → c and d → a, at the same moment, would close the circle."""
    agent = api(alice)
    with acme.entered():
        actor = actor_for(alice, at=timezone.now())
    for _ in range(5):
        a, b, c, d = (opened(agent) for _ in range(4))
        linked(agent, a, link_type, b)
        linked(agent, c, link_type, d)

        def attempt(upper, lower):
            try:
                with tenancy.tenant(acme.id), transaction.atomic():
                    to_id = stored_row(lower).pk
                    relations.link(stored_row(upper), actor=actor, at=timezone.now(), link_type=link_type, to_id=to_id)
            except Conflict as refusal:
                return refusal.code
            return "linked"

        answers = at_once([lambda b=b, c=c: attempt(b, c), lambda d=d, a=a: attempt(d, a)])

        assert sorted(answers) == ["cycle", "linked"]
