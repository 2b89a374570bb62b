"""Handing a major incident over: asked, taken, declined; and who may."""

from functools import partial

import pytest

from apps.audit.models import Event
from apps.incidents import handover, major
from apps.incidents.models import Handover
from apps.sla.escalation import climbing
from apps.tickets import timeline, verbs
from apps.users.models import RoleAssignment, UserType
from tests.conftest import person
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.incidents.conftest import SOLVED, START, acting, now_of
from tests.incidents.test_major_clock import URL, WHY, minutes


@pytest.fixture
def led(acme, alice, carol, at_home, opened):
    """Commanded by alice, who is an agent; carol, a manager, speaks."""
    with acme.entered():
        incident = major.propose(opened(), actor=acting(alice), at=START, commander_id=alice.pk, **WHY)
        return major.accept(incident, actor=acting(carol), at=START, communications_lead_id=carol.pk, **WHY)


@pytest.fixture
def erin(acme):
    return person(acme, "erin", UserType.AGENT)


def standing():
    return list(Handover.objects.order_by("offered_at", "id").values_list("role", "outcome"))


def test_until_it_is_taken_nothing_changes_and_then_it_is_theirs(acme, alice, dan, led, api):
    url = f"{URL}{led.number}/major/"
    asked = {"role": "commander", "to": str(dan.pk), "reason": "End of my shift"}

    offered = api(alice).post(f"{url}hand-over/", asked)
    assert (offered.status_code, offered.json()["commander"]) == (200, str(alice.pk))
    taken = api(dan).post(f"{url}take-over/", {"role": "commander"})
    assert (taken.status_code, taken.json()["commander"]) == (200, str(dan.pk))

    with acme.entered():
        fact = Event.objects.get(subject_id=led.pk, name="incident.handed_over")
        assert fact.changes == {"commander": [str(alice.pk), str(dan.pk)]}
        assert fact.data["reason"] == "End of my shift"
        assert fact.actor_id == dan.pk
        paged = Event.objects.get(subject_id=led.pk, name="escalation.paged")
        assert paged.data["to"] == [
            {"user": str(dan.pk), "why": ["you are asked to take over as commander: End of my shift"]}
        ]
        told = [
            each["summary"] for each in timeline.told(list(Event.objects.filter(subject_id=led.pk)), led, acting(alice))
        ]
    assert any(each.endswith(f"asked {dan} to take over as commander: End of my shift") for each in told)
    assert any(each.endswith(f"took over as commander from {alice}: End of my shift") for each in told)
    found = api(alice).get(f"{url}").json()["handovers"]
    assert [(each["role"], each["to"], each["outcome"]) for each in found] == [("commander", str(dan.pk), "taken")]


def test_an_agent_who_leads_nothing_hands_nothing_over(acme, dan, erin, led, api):
    asked = {"role": "commander", "to": str(dan.pk), "reason": "I know better"}
    answer = api(erin).post(f"{URL}{led.pk}/major/hand-over/", asked)

    assert assert_problem(answer, 403, "missing_grant")["grant"] == "incidents.approve"
    assert api(erin).post(f"{URL}{led.pk}/major/take-over/", {"role": "commander", "reason": "Me"}).status_code == 403
    assert (
        api(erin).post(f"{URL}{led.pk}/major/pace/", {"update_interval_minutes": 60, "reason": "Me"}).status_code == 403
    )
    with acme.entered():
        assert (standing(), now_of(led).version) == ([], led.version)


def test_a_manager_takes_over_unasked_but_says_why(acme, alice, dan, led, api):
    url = f"{URL}{led.pk}/major/take-over/"

    silent = api(dan).post(url, {"role": "commander"})
    assert assert_problem(silent, 400, "invalid")["errors"][0]["pointer"] == "/reason"
    answer = api(dan).post(url, {"role": "commander", "reason": "She does not answer"})

    assert answer.json()["commander"] == str(dan.pk)
    with acme.entered():
        assert standing() == [("commander", "taken")]
        assert Event.objects.get(name="incident.handed_over").data["is_asked"] is False
    assert assert_problem(api(dan).post(url, {"role": "commander", "reason": "Again"}), 409, "holds_it")


