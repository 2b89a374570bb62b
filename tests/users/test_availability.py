"""Presence, out of office, and who stands in."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit.models import Event, RowChange
from apps.users.availability import Absent, Availability, availability_of, delegate_of
from apps.users.models import Absence, Presence, Session, User
from tests import factories
from tests.conftest import IS_FULL_RUN, UserType, person
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once

ME, PRESENCE, ABSENCES = "/api/v1/auth/me/", "/api/v1/auth/presence/", "/api/v1/absences/"
ROUNDS = 10 if IS_FULL_RUN else 2
NOW = timezone.now()


def instant(hours):
    return (timezone.now() + timedelta(hours=hours)).isoformat()


def period(begin, end):
    return {"starts_at": instant(begin), "ends_at": instant(end)}


def away(acme, user, delegate=None, *, begin=-1, end=1):
    with acme.entered():
        return factories.AbsenceFactory(
            user=user,
            delegate=delegate,
            starts_at=timezone.now() + timedelta(hours=begin),
            ends_at=timezone.now() + timedelta(hours=end),
        )


def events(acme, name):
    with acme.entered():
        return list(Event.objects.filter(name=name).order_by("recorded_at"))


def availability(acme, user, at=None):
    with acme.entered():
        return availability_of([user.pk], at or timezone.now())[user.pk]


# --- presence


def test_presence_is_shown_and_only_real_changes_are_events(acme, alice, api):
    client = api(alice)
    assert client.get(ME).json()["presence"] == "offline"

    for status in ("available", "available", "away"):
        assert client.patch(PRESENCE, {"status": status}).json()["status"] == status
    assert client.get(ME).json()["presence"] == "away"
    assert [event.changes for event in events(acme, "presence.changed")] == [
        {"presence": ["offline", "available"]},
        {"presence": ["available", "away"]},
    ]
    with acme.entered():
        assert not RowChange.objects.filter(table_name="users_presence").exists()


@pytest.mark.parametrize("status", ["busy", "", None, 3])
def test_other_words_for_presence_are_refused(acme, alice, api, status):
    assert_problem(api(alice).patch(PRESENCE, {"status": status}), 400, "invalid")
    with acme.entered():
        assert not Presence.objects.exists()


def test_presence_is_patched_and_nothing_else(alice, api):
    for method in ("get", "put", "post", "delete"):
        assert getattr(api(alice), method)(PRESENCE).status_code == 405


@pytest.mark.parametrize("death", ["revoked_at", "idle_until", "absolute_until"])
def test_whoever_has_no_live_session_is_offline_whatever_they_said(acme, alice, api, death):
    api(alice).patch(PRESENCE, {"status": "available"})
    assert availability(acme, alice).presence == "available"

    with acme.entered():
        Session.objects.filter(user=alice).update(**{death: timezone.now()})
    assert availability(acme, alice).presence == "offline"

    assert api(alice).get(ME).json()["presence"] == "available", "signed in again, as they left it"


# --- planning


def test_somebody_plans_several_absences_ahead_and_takes_one_back(acme, alice, carol, api):
    client = api(alice)
    first = client.post(ABSENCES, period(24, 48) | {"delegate": str(carol.pk), "note": "Holiday"})
    assert first.status_code == 201
    assert {name: first.json()[name] for name in ("user", "delegate", "note")} == {
        "user": str(alice.pk),
        "delegate": str(carol.pk),
        "note": "Holiday",
    }
    assert client.post(ABSENCES, period(72, 96)).status_code == 201
    assert client.patch(first.headers["Location"], {"delegate": None}).json()["delegate"] is None
    assert client.delete(first.headers["Location"]).status_code == 204
    assert len(client.get(ABSENCES).json()["results"]) == 1
    assert [len(events(acme, f"absence.{verb}")) for verb in ("created", "updated", "deleted")] == [2, 1, 1]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(0, 24, 201), (24, 48, 409), (30, 31, 409), (0, 25, 409), (47, 60, 409), (0, 60, 409), (48, 60, 201)],
)
def test_absences_of_one_person_do_not_overlap_but_may_touch(*, acme, alice, api, begin, end, expected):
    start = timezone.now() + timedelta(days=3)

    def body(begin, end):
        return {
            "starts_at": (start + timedelta(hours=begin)).isoformat(),
            "ends_at": (start + timedelta(hours=end)).isoformat(),
        }

    api(alice).post(ABSENCES, body(24, 48))
    answer = api(alice).post(ABSENCES, body(begin, end))

    assert answer.status_code == expected
    if expected == 409:
        assert_problem(answer, 409, "overlap")
        with acme.entered():
            assert Absence.objects.count() == 1
    other = api(alice).post(ABSENCES, body(100, 101)).headers["Location"]
    assert_problem(api(alice).patch(other, body(40, 50)), 409, "overlap")
    assert api(alice).patch(other, body(100, 102)).status_code == 200, "its own old time is no obstacle"


def test_two_plans_at_once_do_not_overlap(fresh_database, acme, alice, api):
    authorization = api(alice)._credentials["HTTP_AUTHORIZATION"]
    for number in range(ROUNDS):
        body = period(100 * number + 1, 100 * number + 2)

        def plan(body=body):
            return api().post(ABSENCES, body, HTTP_AUTHORIZATION=authorization)

        assert sorted(answer.status_code for answer in at_once([plan, plan, plan])) == [201, 409, 409]
        with acme.entered():
            assert Absence.objects.count() == number + 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ends_at": "before"}, ("/ends_at", "out_of_range")),
        ({"delegate": "self"}, ("/delegate", "own_delegate")),
        ({"delegate": "gone"}, ("/delegate", "inactive")),
        ({"delegate": "foreign"}, ("/delegate", "does_not_exist")),
        ({"starts_at": "2027-01-01T00:00:00"}, ("/starts_at", "naive")),
    ],
)
def test_what_is_no_absence(*, acme, alice, bob, mallory, api, change, expected):
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(is_active=False)
    words = {"before": instant(1), "self": str(alice.pk), "gone": str(bob.pk), "foreign": str(mallory.pk)}
    body = period(2, 3) | {name: words.get(value, value) for name, value in change.items()}

    assert pointers(assert_problem(api(alice).post(ABSENCES, body), 400, "invalid")) == [expected]
    with acme.entered():
        assert not Absence.objects.exists()


def test_everybody_plans_their_own_managers_for_their_teams_and_admins_for_all(acme, dan, carol, alice, bob, api):
    with acme.entered():
        team = factories.TeamFactory()
        for user in (carol, bob):
            factories.TeamMemberFactory(team=team, user=user)
    erin = person(acme, "erin", UserType.END_USER)
    for user in (bob, alice, carol, dan):
        assert api(user).post(ABSENCES, period(1, 2)).status_code == 201
    theirs = {user.pk: Absence.objects.in_tenant(acme.id).filter(user=user) for user in (bob, alice)}
    with acme.entered():
        of_bob, of_alice = (f"{ABSENCES}{rows.get().pk}/" for rows in theirs.values())

    assert api(carol).post(ABSENCES, period(3, 4) | {"user": str(bob.pk)}).status_code == 201
    assert api(carol).patch(of_bob, {"note": "ill"}).status_code == 200
    assert api(dan).post(ABSENCES, period(3, 4) | {"user": str(erin.pk)}).status_code == 201

    refused = [
        api(carol).post(ABSENCES, period(5, 6) | {"user": str(alice.pk)}),
        api(carol).patch(of_alice, {"note": "ill"}),
        api(carol).delete(of_alice),
        api(alice).patch(of_bob, {"note": "ill"}),
        api(bob).post(ABSENCES, period(5, 6) | {"user": str(carol.pk)}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 5
    # An end user sees their own alone.
    assert [api(bob).get(of_alice).status_code, api(bob).delete(of_alice).status_code] == [404, 404]
    assert {row["user"] for row in api(bob).get(ABSENCES).json()["results"]} == {str(bob.pk)}
    assert len({row["user"] for row in api(alice).get(ABSENCES).json()["results"]}) == 5
    with acme.entered():
        assert Absence.objects.get(user=alice).version == 1
        assert Absence.objects.filter(user=bob).count() == 2


@pytest.mark.bar(6)
@pytest.mark.asvs("8.2.3")
def test_who_knows_people_by_name_alone_learns_no_more_from_an_embedded_delegate(acme, alice, bob, carol, api):
    row = api(bob).post(ABSENCES, {**period(1, 2), "delegate": str(carol.pk)}).json()

    for shown in (
        api(bob).get(f"{ABSENCES}{row['id']}/", {"expand": "user,delegate"}).json(),
        *api(bob).get(ABSENCES, {"expand": "user,delegate"}).json()["results"],
    ):
        assert shown["user"] == {"id": str(bob.pk), "full_name": "Bob"}
        assert shown["delegate"] == {"id": str(carol.pk), "full_name": "Carol"}
    by_alice = api(alice).get(f"{ABSENCES}{row['id']}/", {"expand": "delegate"}).json()
    assert by_alice["delegate"]["email"] == carol.email


def test_the_admin_plans_through_the_same_verbs_and_shows_their_refusals(client, acme, dan, alice, carol):
    client.post("/admin/login/", {"username": dan.email, "password": factories.PASSWORD})

    def form(begin, end, **more):
        days = {"starts_at": begin, "ends_at": end}
        times = {f"{name}_{part}": text for name, day in days.items() for part, text in (("0", day), ("1", "08:00"))}
        return {"user": str(alice.pk), **times, "delegate": str(carol.pk), "note": "", **more}

    add = "/admin/users/absence/add/"
    assert client.post(add, form("2030-01-01", "2030-01-09")).status_code == 302
    refused = client.post(add, form("2030-01-08", "2030-01-10"), follow=True)
    assert "It overlaps another absence" in refused.content.decode()
    with acme.entered():
        absence = Absence.objects.get()
    assert absence.delegate_id == carol.pk
    change = f"/admin/users/absence/{absence.pk}/change/"
    assert client.post(change, form("2030-01-01", "2030-01-07", delegate="")).status_code == 302
    with acme.entered():
        absence.refresh_from_db()
    assert (absence.delegate_id, absence.ends_at.day, absence.version) == (None, 7, 2)
    assert client.post(f"/admin/users/absence/{absence.pk}/delete/", {"post": "yes"}).status_code == 302
    assert [len(events(acme, f"absence.{verb}")) for verb in ("created", "updated", "deleted")] == [1, 1, 1]


# --- who stands in


def test_out_of_office_shows_until_when_and_who_stands_in(acme, alice, carol, api):
    absence = away(acme, alice, carol)

    shown = api(alice).get(ME).json()["out_of_office"]

    assert (shown["is_out"], shown["delegate"]) == (True, str(carol.pk))
    assert shown["until"].startswith(absence.ends_at.strftime("%Y-%m-%dT%H:%M:%S"))


def test_an_absence_holds_from_its_start_until_before_its_end(acme, alice, carol):
    absence = away(acme, alice, carol)
    second = timedelta(seconds=1)

    moments = (absence.starts_at - second, absence.starts_at, absence.ends_at - second, absence.ends_at)
    assert [availability(acme, alice, at).is_out for at in moments] == [False, True, True, False]
    assert availability(acme, alice, absence.ends_at) == Availability()


def test_the_chain_of_delegates_is_followed_to_somebody_who_is_there(acme, alice, bob, carol, dan):
    away(acme, alice, bob)
    away(acme, bob, carol)
    assert availability(acme, alice).delegate_id == carol.pk

    away(acme, carol, dan, begin=2, end=3)
    assert availability(acme, alice).delegate_id == carol.pk, "not away yet"


@pytest.mark.parametrize("last", ["alice", "bob", None])
def test_a_chain_that_ends_in_a_circle_or_with_nobody_leads_to_nobody(request, acme, alice, bob, carol, last):
    away(acme, alice, bob)
    away(acme, bob, carol)
    away(acme, carol, request.getfixturevalue(last) if last else None)

    for user in (alice, bob, carol):
        assert availability(acme, user).is_out
        assert availability(acme, user).delegate_id is None


def test_a_deactivated_delegate_stands_in_for_nobody(acme, alice, bob):
    away(acme, alice, bob)
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(is_active=False)

    assert availability(acme, alice).delegate_id is None


def test_it_is_two_queries_for_any_number_of_people_and_nothing_of_another_tenant(acme, globex, alice, bob, mallory):
    away(acme, alice, bob)
    away(acme, bob, None, begin=2, end=3)
    away(globex, mallory)

    with acme.entered(), CaptureQueriesContext(connection) as captured:
        found = availability_of([alice.pk, bob.pk, mallory.pk], timezone.now())

    assert len(captured) == 2
    assert (found[alice.pk].delegate_id, found[bob.pk].is_out, found[mallory.pk].is_out) == (bob.pk, False, False)
    with acme.entered(), CaptureQueriesContext(connection) as captured:
        assert availability_of([], timezone.now()) == {}
    assert len(captured) == 0


people = st.integers(1, 6)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(people, st.one_of(st.none(), people), max_size=6), people)
def test_a_delegate_is_always_somebody_else_who_is_there(delegates, user):
    """Whatever the circles: the walk ends, and never with somebody absent."""
    absences = {who: Absent(NOW, delegate) for who, delegate in delegates.items() if delegate != who}

    found = delegate_of(user, absences)

    step, steps = user, 0
    while step in absences and steps < 10:
        step, steps = absences[step].delegate_id, steps + 1
    expected = step if steps < 10 and step != user else None
    assert found == expected
    assert found not in absences
