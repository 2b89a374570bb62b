"""Where somebody is signed in, and how sessions are ended from afar."""

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.users import services
from apps.users.models import Session
from tests.core.expectations import assert_problem
from tests.factories import PASSWORD
from tests.users.second_factor import ME, TOKEN

SESSIONS = "/api/v1/auth/sessions/"


def listed(client):
    return client.get(SESSIONS).json()["results"]


def own_id(client):
    (current,) = (session["id"] for session in listed(client) if session["is_current"])
    return current


@pytest.mark.asvs("7.5.2")
def test_somebody_sees_where_they_are_signed_in_and_nothing_secret(acme, bob, alice, api):
    api(alice)
    api().post(TOKEN, {"email": bob.email, "password": PASSWORD}, REMOTE_ADDR="192.0.2.1", HTTP_USER_AGENT="Firefox")
    client = api(bob)

    found = listed(client)

    assert [(row["address"], row["user_agent"], row["is_current"]) for row in found] == [
        (None, "", True),
        ("192.0.2.1", "Firefox", False),
    ]
    assert set(found[0]) == {
        "id", "created_at", "rotated_at", "idle_until", "absolute_until", "user_agent", "address", "is_current",
    }  # fmt: skip
    assert client.get(f"{SESSIONS}{found[1]['id']}/").json() == found[1]


@pytest.mark.parametrize("end", ["revoked_at", "idle_until", "absolute_until"])
def test_what_has_ended_is_not_listed(acme, bob, api, end):
    here, there = api(bob), api(bob)
    ended = own_id(there)
    with acme.entered():
        Session.objects.filter(pk=ended).update(**{end: timezone.now()})

    assert [row["id"] for row in listed(here)] == [own_id(here)]
    assert_problem(here.get(f"{SESSIONS}{ended}/"), 404, "not_found")
    assert_problem(here.delete(f"{SESSIONS}{ended}/"), 404, "not_found")


@pytest.mark.bar(22)
@pytest.mark.asvs("7.4.1", "7.5.2")
def test_ending_a_session_from_another_ends_it_at_once(acme, bob, api):
    here, there = api(bob), api(bob)
    ended = own_id(there)

    assert here.delete(f"{SESSIONS}{ended}/").status_code == 204

    assert_problem(there.get(ME), 401, "session_ended")
    assert here.get(ME).status_code == 200
    with acme.entered():
        event = Event.objects.get(name="user.session_ended")
        assert (event.subject_id, event.actor_id, event.data) == (bob.pk, bob.pk, {"session_id": ended})


def test_somebody_elses_session_is_not_there(acme, globex, bob, dan, mallory, api):
    client = api(bob)
    wanted = own_id(client)

    for stranger in (api(dan), api(mallory)):
        assert_problem(stranger.get(f"{SESSIONS}{wanted}/"), 404, "not_found")
        assert_problem(stranger.delete(f"{SESSIONS}{wanted}/"), 404, "not_found")
        assert wanted not in [row["id"] for row in listed(stranger)]
    assert client.get(ME).status_code == 200


@pytest.mark.bar(22)
@pytest.mark.asvs("7.4.5")
def test_whoever_may_ends_all_sessions_of_a_user_but_one(acme, bob, alice, api):
    kept, first, second, other = api(bob), api(bob), api(bob), api(alice)
    with acme.entered():
        ended = services.end_sessions_of(bob, actor=acme.system, at=timezone.now(), except_id=own_id(kept))

    assert ended == 2
    assert (kept.get(ME).status_code, other.get(ME).status_code) == (200, 200)
    for client in (first, second):
        assert_problem(client.get(ME), 401, "session_ended")
    with acme.entered():
        assert services.end_sessions_of(bob, actor=acme.system, at=timezone.now()) == 1
        found = Event.objects.filter(name="user.sessions_ended", subject_id=bob.pk).order_by("recorded_at")
        assert [event.data for event in found] == [{"sessions_ended": 2}, {"sessions_ended": 1}]
    assert_problem(kept.get(ME), 401, "session_ended")


@pytest.mark.bar(22)
def test_ending_needs_no_version_where_the_organization_requires_if_match(acme, bob, dan, api):
    api(dan).patch("/api/v1/organizations/current/", {"requires_if_match": True})
    here, there = api(bob), api(bob)

    assert here.delete(f"{SESSIONS}{own_id(there)}/").status_code == 204
