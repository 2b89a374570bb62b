"""Candidates by rule: ordered, the first that holds decides, off until somebody switches one on."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import Dispatch, Event
from apps.audit.services import deliver
from apps.core import events
from apps.core.errors import Denied, Invalid
from apps.incidents import candidates, major, services
from apps.incidents.models import MajorRule
from apps.tickets import verbs
from apps.users.models import RoleAssignment
from tests.core.expectations import assert_problem
from tests.factories import ServiceFactory, TeamFactory
from tests.incidents.conftest import START, acting, now_of

RULES = "/api/v1/major-rules/"
P1 = [{"priority": [1]}]


def rule(acme, **values):
    given = {"name": "Critical", "match": P1, "is_active": True, **values}
    return candidates.create(actor=acme.system, at=START, values=given)


def considered(acme, incident, at=START):
    """As the consumer does after the commit."""
    candidates.consider(incident.pk, acme.id, at=at)
    return now_of(incident)


def test_without_a_rule_in_force_nothing_is_proposed(acme, opened):
    with acme.entered():
        candidates.create(actor=acme.system, at=START, values={"name": "Critical", "match": P1})

        assert considered(acme, opened(impact=1, urgency=1)).major_status == ""


def test_a_critical_one_is_proposed_with_who_would_lead_it_and_the_timeline_names_the_rule(
    acme, alice, at_home, opened
):
    with acme.entered():
        made = rule(acme, commander_id=alice.pk, update_interval_minutes=60)
        found = considered(acme, opened(impact=1, urgency=1))

        assert (found.major_status, found.commander_id, found.update_interval_minutes) == ("candidate", alice.pk, 60)
        fact = Event.objects.get(subject_id=found.pk, name="incident.major_proposed")
        assert (fact.actor_kind, fact.data["rule"], fact.data["rule_name"]) == ("system", str(made.pk), "Critical")
        assert considered(acme, opened(impact=2, urgency=1)).major_status == ""
        # Who may not work on it any more is named by nobody, and keeps it from nothing.
        RoleAssignment.objects.filter(user=alice).delete()
        found = considered(acme, opened(impact=1, urgency=1))
        assert (found.major_status, found.commander_id) == ("candidate", None)


def test_the_first_rule_that_holds_decides_also_that_nothing_is_proposed(acme, opened):
    with acme.entered():
        rule(acme, position=10, name="Not from monitoring", match=[{"source": ["monitoring"]}], proposes=False)
        rule(acme, position=20)
        rule(acme, position=30, name="Later", update_interval_minutes=5)

        assert considered(acme, opened(impact=1, urgency=1, source="monitoring")).major_status == ""
        found = considered(acme, opened(impact=1, urgency=1))
        assert (found.major_status, found.update_interval_minutes) == ("candidate", None)


def test_a_critical_service_makes_one(acme, opened):
    with acme.entered():
        rule(acme, match=[{"service_criticality": [1, 2]}, {"ci_criticality": [1]}])
        grave = ServiceFactory(criticality=1)
        small = ServiceFactory(criticality=4)

        assert considered(acme, opened(service_id=grave.pk)).major_status == "candidate"
        assert considered(acme, opened(service_id=small.pk)).major_status == ""


def test_more_children_than_so_many_make_one_and_a_child_never_is(acme, opened):
    with acme.entered():
        rule(acme, match=[{}], more_children_than=2)
        parent = opened()
        children = [opened(parent_id=parent.pk) for _ in range(2)]
        assert considered(acme, parent).major_status == ""
        children.append(opened(parent_id=parent.pk))

        assert considered(acme, parent).major_status == "candidate"
        assert {considered(acme, child).major_status for child in children} == {""}


def test_a_change_that_makes_it_grave_is_seen_at_once_and_others_are_not_looked_at(acme, alice, opened):
    with acme.entered():
        rule(acme)
        incident = opened()
        services.change(incident, actor=acting(alice), at=START, values={"title": "Renamed"})
        assert now_of(incident).major_status == ""

        services.change(now_of(incident), actor=acting(alice), at=START, values={"impact": 1, "urgency": 1})

        assert now_of(incident).major_status == "candidate"
        other = opened()
        verbs.do(other, "override-priority", actor=acting(alice), at=START, priority=1, reason="The board")
        assert now_of(other).major_status == "candidate"


def test_what_somebody_decided_is_not_proposed_again_by_a_rule(acme, alice, carol, opened):
    with acme.entered():
        rule(acme)
        incident = considered(acme, opened(impact=1, urgency=1))
        major.reject(incident, actor=acting(carol), at=START, reason="Two people")

        assert considered(acme, incident).major_status == "rejected"


def test_the_facts_that_lead_to_a_rule_are_delivered_after_the_commit(fresh_database, acme, opened):
    with acme.entered():
        rule(acme)
        incident = opened(impact=1, urgency=1)
        assert now_of(incident).major_status == ""
        created = Event.objects.get(subject_id=incident.pk, name="incident.created")
        pending = Dispatch.objects.get(event_id=created.pk, consumer="incidents.candidate_created").pk

    assert deliver(acme.id, pending) == "done"
    with acme.entered():
        assert now_of(incident).major_status == "candidate"


def test_history_proposes_nothing(acme, alice, opened):
    with acme.entered():
        rule(acme)
        with events.historic():
            incident = opened()
            services.change(incident, actor=acting(alice), at=START, values={"impact": 1, "urgency": 1})

        assert now_of(incident).major_status == ""
        assert not Dispatch.objects.filter(consumer="incidents.candidate_created").exists()


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"match": [{}]}, "/match", "matches_everything"),
        ({"match": []}, "/match", "required"),
        ({"match": [{"is_major": [True]}]}, "/match/0/is_major", "unknown_field"),
        ({"match": [{"colour": ["red"]}]}, "/match/0/colour", "unknown_field"),
        ({"match": [{"priority": [9]}]}, "/match/0/priority", "invalid_choice"),
    ],
)
def test_a_senseless_rule_is_refused_with_the_reason(acme, values, pointer, code):
    with acme.entered():
        with pytest.raises(Invalid) as refusal:
            rule(acme, **values)

        assert [(error.pointer, error.code) for error in refusal.value.errors] == [(pointer, code)]
        assert not MajorRule.objects.exists()


def test_only_who_configures_writes_rules_and_a_requester_leads_none(acme, alice, bob):
    with acme.entered():
        with pytest.raises(Denied):
            candidates.create(actor=acting(alice), at=START, values={"name": "Mine", "match": P1})
        with pytest.raises(Invalid) as refusal:
            rule(acme, commander_id=bob.pk)
        assert refusal.value.errors[0].pointer == "/commander"


def test_rules_over_http_are_tried_before_they_are_switched_on(acme, dan, alice, opened, api):
    with acme.entered():
        grave, _ = opened(impact=1, urgency=1), opened()
    made = api(dan).post(RULES, {"name": "Critical", "match": P1})
    assert (made.status_code, made.json()["is_active"], made.json()["position"]) == (201, False, 10)

    tried = api(dan).post(f"{RULES}dry-run/", {"rule": made.json()["id"]}).json()
    assert tried["looked_at"] == 2
    assert [(each["ticket"], each["would_be_proposed"]) for each in tried["results"]] == [(str(grave.pk), True)]
    assert api(dan).post(f"{RULES}dry-run/", {}).json()["results"] == []
    assert api(alice).post(f"{RULES}dry-run/", {}).status_code == 403
    second = api(dan).post(RULES, {"name": "Too", "match": P1, "position": 10})
    assert_problem(second, 409, "duplicate")
    with acme.entered():
        assert now_of(grave).major_status == ""


def test_a_trial_asks_as_little_of_many_incidents_as_of_one(acme, dan, opened, api):
    with acme.entered():
        rule(acme, match=[{"site": [None]}], more_children_than=1)
        parents = [opened()]
        [opened(parent_id=parents[0].pk) for _ in range(2)]

    def tried():
        with CaptureQueriesContext(connection) as sent:
            answer = api(dan).post(f"{RULES}dry-run/", {"limit": 500}).json()
        return len(sent), answer["looked_at"], {each["ticket"] for each in answer["results"]}

    tried()
    few, looked_at, found = tried()
    assert (looked_at, found) == (1, {str(parents[0].pk)})
    with acme.entered():
        parents += [opened() for _ in range(8)]
        [opened(parent_id=parents[1].pk) for _ in range(2)]
        [opened(parent_id=parents[2].pk) for _ in range(1)]

    assert tried() == (few, 9, {str(parent.pk) for parent in parents[:2]})


def test_a_team_that_a_rule_names_is_seen_when_it_gets_the_incident(acme, alice, opened):
    with acme.entered():
        team = TeamFactory()
        rule(acme, match=[{"team": [str(team.pk)]}])
        incident = opened()
        assert now_of(incident).major_status == ""

        verbs.do(incident, "assign", actor=acting(alice), at=START, team_id=team.pk)

        assert now_of(incident).major_status == "candidate"
