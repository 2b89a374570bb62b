"""A parent's fate is its children's, as far as it concerns them."""

from datetime import timedelta

import pytest

from apps.audit.models import Event
from apps.core.errors import Conflict
from apps.incidents import services
from apps.tickets import verbs
from apps.tickets.models import Ticket
from apps.users.models import RoleAssignment
from tests.incidents.conftest import SOLVED, START, acting, now_of

URL = "/api/v1/incidents/"
LATER = START + timedelta(hours=1)
SHARED_HOLDS = ["awaiting_change", "awaiting_problem", "awaiting_vendor"]


@pytest.fixture
def family(acme, opened):
    """A parent, and three children: new, in progress, and waiting for its own requester."""
    with acme.entered():
        parent = opened(title="Mail is down")
        new, open_, asking = (opened(title=f"No mail {n}", parent_id=parent.pk) for n in range(3))
        verbs.do(open_, "start", actor=acme.system, at=START)
        verbs.do(asking, "hold", actor=acme.system, at=START, reason="awaiting_requester", comment="Which phone?")
    return parent, new, open_, asking


def do(acme, incident, verb, at=LATER, **given):
    with acme.entered():
        return verbs.do(incident, verb, actor=acme.system, at=at, **given)


def states(acme, incidents):
    with acme.entered():
        return [(found.status, found.hold_reason) for found in map(now_of, incidents)]


def facts(acme, incident):
    with acme.entered():
        return list(Event.objects.filter(subject_id=incident.pk).order_by("id"))


def test_resolving_the_parent_resolves_its_open_children_with_its_code_and_notes_that_say_so(acme, alice, family):
    parent, *children = family
    with acme.entered():
        verbs.do(parent, "resolve", actor=acting(alice), at=LATER, **SOLVED)

    with acme.entered():
        for child in map(now_of, children):
            assert (child.status, child.resolution_code, child.resolved_at) == ("resolved", "solution_provided", LATER)
            assert child.resolution_notes == f"Resolved with {parent.number}: Restarted the mail server."
            assert (child.hold_reason, child.acknowledged_at is not None) == ("", True)
    fact = facts(acme, children[0])[-1]
    assert (fact.name, fact.actor_label, fact.at) == ("incident.resolved", "system:incidents", LATER)
    assert fact.data == {
        "because": "parent",
        "parent": str(parent.pk),
        "in_the_name_of": acting_label(acme, alice),
    }


def acting_label(acme, user):
    with acme.entered():
        return acting(user).label


def test_children_that_are_over_stay_as_they_are(acme, family):
    parent, new, open_, asking = family
    do(acme, new, "cancel", reason="a mistake")
    do(acme, open_, "resolve", resolution_code="user_error", resolution_notes="It was off.")
    before = [len(facts(acme, child)) for child in (new, open_)]

    do(acme, parent, "resolve", **SOLVED)

    assert states(acme, [new, open_, asking]) == [("cancelled", ""), ("resolved", ""), ("resolved", "")]
    assert [len(facts(acme, child)) for child in (new, open_)] == before
    with acme.entered():
        assert now_of(open_).resolution_code == "user_error"


@pytest.mark.parametrize("reason", SHARED_HOLDS)
def test_children_wait_with_their_parent_but_those_with_a_reason_of_their_own_keep_it(acme, family, reason):
    parent, *children = family

    do(acme, parent, "hold", reason=reason)

    assert states(acme, children) == [("on_hold", reason), ("on_hold", reason), ("on_hold", "awaiting_requester")]


@pytest.mark.parametrize("reason", ["awaiting_requester", "awaiting_approval"])
def test_children_do_not_wait_for_the_parents_requester_or_approval(acme, family, reason):
    parent, *children = family
    before = states(acme, children)

    do(acme, parent, "hold", reason=reason, comment="Please answer")

    assert states(acme, children) == before


def test_children_follow_from_one_shared_reason_to_another(acme, family):
    parent, new, open_, asking = family
    do(acme, parent, "hold", reason="awaiting_vendor")

    do(acme, parent, "hold", reason="awaiting_change", at=LATER + timedelta(minutes=1))

    assert states(acme, [new, open_, asking]) == [
        ("on_hold", "awaiting_change"),
        ("on_hold", "awaiting_change"),
        ("on_hold", "awaiting_requester"),
    ]