def test_who_is_asked_may_decline_and_who_asked_hears_of_it_each_of_them_once(acme, alice, dan, led):
    with acme.entered():
        handover.offer(led, actor=acting(alice), at=START, role="commander", to_id=dan.pk, reason="Lunch")
        handover.refuse(led, actor=acting(dan), at=minutes(1), role="commander", reason="In a meeting")

        assert (standing(), now_of(led).commander_id) == ([("commander", "declined")], alice.pk)
        facts = Event.objects.filter(subject_id=led.pk, at__gte=START).order_by("id")
        # Channels deliver each fact to its `users`: never to who has just declined, nor beside a page once more.
        told = [(fact.name, fact.data["users"]) for fact in facts if fact.data.get("users")]
        assert told == [("escalation.paged", [str(dan.pk)]), ("escalation.paged", [str(alice.pk)])]
        asked = facts.filter(name__contains="handover")
        assert [fact.data["reached"] for fact in asked] == [[str(dan.pk)], [str(alice.pk)]]


def test_who_asked_may_withdraw_and_a_second_question_replaces_the_first(acme, alice, carol, dan, led):
    with acme.entered():
        for to in (dan, carol):
            handover.offer(led, actor=acting(alice), at=START, role="commander", to_id=to.pk, reason="Lunch")
        assert standing() == [("commander", "withdrawn"), ("commander", "offered")]
        handover.refuse(led, actor=acting(alice), at=minutes(1), role="commander", reason="Not hungry")

        assert standing() == [("commander", "withdrawn"), ("commander", "withdrawn")]


def test_whoever_was_asked_hears_that_they_are_not_any_more_whichever_way_it_was_withdrawn(
    acme, alice, carol, dan, erin, led
):
    def told(user):
        events = Event.objects.filter(subject_id=led.pk, name="escalation.notified").order_by("id")
        return [each["why"] for event in events for each in event.data["to"] if each["user"] == str(user.pk)]

    def ask(to, at):
        handover.offer(led, actor=acting(alice), at=at, role="commander", to_id=to.pk, reason="Lunch")

    no_more = "you are not asked any more to take over as commander: "
    with acme.entered():
        RoleAssignment.objects.filter(user=erin).update(valid_from=START)
        ask(dan, START)
        # Asked once more, they are still asked.
        ask(dan, minutes(6))
        assert told(dan) == []
        ask(erin, minutes(12))
        assert told(dan) == [[f"{no_more}somebody else is asked"]]
        handover.take_over(led, actor=acting(carol), at=minutes(20), role="commander", reason="Nobody leads")
        assert told(erin) == [[f"{no_more}somebody else took over"]]
        handover.offer(led, actor=acting(carol), at=minutes(30), role="commander", to_id=dan.pk, reason="My train")
        handover.refuse(led, actor=acting(carol), at=minutes(40), role="commander", reason="I stay")
        assert told(dan)[1:] == [[f"{no_more}I stay"]]

        facts = Event.objects.filter(subject_id=led.pk, name="incident.handover_refused").order_by("id")
        assert [(fact.data["to"], fact.data["outcome"]) for fact in facts] == [
            (str(dan.pk), "withdrawn"),
            (str(erin.pk), "withdrawn"),
            (str(dan.pk), "withdrawn"),
        ]


