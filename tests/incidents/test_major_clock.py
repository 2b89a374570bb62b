"""The clock of public updates: promised, given or late; alarms once for each interval; and who hears of them."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.audit.models import Event
from apps.core import events, tenancy
from apps.incidents import handover, major, overdue, report, update_clock
from apps.incidents.models import Handover, Incident, MajorUpdate
from apps.organizations.models import Team
from apps.sla import policies
from apps.sla.models import Timer
from apps.tickets import conversation, services, timeline, verbs
from apps.users.models import TeamMember, User, UserType
from tests.conftest import person
from tests.core.racing import at_once
from tests.incidents.conftest import SOLVED, START, acting, now_of

URL = "/api/v1/incidents/"
WHY = {"reason": "Nobody can send mail"}
SECOND = timedelta(seconds=1)


def minutes(number):
    return START + timedelta(minutes=number)


def say(incident, who, at, visibility="public"):
    return conversation.add_comment(incident, actor=acting(who), at=at, body="We are on it", visibility=visibility)


@pytest.fixture
def led(acme, alice, carol, at_home, opened):
    """Major since START, commanded by carol, alice speaks; updates are due every half an hour."""
    with acme.entered():
        incident = major.propose(opened(impact=1, urgency=1), actor=acting(alice), at=START, **WHY)
        return major.accept(incident, actor=acting(carol), at=START, communications_lead_id=alice.pk, **WHY)


@pytest.fixture
def erin(acme):
    return person(acme, "erin", UserType.MANAGER)


def sweep(acme, at):
    return overdue.sweep_organization(acme.id, at)


def alarms(incident):
    facts = Event.objects.filter(subject_id=incident.pk, name="incident.update_overdue").order_by("at", "id")
    return [(fact.data["number"], fact.data["untold"], sorted(fact.data["reached"])) for fact in facts]


def ids(*people):
    return sorted(str(person.pk) for person in people)


def promised(incident):
    rows = MajorUpdate.objects.filter(incident_id=incident.pk).order_by("promised_at", "id")
    return [(row.promised_at, row.due_at, row.outcome, row.alarms) for row in rows]


def test_an_update_in_the_very_second_is_in_time_and_the_alarm_rings_one_second_later(acme, alice, carol, led):
    assert sweep(acme, minutes(30)) == 0
    assert sweep(acme, minutes(30) + SECOND) == 1

    with acme.entered():
        assert alarms(led) == [(1, 0, ids(alice, carol))]
        told = Event.objects.get(subject_id=led.pk, name="escalation.notified")
        assert sorted(told.data["users"]) == ids(alice, carol)
        assert told.data["to"][0]["why"] == ["the public update due 2026-11-16 09:30 UTC is overdue"]


def test_the_timeline_names_whom_older_facts_tell_as_their_users(acme, alice, carol, led):
    told = {"users": [str(carol.pk)]}
    with acme.entered():
        events.record("incident.update_overdue", led, actor=acme.system, at=minutes(31), due_at=minutes(30), **told)
        events.record(
            "escalation.climbed", led, actor=acme.system, at=minutes(32), step=1, steps=2, policy_name="P", **told
        )
        facts = Event.objects.filter(subject_id=led.pk, at__gt=minutes(30)).order_by("at")
        alarm, climbed = (each["summary"] for each in timeline.told(list(facts), led, acting(alice)))

    assert alarm.endswith(f"the public update due 2026-11-16 09:30 UTC is overdue; told {carol}")
    assert climbed.endswith(f"took step 1 of 2 of P: calls on {carol}")


def test_each_interval_rings_once_however_often_it_is_looked_at(acme, led):
    rung = [sweep(acme, minutes(minute)) for minute in (31, 32, 59, 60, 61, 62, 91, 92)]

    assert rung == [1, 0, 0, 0, 1, 0, 1, 0]
    with acme.entered():
        assert [number for number, _, _ in alarms(led)] == [1, 2, 3]


def test_first_those_who_lead_it_then_the_teams_lead_then_the_manager(acme, alice, carol, dan, erin, led):
    with acme.entered():
        team = Team.objects.create(organization_id=acme.id, name="Mail", created_at=START, updated_at=START)
        TeamMember.objects.create(
            organization_id=acme.id, team=team, user=dan, is_lead=True, created_at=START, updated_at=START
        )
        User.objects.filter(pk=dan.pk).update(manager=erin)
        services.write(
            services.lock(led.pk, actor=acme.system),
            {"team_id": team.pk},
            event="incident.assigned",
            actor=acme.system,
            at=START,
        )
    for minute in (31, 61, 91, 121):
        sweep(acme, minutes(minute))

    with acme.entered():
        heard = [users for _, _, users in alarms(led)]
        assert heard == [
            ids(alice, carol),
            ids(alice, carol, dan),
            ids(alice, carol, dan, erin),
            ids(alice, carol, dan, erin),
        ]
        assert Event.objects.filter(subject_id=led.pk, name="escalation.paged").count() == 3


def test_after_an_outage_one_alarm_tells_how_many_went_by_untold(acme, led):
    sweep(acme, minutes(31))

    assert sweep(acme, minutes(30 + 5 * 30 + 1)) == 1

    with acme.entered():
        assert [(number, untold) for number, untold, _ in alarms(led)] == [(1, 0), (6, 4)]
        assert MajorUpdate.objects.get(ended_at=None).next_alarm_at == minutes(30 + 6 * 30) + SECOND


def test_a_word_to_everybody_ends_the_alarms_and_promises_the_next_one(acme, alice, bob, led):
    sweep(acme, minutes(31))
    with acme.entered():
        say(led, bob, minutes(32))
        say(led, alice, minutes(33), visibility="internal")
        assert MajorUpdate.objects.count() == 1
        say(led, alice, minutes(40))

        assert promised(led) == [
            (START, minutes(30), "given", 1),
            (minutes(40), minutes(70), "awaited", 0),
        ]
        assert MajorUpdate.objects.get(outcome="given").given_by_id == alice.pk
    assert sweep(acme, minutes(69)) == 0


def test_a_note_that_becomes_public_is_an_update_from_then_on_of_whoever_publishes_it(acme, alice, carol, led):
    with acme.entered():
        notes = [say(led, alice, minutes(5), visibility="internal") for _ in range(2)]
        conversation.edit_comment(notes[0], actor=acting(alice), at=minutes(12), visibility="public")
        assert now_of(led).next_update_due_at == minutes(42)

        # The commander publishes what the communications lead wrote.
        conversation.edit_comment(notes[1], actor=acting(carol), at=minutes(20), visibility="public")
        assert now_of(led).next_update_due_at == minutes(50)
        assert MajorUpdate.objects.get(ended_at=minutes(20)).given_by_id == carol.pk


@pytest.mark.parametrize("verb", ["resolve", "cancel", "delete", "demote", "merge"])
def test_nobody_is_called_to_what_is_over(acme, alice, carol, dan, opened, led, verb):
    with acme.entered():
        if verb == "demote":
            major.demote(led, actor=acting(carol), at=minutes(20), reason="One printer")
        elif verb == "delete":
            services.delete(led, actor=acting(dan), at=minutes(20))
        else:
            given = {"resolve": SOLVED, "cancel": {"reason": "A drill"}, "merge": {"into_id": opened().pk}}[verb]
            verbs.do(led, verb, actor=acting(alice), at=minutes(20), **given)
        assert [outcome for _, _, outcome, _ in promised(led)] == ["over"]

    assert sweep(acme, minutes(1000)) == 0


def test_restored_its_clock_begins_anew(acme, dan, led):
    with acme.entered():
        services.delete(led, actor=acting(dan), at=minutes(5))
        services.restore(led, actor=acting(dan), at=minutes(50))

        assert now_of(led).next_update_due_at == minutes(80)


def test_on_hold_the_clock_goes_on(acme, alice, led):
    with acme.entered():
        verbs.do(led, "hold", actor=acting(alice), at=minutes(5), reason="awaiting_vendor")

    assert sweep(acme, minutes(31)) == 1


def test_history_calls_nobody_to_what_was_overdue_then_but_to_what_is_overdue_from_now_on(acme, carol, opened):
    long_ago = timezone.now() - timedelta(days=2, minutes=10)
    with acme.entered(), events.historic():
        old = opened(at=long_ago)
        major.propose(old, actor=acting(carol), at=long_ago, **WHY)
        major.accept(old, actor=acting(carol), at=long_ago, **WHY)

    assert sweep(acme, timezone.now()) == 0
    assert sweep(acme, timezone.now() + timedelta(minutes=31)) == 1
    with acme.entered():
        ((number, untold, _),) = alarms(old)
        assert (number > 90, untold) == (True, 0)


def test_whoever_led_it_and_has_left_is_not_called_but_their_next_in_line(acme, alice, carol, led):
    with acme.entered():
        User.objects.filter(pk__in=(alice.pk, carol.pk)).update(is_active=False)

    sweep(acme, minutes(31))

    with acme.entered():
        ((_, _, users),) = alarms(led)
        assert users == []
        summary = Event.objects.get(subject_id=led.pk, name="incident.update_overdue").data["because"]
        assert "nobody is team lead; the department head instead" in summary


def test_one_incident_that_fails_keeps_no_other_from_its_alarm(acme, alice, carol, opened, led):
    with acme.entered():
        other = major.propose(opened(), actor=acting(alice), at=START, **WHY)
        major.accept(other, actor=acting(carol), at=START, **WHY)
        # What no service writes: a time after which there is none.
        never = datetime.max.replace(tzinfo=UTC)
        MajorUpdate.objects.filter(incident_id=led.pk).update(due_at=never, next_alarm_at=minutes(1))

    with pytest.raises(ExceptionGroup, match="alarms of 1 incidents failed"):
        sweep(acme, minutes(31))

    with acme.entered():
        assert (len(alarms(other)), len(alarms(led))) == (1, 0)


def test_another_interval_holds_from_now_on_with_its_reason(acme, alice, carol, api, led):
    with acme.entered():
        major.pace(
            led, actor=acting(carol), at=minutes(10), reason="Waiting for the vendor", update_interval_minutes=60
        )

        assert (now_of(led).update_interval_minutes, now_of(led).next_update_due_at) == (60, minutes(70))
        assert promised(led)[0][2] == "paced_anew"
        fact = Event.objects.get(subject_id=led.pk, name="incident.major_paced")
        assert (fact.changes, fact.data["reason"]) == (
            {"update_interval_minutes": [30, 60]},
            "Waiting for the vendor",
        )
    found = api(alice).get(f"{URL}{led.pk}/major/").json()
    assert (found["update_interval_minutes"], found["updates"][0]["outcome"]) == (60, "paced_anew")


def test_an_update_and_the_alarm_of_the_same_second_leave_one_promise(fresh_database, acme, alice, led):
    """Whichever is first: the update ends the alarm, or comes after it; never both halves."""

    def speak():
        with tenancy.tenant(acme.id), transaction.atomic():
            say(Incident.objects.get(pk=led.pk), alice, minutes(31))

    at_once([partial(sweep, acme, minutes(31)), speak, partial(sweep, acme, minutes(31))])

    sweep(acme, minutes(32))
    with acme.entered():
        assert MajorUpdate.objects.filter(ended_at=None).count() == 1
        given = MajorUpdate.objects.get(outcome="given")
        assert len(alarms(led)) == given.alarms
        assert given.alarms in {0, 1}


def test_three_beats_at_once_raise_each_alarm_once(fresh_database, acme, led):
    rung = at_once([partial(sweep, acme, minutes(31)) for _ in range(3)])

    assert sum(rung) == 1
    with acme.entered():
        assert len(alarms(led)) == 1


def test_only_what_is_due_is_read(acme, led):
    with acme.entered(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            f"EXPLAIN {overdue.CLAIM}",
            {"organization": acme.id, "now": minutes(31), "failed": []},
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "major_update_due" in plan


def test_its_service_level_pauses_for_nobody_whatever_a_policy_says(acme, alice, carol, opened):
    content = {
        "targets": [{"metric": "resolution", "seconds": 3600}],
        "rules": {"resolution": {"pause": [{"phase": ["pending"]}]}},
    }
    with acme.entered():
        policy = policies.create(actor=acme.system, at=START, values={"name": "Pauses", "position": 1})
        policies.publish(
            policies.draft(policy, actor=acme.system, at=START, content=content), actor=acme.system, at=START
        )
        plain, grave = opened(), opened()
        for incident in (plain, grave):
            verbs.do(incident, "hold", actor=acting(alice), at=minutes(10), reason="awaiting_vendor")
        stages = Timer.objects.filter(metric="resolution", agreement="sla").order_by("ticket_id")
        assert set(stages.values_list("stage", flat=True)) == {"paused"}

        major.propose(grave, actor=acting(alice), at=minutes(15), **WHY)
        major.accept(grave, actor=acting(carol), at=minutes(20), **WHY)

        found = dict(stages.values_list("ticket_id", "stage"))
        assert (found[plain.pk], found[grave.pk]) == ("paused", "running")
        # Ten minutes had run, and so had nothing of the ten on hold.
        assert Timer.objects.get(ticket_id=grave.pk, metric="resolution").due_at == minutes(70)
        verbs.do(grave, "hold", actor=acting(alice), at=minutes(30), reason="awaiting_change")
        assert Timer.objects.get(ticket_id=grave.pk, metric="resolution").stage == "running"


def test_a_handover_moves_whom_the_alarm_calls(acme, alice, carol, dan, at_home, led):
    with acme.entered():
        handover.offer(
            led, actor=acting(carol), at=minutes(1), role="commander", to_id=dan.pk, reason="End of my shift"
        )
        assert now_of(led).commander_id == carol.pk
        handover.take_over(led, actor=acting(dan), at=minutes(2), role="commander")
        assert Handover.objects.get().outcome == "taken"

    sweep(acme, minutes(31))

    with acme.entered():
        assert alarms(led) == [(1, 0, ids(alice, dan))]


@pytest.mark.parametrize(
    ("late_minutes", "intervals"), [(-1, 0), (0, 0), (0.02, 1), (29, 1), (30, 1), (30.02, 2), (60, 2), (61, 3)]
)
def test_an_interval_has_begun_from_its_first_second_on(late_minutes, intervals):
    now = START + timedelta(minutes=late_minutes)

    assert update_clock.begun(START, timedelta(minutes=30), now) == intervals


def test_whoever_leads_what_they_opened_themselves_gives_its_updates(acme, alice, carol, at_home, opened):
    with acme.entered():
        incident = major.propose(
            opened(impact=1, urgency=1, requester_id=alice.pk), actor=acting(alice), at=START, **WHY
        )
        major.accept(incident, actor=acting(carol), at=START, communications_lead_id=alice.pk, **WHY)

        say(incident, alice, minutes(20))

        assert promised(incident) == [(START, minutes(30), "given", 0), (minutes(20), minutes(50), "awaited", 0)]


@pytest.mark.parametrize("verb", ["cancel", "merge"])
def test_the_report_of_what_ended_without_a_solution_ends(acme, alice, opened, led, verb):
    with acme.entered():
        given = {"cancel": {"reason": "A drill"}, "merge": {"into_id": opened().pk}}[verb]
        verbs.do(led, verb, actor=acting(alice), at=minutes(20), **given)

        found = report.write(now_of(led), actor=acting(alice), at=minutes(60))

    assert (found.ended_at, found.accepted_to_ended_seconds) == (minutes(20), 1200)
