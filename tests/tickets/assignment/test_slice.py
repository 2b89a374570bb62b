"""Assignment from the rule to the person, over HTTP."""

from django.utils import timezone

from apps.audit.models import Dispatch
from apps.audit.services import deliver
from apps.core import events
from apps.organizations import services as organizations
from apps.tickets.assignment import draining
from tests import factories
from tests.tickets.desk import incident, opened


def test_a_rule_finds_the_team_and_its_queue_somebody_who_is_there(acme, desk, agents, alice, bob, dan, api):
    ann, ben = agents("ann", "ben")
    desk.says(ben, "away")
    with acme.entered():
        mail = factories.CategoryFactory(name="Mail")
    rule = api(dan).post(
        "/api/v1/assignment-rules/",
        {"name": "Mail", "match": {"category": [str(mail.pk)]}, "team": str(desk.team.pk)},
    )
    assert rule.status_code == 201, rule.json()

    ticket = opened(api(bob), category=str(mail.pk))

    assert (ticket["team"], ticket["assignee"], ticket["status"]) == (str(desk.team.pk), str(ann.pk), "new")
    assert desk.story(desk.now_of(ticket), by=alice) == [
        "Bob opened it; by the rule “Mail” it belongs to Service Desk; "
        "it goes to Ann, the only one who can take it (not Ben: away)"
    ]
    assert desk.story(desk.now_of(ticket), by=bob) == ["Bob opened it"]


def test_what_nobody_can_take_waits_until_somebody_comes(acme, desk, agents, alice, bob, api):
    (ann,) = agents("ann", presence="offline")
    ticket = desk.opens()
    shown = api(alice).get("/api/v1/assignment/waiting/").json()
    assert [(row["ticket"], row["why"]) for row in shown["results"]] == [(str(ticket.pk), {"offline": 1})]
    assert [(age["team"], age["count"]) for age in shown["teams"]] == [(str(desk.team.pk), 1)]

    assert api(ann).patch("/api/v1/auth/presence/", {"status": "available"}).status_code == 200
    desk.delivers()

    assert desk.owner(ticket) == ann
    assert api(alice).get("/api/v1/assignment/waiting/").json() == {"results": [], "teams": []}


def test_whom_it_is_offered_to_accepts_it_or_lets_the_next_have_it(acme, desk, agents, api):
    ann, ben = agents("ann", "ben")
    first, second = desk.opens(), desk.opens()
    assert desk.owners([first, second]) == [ann, ben]

    accepted = api(ann).post(incident({"id": first.pk}, "accept"), {})
    refused = api(ben).post(incident({"id": second.pk}, "reject"), {"reason": "On the phone"})

    assert (accepted.status_code, accepted.json()["status"]) == (200, "in_progress")
    assert (refused.status_code, refused.json()["assignee"]) == (200, str(ann.pk))
    assert desk.story(second, by=ann)[-1] == (
        "Ben passed it on: Ben refused it (On the phone); it goes to Ann, the only one who can take it (not Ben: let it pass before)"
    )
    again = api(ann).post(incident({"id": first.pk}, "accept"), {})
    assert (again.status_code, again.json()["code"]) == (409, "not_offered")


def test_whoever_merely_asked_for_a_ticket_is_told_that_it_waits_and_nothing_of_the_desks_people(
    desk, agents, alice, bob, api
):
    agents("ann", presence="offline")
    ticket = desk.opens(requester_id=bob.pk)
    others = desk.opens()

    asked = api(bob).get("/api/v1/assignment/waiting/").json()
    worked = api(alice).get("/api/v1/assignment/waiting/").json()

    assert [(row["ticket"], "why" in row) for row in asked["results"]] == [(str(ticket.pk), False)]
    assert asked["teams"] == []
    assert {row["ticket"]: row["why"] for row in worked["results"]} == {
        str(ticket.pk): {"offline": 1},
        str(others.pk): {"offline": 1},
    }
    assert [age["count"] for age in worked["teams"]] == [2]


def told_that_it_changed(desk):
    """A fact after which what waits is given out."""
    with desk.tenant.entered():
        events.record("assignment_queue.updated", desk.queue, actor=desk.tenant.system, at=timezone.now())
        return Dispatch.objects.get(done_at=None, consumer="assignment.queue_updated")


def test_a_suspended_organization_gives_out_nothing_until_the_first_minute_after_it_is_resumed(acme, desk, agents):
    (ann,) = agents("ann", presence="offline", capacity=9)
    waiting = [desk.opens() for _ in range(2)]
    desk.says(ann, "available")
    with acme.entered():
        organizations.suspend(acme.organization, actor=acme.system, at=timezone.now(), reason="unpaid")
    told = told_that_it_changed(desk)
    assert (deliver(acme.id, told.pk), desk.owners(waiting)) == ("done", [None, None])

    with acme.entered():
        organizations.resume(acme.organization, actor=acme.system, at=timezone.now())
    desk.says(ann, "available")
    assert (desk.a_minute_passes().given, desk.owners(waiting)) == (2, [ann, ann])


def test_a_fact_that_frees_more_than_one_transaction_gives_out_is_delivered_again_until_all_of_it_is_given(
    acme, desk, agents, monkeypatch
):
    monkeypatch.setattr(draining, "MOST_GIVEN", 2)
    (ann,) = agents("ann", presence="offline", capacity=9)
    waiting = [desk.opens() for _ in range(5)]
    desk.says(ann, "available")
    told, answers, left = told_that_it_changed(desk), [], []
    for _ in range(4):
        answers.append(deliver(acme.id, told.pk))
        left.append(desk.owners(waiting).count(None))

    assert (answers, left) == (["again", "again", "done", "gone"], [3, 1, 0, 0])