def test_whose_question_lapses_hears_of_it_also_when_they_may_only_be_told_after_the_end(
    acme, alice, carol, dan, opened, led
):
    no_more = "you are not asked any more to take over as commander: it is"
    with acme.entered():
        other = major.propose(opened(), actor=acting(alice), at=START, commander_id=alice.pk, **WHY)
        major.accept(other, actor=acting(carol), at=START, communications_lead_id=carol.pk, **WHY)
        for incident in (led, other):
            handover.offer(incident, actor=acting(alice), at=START, role="commander", to_id=dan.pk, reason="Lunch")
        major.demote(other, actor=acting(carol), at=minutes(20), reason="One printer")
        verbs.do(led, "resolve", actor=acting(alice), at=minutes(2), **SOLVED)
        assert not Event.objects.filter(subject_id=led.pk, name="escalation.notified").exists()

    climbing.climb_organization(acme.id, minutes(5))

    with acme.entered():
        told = Event.objects.filter(name="escalation.notified", data__users=[str(dan.pk)]).order_by("at")
        assert [(fact.subject_id, fact.at, fact.data["to"][0]["why"]) for fact in told] == [
            (led.pk, minutes(5), [f"{no_more} resolved"]),
            (other.pk, minutes(20), [f"{no_more} no major incident any more"]),
        ]


def test_nobody_is_asked_who_cannot_or_need_not(acme, alice, bob, led, api):
    url = f"{URL}{led.pk}/major/hand-over/"
    wrong = (
        (bob, "commander", "not_assignable"),
        (alice, "commander", "holds_it"),
        (alice, "communications_lead", "self"),
    )
    for to, role, code in wrong:
        answer = api(alice).post(url, {"role": role, "to": str(to.pk), "reason": "Lunch"})
        error = assert_problem(answer, 400, "invalid")["errors"][0]
        assert (error["pointer"], error["code"]) == ("/to", code)
    assert api(alice).post(url, {"role": "boss", "to": str(bob.pk), "reason": "x"}).status_code == 400
    assert_problem(
        api(alice).post(f"{URL}{led.pk}/major/decline/", {"role": "commander", "reason": "x"}), 409, "not_offered"
    )


def test_what_is_over_is_handed_to_nobody_and_open_questions_lapse(acme, alice, dan, opened, led, api):
    with acme.entered():
        handover.offer(led, actor=acting(alice), at=START, role="commander", to_id=dan.pk, reason="Lunch")
        verbs.do(led, "resolve", actor=acting(alice), at=minutes(5), **SOLVED)
        assert standing() == [("commander", "lapsed")]
        plain = opened()
    asked = {"role": "commander", "to": str(dan.pk), "reason": "Lunch"}

    assert assert_problem(api(alice).post(f"{URL}{led.pk}/major/hand-over/", asked), 409, "illegal_transition")
    assert api(dan).post(f"{URL}{plain.pk}/major/hand-over/", asked).status_code == 409


def test_taken_by_two_at_once_it_is_the_laters_who_took_it_from_the_other(
    fresh_database, acme, alice, carol, dan, led, api
):
    clients = [api(carol), api(dan)]
    url = f"{URL}{led.pk}/major/take-over/"

    answers = at_once(
        [partial(client.post, url, {"role": "commander", "reason": "Nobody leads"}) for client in clients]
    )

    assert [answer.status_code for answer in answers] == [200, 200]
    with acme.entered():
        assert Event.objects.filter(name="incident.handed_over").count() == 2
        last = Event.objects.filter(name="incident.handed_over").order_by("recorded_at").last()
        assert str(now_of(led).commander_id) == last.data["to"]
        assert last.data["from"] in {str(carol.pk), str(dan.pk)}


def test_somebody_of_another_organization_is_nobody(acme, alice, mallory, led, api):
    url = f"{URL}{led.pk}/major/"
    asked = {"role": "commander", "to": str(mallory.pk), "reason": "x"}

    assert (
        assert_problem(api(alice).post(f"{url}hand-over/", asked), 400, "invalid")["errors"][0]["code"]
        == "does_not_exist"
    )
    for verb in ("hand-over", "take-over", "decline", "pace"):
        assert api(mallory).post(f"{url}{verb}/", {}).status_code == 404
    assert api(mallory).get(url).status_code == 404