def test_what_waited_only_with_its_parent_goes_on_with_it(acme, family):
    parent, new, open_, asking = family
    do(acme, parent, "hold", reason="awaiting_vendor")
    # By itself from now on: somebody called this one's own vendor.
    do(acme, open_, "hold", reason="awaiting_vendor", comment="Another vendor", at=LATER + timedelta(minutes=1))

    do(acme, parent, "resume", at=LATER + timedelta(minutes=2))

    assert states(acme, [new, open_, asking]) == [
        ("in_progress", ""),
        ("on_hold", "awaiting_vendor"),
        ("on_hold", "awaiting_requester"),
    ]


@pytest.mark.parametrize("verb", ["claim", "start"])
def test_new_children_are_in_progress_as_soon_as_the_parent_is(acme, alice, family, verb):
    parent, new, open_, asking = family
    with acme.entered():
        verbs.do(parent, verb, actor=acting(alice), at=LATER)

    assert states(acme, [new, open_, asking]) == [
        ("in_progress", ""),
        ("in_progress", ""),
        ("on_hold", "awaiting_requester"),
    ]
    with acme.entered():
        assert now_of(new).assignee_id is None


def test_a_parent_that_is_claimed_while_it_waits_moves_no_child(acme, alice, family):
    parent, *children = family
    do(acme, parent, "hold", reason="awaiting_requester", comment="Please answer")
    before = states(acme, children)
    with acme.entered():
        verbs.do(parent, "claim", actor=acting(alice), at=LATER)

    assert states(acme, children) == before


def test_reopening_the_parent_leaves_the_children_resolved(acme, family):
    parent, *children = family
    do(acme, parent, "resolve", **SOLVED)

    do(acme, parent, "reopen", reason="Still dead", at=LATER + timedelta(minutes=5))

    assert states(acme, children) == [("resolved", "")] * 3


def test_a_reopened_child_goes_its_own_way(acme, family):
    parent, new, *_ = family
    do(acme, parent, "resolve", **SOLVED)

    do(acme, new, "reopen", reason="Still dead here", at=LATER + timedelta(minutes=5))

    with acme.entered():
        child = now_of(new)
        assert (child.parent_id, child.status, child.reopen_count) == (None, "in_progress", 1)
        assert not new.links_to.filter(link_type="parent_of").exists()
    do(acme, parent, "reopen", reason="Still dead", at=LATER + timedelta(minutes=6))
    do(acme, parent, "resolve", **SOLVED, at=LATER + timedelta(minutes=7))
    assert states(acme, [new]) == [("in_progress", "")]


@pytest.mark.parametrize("verbs_", [["cancel"], ["resolve", "close"]])
def test_closing_or_cancelling_the_parent_changes_no_child(acme, family, verbs_):
    parent, new, *_ = family
    given = {"cancel": {"reason": "a mistake"}, "resolve": SOLVED, "close": {}}
    for verb in verbs_[:-1]:
        do(acme, parent, verb, **given[verb])
    before, count = states(acme, family[1:]), len(facts(acme, new))

    do(acme, parent, verbs_[-1], **given[verbs_[-1]])

    assert states(acme, family[1:]) == before
    assert len(facts(acme, new)) == count


def test_grandchildren_follow_too(acme, opened, family):
    parent, new, *_ = family
    with acme.entered():
        grandchild = opened(title="No mail on my phone", parent_id=new.pk)

    do(acme, parent, "resolve", **SOLVED)

    with acme.entered():
        assert now_of(grandchild).resolution_notes.startswith(
            f"Resolved with {new.number}: Resolved with {parent.number}"
        )


def test_a_child_that_the_agent_may_not_see_is_resolved_all_the_same(acme, alice, bob, opened, family):
    parent, *children = family
    with acme.entered():
        # Alice sees her own alone from now on.
        own = RoleAssignment.objects.get(user_id=bob.pk).role_id
        RoleAssignment.objects.filter(user_id=alice.pk).update(role_id=own)
        Ticket.objects.filter(pk=parent.pk).update(requester_id=alice.pk)
        assert not Ticket.objects.visible_to(acting(alice)).filter(pk=children[0].pk).exists()

    do(acme, parent, "resolve", **SOLVED)

    assert states(acme, children) == [("resolved", "")] * 3


