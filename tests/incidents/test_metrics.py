"""What one incident's handling measures, and when it counts as acknowledged."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.incidents import metrics
from apps.tickets import conversation, verbs
from tests import factories
from tests.incidents.conftest import SOLVED, START, acting, now_of

URL = "/api/v1/incidents/"


def minutes(number):
    return START + timedelta(minutes=number)


@pytest.fixture
def incident(acme, opened):
    with acme.entered():
        return opened()


def say(incident, who, at, visibility="public"):
    return conversation.add_comment(incident, actor=acting(who), at=at, body="Hello", visibility=visibility)


LONG_AFTER = minutes(1000)


def measured(incident, at=LONG_AFTER):
    return metrics.measure(now_of(incident), at=at)


# --- acknowledged


@pytest.mark.parametrize(
    ("verb", "given"),
    [
        ("claim", {}),
        ("start", {}),
        ("hold", {"reason": "awaiting_vendor"}),
        ("resolve", SOLVED),
    ],
)
def test_the_first_act_of_an_agent_acknowledges_and_no_later_one(acme, alice, incident, verb, given):
    with acme.entered():
        version = incident.version
        verbs.do(incident, verb, actor=acting(alice), at=minutes(7), **given)
        say(incident, alice, minutes(9))

        found = now_of(incident)
        assert found.acknowledged_at == minutes(7)
        # The verb's own; to acknowledge is no change of the incident by a person.
        assert found.version == version + 1


@pytest.mark.parametrize("visibility", ["public", "internal"])
def test_an_agents_word_acknowledges_and_neither_assigning_nor_the_requesters_or_a_watchers(
    acme, alice, bob, incident, visibility
):
    with acme.entered():
        watcher = factories.make_person(full_name="Wendy", user_type="end_user")
        factories.WatcherFactory(ticket=incident, user=watcher)
        verbs.do(incident, "assign", actor=acting(alice), at=minutes(1), assignee_id=alice.pk)
        say(incident, bob, minutes(2))
        say(incident, watcher, minutes(3))
        assert now_of(incident).acknowledged_at is None

        say(incident, alice, minutes(4), visibility)

        assert now_of(incident).acknowledged_at == minutes(4)


# --- seconds


def test_seconds_are_counted_from_opening_and_holds_by_their_reason(acme, alice, bob, incident):
    with acme.entered():
        agent = acting(alice)
        verbs.do(incident, "claim", actor=agent, at=minutes(5))
        verbs.do(incident, "hold", actor=agent, at=minutes(10), reason="awaiting_requester", comment="Which phone?")
        say(incident, bob, minutes(30))
        verbs.do(incident, "hold", actor=agent, at=minutes(40), reason="awaiting_vendor")
        verbs.do(incident, "hold", actor=agent, at=minutes(50), reason="awaiting_change")
        verbs.do(incident, "resolve", actor=agent, at=minutes(70), **SOLVED)
        found = measured(incident)

        assert (found.acknowledged_seconds, found.responded_seconds) == (5 * 60, 10 * 60)
        assert (found.resolved_seconds, found.resolved_without_requester_seconds) == (70 * 60, 50 * 60)
        assert found.on_hold == {"awaiting_change": 1200, "awaiting_requester": 1200, "awaiting_vendor": 600}


def test_what_still_waits_has_waited_until_now(acme, alice, incident):
    with acme.entered():
        verbs.do(incident, "hold", actor=acting(alice), at=minutes(10), reason="awaiting_vendor")

        assert measured(incident, at=minutes(25)).on_hold == {"awaiting_vendor": 900}
        assert measured(incident, at=minutes(25)).resolved_seconds is None
        assert measured(incident, at=minutes(25)).is_first_contact_resolution is None


def test_the_last_resolution_counts(acme, alice, incident):
    with acme.entered():
        agent = acting(alice)
        verbs.do(incident, "resolve", actor=agent, at=minutes(10), **SOLVED)
        verbs.do(incident, "reopen", actor=agent, at=minutes(20), reason="Still dead")
        assert measured(incident).resolved_seconds is None
        verbs.do(incident, "resolve", actor=agent, at=minutes(60), **SOLVED)

        assert (measured(incident).resolved_seconds, measured(incident).reopen_count) == (3600, 1)


# --- first contact


def test_what_one_word_of_an_agent_solves_is_resolved_at_first_contact(acme, alice, bob, incident):
    with acme.entered():
        team = factories.TeamFactory()
        # Where it belongs at first is no reassignment.
        verbs.do(incident, "assign", actor=acting(alice), at=minutes(1), team_id=team.pk)
        say(incident, alice, minutes(2))
        say(incident, alice, minutes(2), "internal")
        say(incident, bob, minutes(3))
        verbs.do(incident, "resolve", actor=acting(alice), at=minutes(4), **SOLVED)

        assert measured(incident).is_first_contact_resolution is True


@pytest.mark.parametrize("spoiled", ["two answers", "two teams", "asked back", "reopened"])
def test_whatever_took_more_is_not(acme, alice, incident, spoiled):
    with acme.entered():
        agent = acting(alice)
        if spoiled == "two answers":
            say(incident, alice, minutes(1))
            say(incident, alice, minutes(2))
        elif spoiled == "two teams":
            for team in (factories.TeamFactory(), factories.TeamFactory()):
                verbs.do(incident, "assign", actor=agent, at=minutes(1), team_id=team.pk)
        elif spoiled == "asked back":
            verbs.do(incident, "hold", actor=agent, at=minutes(1), reason="awaiting_requester", comment="Which phone?")
        else:
            verbs.do(incident, "resolve", actor=agent, at=minutes(2), **SOLVED)
            verbs.do(incident, "reopen", actor=agent, at=minutes(3), reason="Still dead")
        verbs.do(incident, "resolve", actor=agent, at=minutes(4), **SOLVED)

        assert measured(incident).is_first_contact_resolution is False


# --- over HTTP


def test_metrics_are_read_by_who_reads_the_incident_and_business_time_waits_for_calendars(
    acme, globex, alice, bob, mallory, incident, api
):
    with acme.entered():
        verbs.do(incident, "claim", actor=acting(alice), at=minutes(5))
        verbs.do(incident, "resolve", actor=acting(alice), at=minutes(10), **SOLVED)
    url = f"{URL}{incident.number}/metrics/"

    assert api(bob).get(url).json() == {
        "acknowledged": {"at": "2026-11-16T09:05:00Z", "wall_seconds": 300, "business_seconds": None},
        "responded": {"at": None, "wall_seconds": None, "business_seconds": None},
        "resolved": {
            "at": "2026-11-16T09:10:00Z",
            "wall_seconds": 600,
            "business_seconds": None,
            "wall_seconds_without_requester": 600,
        },
        "on_hold_seconds": {},
        "business_calendar": None,
        "reassignment_count": 0,
        "reopen_count": 0,
        "first_contact_resolution": True,
    }
    assert api(mallory).get(f"{URL}{incident.pk}/metrics/").status_code == 404


def test_a_long_life_takes_no_more_queries_than_a_short_one(acme, alice, opened):
    with acme.entered():
        counts = []
        for rounds in (1, 20):
            one = opened()
            for number in range(rounds):
                verbs.do(one, "hold", actor=acting(alice), at=minutes(number * 2), reason="awaiting_vendor")
                verbs.do(one, "resume", actor=acting(alice), at=minutes(number * 2 + 1))
                say(one, alice, minutes(number * 2 + 1), "internal")
            verbs.do(one, "resolve", actor=acting(alice), at=minutes(60), **SOLVED)
            found = now_of(one)
            with CaptureQueriesContext(connection) as queries:
                assert metrics.measure(found, at=minutes(100)).on_hold == {"awaiting_vendor": 60 * rounds}
            counts.append(len(queries))

    assert counts == [2, 2]
