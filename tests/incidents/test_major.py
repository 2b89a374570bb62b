"""Major incidents: proposed by agents, decided by managers, led, told of by the clock, and looked back at."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from apps.audit.models import Event
from apps.core import events
from apps.core.errors import Denied, IllegalTransition, Invalid
from apps.incidents import major, services
from apps.incidents.lifecycle import MAJOR
from apps.incidents.models import Incident
from apps.organizations import calendar_records
from apps.organizations.models import Organization
from apps.tickets import conversation, relations, verbs
from apps.tickets.closing import configuring
from apps.tickets.models import Task
from apps.users.models import RoleAssignment, User
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.incidents.conftest import SOLVED, START, acting, now_of

URL = "/api/v1/incidents/"
WHY = {"reason": "Nobody can send mail"}


def minutes(number):
    return START + timedelta(minutes=number)


def say(incident, who, at, visibility="public", body="We are on it"):
    return conversation.add_comment(incident, actor=acting(who), at=at, body=body, visibility=visibility)


@pytest.fixture
def candidate(acme, alice, opened):
    with acme.entered():
        return major.propose(opened(impact=2, urgency=2), actor=acting(alice), at=START, **WHY)


@pytest.fixture
def accepted(acme, carol, candidate):
    with acme.entered():
        return major.accept(candidate, actor=acting(carol), at=minutes(10), **WHY)


def test_on_acceptance_it_is_critical_and_led_by_who_accepted_it_with_an_update_due_in_half_an_hour(
    acme, carol, accepted
):
    with acme.entered():
        found = now_of(accepted)
        assert (found.is_major, found.major_status, found.major_since) == (True, "accepted", minutes(10))
        assert (found.priority, found.priority_override_reason) == (1, "Major incident: Nobody can send mail")
        assert (found.commander_id, found.communications_lead_id) == (carol.pk, carol.pk)
        assert (found.update_interval_minutes, found.next_update_due_at) == (30, minutes(40))
        fact = Event.objects.get(subject_id=found.pk, name="incident.major_accepted")
        assert fact.data == WHY
        assert fact.changes["is_major"] == [False, True]
        assert fact.changes["major_status"] == ["candidate", "accepted"]
        assert fact.changes["commander"] == [None, str(carol.pk)]


def test_who_leads_is_named_with_the_proposal_or_the_acceptance(acme, alice, carol, dan, at_home, opened):
    with acme.entered():
        proposed = major.propose(
            opened(), actor=acting(alice), at=START, **WHY, commander_id=alice.pk, update_interval_minutes=60
        )
        found = major.accept(proposed, actor=acting(carol), at=START, **WHY, communications_lead_id=dan.pk)

        assert (found.commander_id, found.communications_lead_id) == (alice.pk, dan.pk)
        assert found.next_update_due_at == minutes(60)


def test_nobody_is_named_as_leader_who_may_not_work_on_the_incident_neither_first_nor_when_it_is_accepted(
    acme, alice, carol, dan, at_home, opened
):
    """They would be called for what they cannot see."""
    with acme.entered():
        proposed = major.propose(opened(), actor=acting(alice), at=START, **WHY, commander_id=alice.pk)
        agent, manager = acting(alice), acting(carol)
        RoleAssignment.objects.filter(user_id__in=(alice.pk, dan.pk)).delete()
        named = (
            (lambda: major.propose(opened(), actor=agent, at=START, **WHY, commander_id=dan.pk), "/commander"),
            (lambda: major.accept(proposed, actor=manager, at=START, **WHY), "/commander"),
            (
                lambda: major.accept(
                    proposed, actor=manager, at=START, **WHY, commander_id=carol.pk, communications_lead_id=dan.pk
                ),
                "/communications_lead",
            ),
        )
        for name, pointer in named:
            with pytest.raises(Invalid) as refusal:
                name()
            assert [(error.pointer, error.code) for error in refusal.value.errors] == [(pointer, "not_assignable")]

        assert (now_of(proposed).major_status, Incident.objects.filter(is_major=True).count()) == ("candidate", 0)


def test_no_change_of_impact_takes_its_priority_away(acme, alice, opened, carol):
    with acme.entered():
        grave = opened(impact=1, urgency=1)
        major.propose(grave, actor=acting(alice), at=START, **WHY)
        major.accept(grave, actor=acting(carol), at=START, **WHY)

        services.change(now_of(grave), actor=acting(alice), at=START, values={"impact": 3, "urgency": 3})

        assert now_of(grave).priority == 1


def test_demoted_it_is_an_incident_like_others_and_its_history_stays(acme, carol, accepted):
    with acme.entered():
        found = major.demote(accepted, actor=acting(carol), at=minutes(50), reason="Only one printer")

        assert (found.is_major, found.major_status, found.next_update_due_at) == (False, "demoted", None)
        assert (found.commander_id, found.major_since, found.priority) == (carol.pk, minutes(10), 1)
        again = major.propose(found, actor=acting(carol), at=minutes(60), reason="More and more of them")
        assert (again.major_status, again.commander_id) == ("candidate", None)


def test_a_rejected_candidate_may_be_proposed_again(acme, alice, carol, candidate):
    with acme.entered():
        rejected = major.reject(candidate, actor=acting(carol), at=START, reason="Two people")
        assert (rejected.major_status, rejected.is_major) == ("rejected", False)
        assert major.propose(rejected, actor=acting(alice), at=START, **WHY).major_status == "candidate"


@pytest.mark.parametrize("status", sorted(MAJOR.statuses))
@pytest.mark.parametrize("verb", sorted(MAJOR.transitions))
def test_each_step_is_taken_from_its_sources_alone_and_by_its_grant_alone(
    acme, alice, bob, carol, candidate, status, verb
):
    do, step = getattr(major, verb), MAJOR.transitions[verb]
    with acme.entered():
        lead = {"commander": alice, "communications_lead": alice, "update_interval_minutes": 30, "major_since": START}
        lead |= {"is_major": True}
        Incident.objects.filter(pk=candidate.pk).update(major_status=status, **(lead if status == "accepted" else {}))
        before = Event.objects.count()
        with pytest.raises(Denied):
            do(candidate, actor=acting(bob), at=START, **WHY)
        if step.grant == "approve":
            with pytest.raises(Denied):
                do(candidate, actor=acting(alice), at=START, **WHY)
        if status in step.sources:
            assert do(candidate, actor=acting(carol), at=START, **WHY).major_status == step.target
        else:
            with pytest.raises(IllegalTransition):
                do(candidate, actor=acting(carol), at=START, **WHY)
        assert Event.objects.count() == before + int(status in step.sources)


def test_neither_a_child_nor_what_is_over_becomes_major(acme, alice, carol, opened, candidate):
    with acme.entered():
        child = opened(parent_id=opened().pk)
        with pytest.raises(IllegalTransition, match="propose the parent"):
            major.propose(child, actor=acting(alice), at=START, **WHY)
        verbs.do(candidate, "resolve", actor=acting(alice), at=START, **SOLVED)
        with pytest.raises(IllegalTransition, match="resolved"):
            major.accept(candidate, actor=acting(carol), at=START, **WHY)


def test_a_requester_neither_leads_nor_is_named_and_the_platform_must_name_somebody(acme, bob, carol, candidate):
    with acme.entered():
        for name in ("commander", "communications_lead"):
            with pytest.raises(Invalid) as refusal:
                major.accept(candidate, actor=acting(carol), at=START, **WHY, **{f"{name}_id": bob.pk})
            assert [(error.pointer, error.code) for error in refusal.value.errors] == [(f"/{name}", "not_assignable")]
        with pytest.raises(Invalid) as refusal:
            major.accept(candidate, actor=acme.system, at=START, **WHY)
        assert [(error.pointer, error.code) for error in refusal.value.errors] == [("/commander", "required")]


def test_accepted_twice_at_once_it_is_accepted_once(fresh_database, acme, alice, carol, dan, api, candidate):
    clients = [api(carol), api(dan)]
    url = f"{URL}{candidate.pk}/major/accept/"

    answers = at_once([partial(client.post, url, WHY) for client in clients])

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (loser,) = (answer for answer in answers if answer.status_code == 409)
    assert assert_problem(loser, 409, "illegal_transition")["current_status"] == "accepted"
    with acme.entered():
        assert Event.objects.filter(subject_id=candidate.pk, name="incident.major_accepted").count() == 1


# --- the clock


def test_an_agents_public_word_moves_the_clock_and_nobody_elses(acme, alice, bob, accepted):
    with acme.entered():
        say(accepted, alice, minutes(20), visibility="internal")
        say(accepted, bob, minutes(21))
        assert now_of(accepted).next_update_due_at == minutes(40)
        version = now_of(accepted).version

        say(accepted, alice, minutes(25))

        assert (now_of(accepted).next_update_due_at, now_of(accepted).version) == (minutes(55), version)


def test_nobody_waits_for_an_update_of_what_is_resolved_until_it_is_reopened(acme, alice, accepted):
    with acme.entered():
        verbs.do(accepted, "resolve", actor=acting(alice), at=minutes(60), **SOLVED)
        say(accepted, alice, minutes(61))
        assert now_of(accepted).next_update_due_at is None

        verbs.do(accepted, "reopen", actor=acting(alice), at=minutes(70), reason="Dead again")

        assert now_of(accepted).next_update_due_at == minutes(100)
        verbs.do(accepted, "cancel", actor=acting(alice), at=minutes(80), reason="A drill")
        assert now_of(accepted).next_update_due_at is None


def test_merged_by_mistake_its_clock_begins_again_when_that_is_undone(acme, alice, opened, accepted):
    with acme.entered():
        verbs.do(accepted, "merge", actor=acting(alice), at=minutes(20), into_id=opened().pk)
        assert now_of(accepted).next_update_due_at is None

        verbs.do(accepted, "unmerge", actor=acting(alice), at=minutes(25))

        assert (now_of(accepted).is_major, now_of(accepted).next_update_due_at) == (True, minutes(55))


# --- its end


def test_resolved_it_is_reviewed_by_its_commander_five_business_days_later(acme, alice, carol, accepted):
    with acme.entered():
        Organization.objects.filter(pk=acme.id).update(time_zone="Europe/Berlin")
        verbs.do(accepted, "resolve", actor=acting(alice), at=minutes(60), **SOLVED)

        assert now_of(accepted).review_due_at == minutes(60) + timedelta(days=7)
        assert list(Task.objects.values_list("ticket_id", "title", "assignee_id")) == [
            (accepted.pk, "Major incident review", carol.pk)
        ]
        verbs.do(accepted, "reopen", actor=acting(alice), at=minutes(70), reason="Dead again")
        verbs.do(accepted, "resolve", actor=acting(alice), at=minutes(70) + timedelta(days=1), **SOLVED)
        assert now_of(accepted).review_due_at == minutes(70) + timedelta(days=8)
        assert Task.objects.count() == 1


def test_a_commander_who_has_left_keeps_nobody_from_resolving_it(acme, alice, carol, accepted):
    with acme.entered():
        User.objects.filter(pk=carol.pk).update(is_active=False)
        verbs.do(accepted, "resolve", actor=acting(alice), at=minutes(60), **SOLVED)

        assert Task.objects.get().assignee_id is None


@pytest.mark.parametrize(
    ("at", "zone", "due"),
    [
        # Friday noon to Friday noon; Saturday counts from Friday's end; the clocks go back in between.
        ("2026-11-20T12:00", "UTC", "2026-11-27T12:00"),
        ("2026-11-21T12:00", "UTC", "2026-11-27T12:00"),
        ("2026-10-23T10:00", "Europe/Berlin", "2026-10-30T11:00"),
        # Late on Friday in UTC is Saturday in Tokyo.
        ("2026-11-20T20:00", "Asia/Tokyo", "2026-11-26T20:00"),
    ],
)
def test_without_a_calendar_it_is_reviewed_after_five_days_from_monday_to_friday_of_the_organizations_own_clock(
    acme, at, zone, due
):
    with acme.entered():
        Organization.objects.filter(pk=acme.id).update(time_zone=zone)

        found = major.review_due(datetime.fromisoformat(f"{at}+00:00"))

    assert (found, found.tzinfo) == (datetime.fromisoformat(f"{due}+00:00"), UTC)


def test_a_holiday_puts_the_review_off_where_the_organization_has_a_calendar(acme):
    windows = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
    holiday = [{"date": "2026-11-18", "kind": "closed"}]
    given = {"name": "Office", "time_zone": "UTC", "windows": windows, "exceptions": holiday}
    with acme.entered():
        calendar = calendar_records.create_calendar(actor=acme.system, at=START, values=given)
        row = configuring.settings(acme.id, at=START)
        configuring.change(row, actor=acme.system, at=START, values={"calendar_id": calendar.pk})

        # Monday to Tuesday of the next week, as Wednesday does not count; after closing time it is closing time.
        assert major.review_due(START) == START + timedelta(days=8)
        assert major.review_due(START.replace(hour=20)) == START.replace(hour=17) + timedelta(days=8)


@pytest.mark.parametrize("verb", ["close", "reopen", "cancel"])
def test_a_requester_neither_ends_nor_reopens_it(acme, alice, bob, api, accepted, verb):
    with acme.entered():
        if verb != "cancel":
            verbs.do(accepted, "resolve", actor=acting(alice), at=minutes(60), **SOLVED)
        before = now_of(accepted)
    client = api(bob)
    assert verb not in client.get(f"{URL}{accepted.pk}/").json()["allowed_transitions"]

    answer = client.post(f"{URL}{accepted.pk}/{verb}/", {} if verb == "close" else {"reason": "I want to"})

    assert_problem(answer, 409, "illegal_transition")
    assert client.post(f"{URL}{accepted.pk}/resolve/", SOLVED).status_code == 403
    with acme.entered():
        assert (now_of(accepted).status, now_of(accepted).version) == (before.status, before.version)


def test_children_join_it_at_any_time(acme, alice, opened, accepted):
    with acme.entered():
        late = opened(title="No mail either")
        relations.set_parent(late, parent_id=accepted.pk, actor=acting(alice), at=minutes(30))

        verbs.do(accepted, "resolve", actor=acting(alice), at=minutes(60), **SOLVED)

        assert now_of(late).status == "resolved"


# --- the report


def test_the_report_says_who_led_how_long_it_took_and_whether_everybody_was_told(
    acme, alice, bob, carol, opened, accepted, api
):
    with acme.entered():
        opened(parent_id=accepted.pk, at=minutes(20))
        say(accepted, alice, minutes(40))
        say(accepted, alice, minutes(45), visibility="internal", body="The disk is full")
        # 75 minutes of silence: two updates were due, and missed.
        say(accepted, carol, minutes(115))
        verbs.do(accepted, "resolve", actor=acting(alice), at=minutes(130), **SOLVED)

    found = api(alice).get(f"{URL}{accepted.number}/major/report/").json()

    assert (found["commander"], found["communications_lead"]) == (str(carol.pk), str(carol.pk))
    assert (found["proposed_to_accepted_seconds"], found["accepted_to_ended_seconds"]) == (600, 7200)
    assert (found["updates_given"], found["updates_missed"], found["children_count"]) == (2, 2, 1)
    assert (found["accepted_at"], found["ended_at"]) == ("2026-11-16T09:10:00Z", "2026-11-16T11:10:00Z")
    assert found["review_due_at"] == "2026-11-23T11:10:00Z"
    told = [fact["event"] for fact in found["timeline"]]
    assert told[:3] == ["incident.created", "incident.major_proposed", "incident.major_accepted"]
    assert told.count("incident.commented") == 3
    assert "incident.task_added" in told

    seen = api(bob).get(f"{URL}{accepted.pk}/major/report/").json()["timeline"]
    assert [fact["event"] for fact in seen].count("incident.commented") == 2
    assert "incident.task_added" not in [fact["event"] for fact in seen]


def test_of_one_that_never_was_major_there_is_nothing_to_report_but_facts(acme, alice, opened, api):
    with acme.entered():
        plain = opened()

    found = api(alice).get(f"{URL}{plain.pk}/major/report/").json()

    assert (found["major_status"], found["accepted_at"], found["updates_missed"]) == ("", None, 0)


# --- over HTTP


@pytest.mark.parametrize("major_status", ["candidate", "accepted"])
def test_nothing_is_hung_above_it_by_a_link_either(acme, alice, opened, api, major_status, request):
    grave = request.getfixturevalue(major_status)
    with acme.entered():
        parent = opened()

    answer = api(alice).post(f"/api/v1/tickets/{parent.pk}/links/", {"type": "parent_of", "to": str(grave.pk)})

    assert_problem(answer, 409, "is_major")
    with acme.entered():
        assert now_of(grave).parent_id is None
        assert now_of(grave).version == grave.version
        assert not Event.objects.filter(subject_id=parent.pk, name="incident.linked").exists()
    below = api(alice).post(f"/api/v1/tickets/{grave.pk}/links/", {"type": "parent_of", "to": str(parent.pk)})
    assert below.status_code == 201


def test_agents_propose_managers_accept_and_requesters_do_neither(acme, alice, bob, carol, mallory, api, opened):
    with acme.entered():
        incident = opened()
    url = f"{URL}{incident.number}/major/"

    assert_problem(api(bob).post(f"{url}propose/", WHY), 403, "missing_grant")
    assert api(mallory).post(f"{URL}{incident.pk}/major/propose/", WHY).status_code == 404
    assert api(alice).post(f"{url}propose/", {}).json()["errors"][0]["pointer"] == "/reason"
    proposed = api(alice).post(f"{url}propose/", {**WHY, "commander": str(alice.pk)})
    assert (proposed.status_code, proposed.json()["major_status"]) == (200, "candidate")
    assert api(alice).post(f"{url}accept/", WHY).json()["grant"] == "incidents.approve"
    short = api(carol).post(f"{url}accept/", {**WHY, "update_interval_minutes": 1})
    assert assert_problem(short, 400, "invalid")["errors"][0]["pointer"] == "/update_interval_minutes"
    answer = api(carol).post(f"{url}accept/", {**WHY, "update_interval_minutes": 15})
    body = answer.json()
    assert (body["is_major"], body["commander"], body["priority"]) == (True, str(alice.pk), 1)
    assert answer["ETag"] == f'"{body["version"]}"'
    assert api(carol).post(f"{url}demote/", {"reason": "One printer"}).json()["is_major"] is False


def test_history_is_accepted_at_its_own_time(acme, carol, opened):
    with acme.entered(), events.historic():
        old = opened(at=START - timedelta(days=400))
        major.propose(old, actor=acting(carol), at=START - timedelta(days=400), **WHY)
        found = major.accept(old, actor=acting(carol), at=START - timedelta(days=399), **WHY)

        assert found.major_since == START - timedelta(days=399)