def test_a_major_incident_or_candidate_has_no_parent(acme, opened):
    from apps.incidents import major

    with acme.entered():
        grave, other = opened(), opened()
        major.propose(grave, actor=acme.system, at=LATER, reason="Everybody is affected")
        with pytest.raises(Conflict) as refusal:
            services.change(now_of(grave), actor=acme.system, at=LATER, values={"parent_id": other.pk})
        assert refusal.value.code == "is_major"


# --- over HTTP


def test_an_agent_hangs_an_incident_below_another_and_lists_the_children(acme, alice, bob, api, family):
    parent, new, open_, asking = family
    agent, requester = api(alice), api(bob)
    other = agent.post(URL, {"title": "No calendar either"}).json()

    answer = agent.patch(f"{URL}{other['id']}/", {"parent": str(parent.pk)})

    assert (answer.status_code, answer.json()["parent"]) == (200, str(parent.pk))
    assert answer["ETag"] == f'"{answer.json()["version"]}"'
    page = agent.get(f"{URL}{parent.number}/children/?page_size=3&fields=number").json()
    assert [row["number"] for row in page["results"]] == [new.number, open_.number, asking.number]
    rest = agent.get(page["next"].split("testserver")[1]).json()
    assert [row["number"] for row in rest["results"]] == [other["number"]]
    # Of the children, bob sees his own.
    assert len(requester.get(f"{URL}{parent.pk}/children/").json()["results"]) == 3
    freed = agent.patch(f"{URL}{other['id']}/", {"parent": None})
    assert freed.json()["parent"] is None


def test_a_ticket_is_opened_below_a_parent(acme, alice, api, family):
    parent, *_ = family

    answer = api(alice).post(URL, {"title": "No mail at all", "parent": str(parent.pk)})

    assert (answer.status_code, answer.json()["parent"]) == (201, str(parent.pk))
    assert answer["ETag"] == f'"{answer.json()["version"]}"'


def test_nobody_hangs_it_below_itself_its_child_or_a_strangers_and_no_requester_does_it_at_all(
    acme, globex, alice, bob, mallory, api, family
):
    parent, new, *_ = family
    agent = api(alice)
    foreign = api(mallory).post(URL, {"title": "Theirs"}).json()

    assert agent.patch(f"{URL}{parent.pk}/", {"parent": str(parent.pk)}).status_code == 400
    assert agent.patch(f"{URL}{parent.pk}/", {"parent": str(new.pk)}).json()["code"] == "cycle"
    refused = agent.patch(f"{URL}{parent.pk}/", {"parent": foreign["id"]})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "does_not_exist")
    assert api(bob).patch(f"{URL}{new.pk}/", {"parent": None}).status_code == 403
    assert api(mallory).get(f"{URL}{parent.pk}/children/").status_code == 404
    with acme.entered():
        assert (now_of(parent).parent_id, now_of(new).parent_id) == (None, parent.pk)


def test_the_queue_too_answers_a_reopened_child_at_its_last_version(acme, alice, api, family):
    parent, new, *_ = family
    do(acme, parent, "resolve", **SOLVED)

    answer = api(alice).post(f"/api/v1/tickets/{new.pk}/reopen/", {"reason": "Still dead"})

    with acme.entered():
        assert (answer.status_code, answer.json()["version"]) == (200, now_of(new).version)


def test_a_child_that_waited_with_another_parent_does_not_go_on_with_its_new_one(acme, opened, family):
    parent, new, *_ = family
    with acme.entered():
        other = opened(title="The switch is down")
    do(acme, parent, "hold", reason="awaiting_vendor")
    with acme.entered():
        services.change(now_of(new), actor=acme.system, at=LATER, values={"parent_id": other.pk})

    do(acme, other, "hold", reason="awaiting_change")
    do(acme, other, "resume")

    assert states(acme, [new, other]) == [("on_hold", "awaiting_vendor"), ("in_progress", "")]


def test_a_parent_that_waits_longer_lets_its_children_wait_as_long(acme, family):
    parent, new, _, asking = family
    first, second = (LATER + timedelta(days=days) for days in (1, 2))
    do(acme, parent, "hold", reason="awaiting_vendor", until=first)
    do(acme, parent, "hold", reason="awaiting_vendor", until=second)
    told = len(facts(acme, new))

    do(acme, parent, "hold", reason="awaiting_vendor", until=second)

    with acme.entered():
        assert (now_of(new).hold_until, now_of(asking).hold_until) == (second, None)
    assert len(facts(acme, new)) == told
