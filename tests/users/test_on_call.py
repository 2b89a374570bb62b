"""On-call rotas over HTTP: who is on call, who may say so, and that the past stays true."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import Event
from apps.core.models import new_id
from apps.users import rosters
from apps.users.models import OnCallOverride, OnCallRota, RotaVersion, User
from tests import factories
from tests.conftest import UserType, person
from tests.core.expectations import assert_problem, pointers

ROTAS, NOW = "/api/v1/on-call/rotas/", "/api/v1/on-call/now/"
WEEK = timedelta(days=7)


@pytest.fixture
def team(acme):
    with acme.entered():
        return factories.TeamFactory(name="Blue")


@pytest.fixture
def crew(acme):
    return [person(acme, name, UserType.AGENT) for name in ("ann", "ben", "cleo")]


@pytest.fixture
def rota(dan, api, team, crew):
    """Weekly from Monday 5 January 2026, 09:00 in Berlin: Ann, Ben, Cleo."""
    answer = api(dan).post(ROTAS, body(team, crew))
    assert answer.status_code == 201, answer.content
    return answer.json()


def body(team, crew, **changes):
    return {
        "name": "Blue on call",
        "team": str(team.pk),
        "time_zone": "Europe/Berlin",
        "starts_on": "2026-01-05",
        "handover_weekday": 0,
        "handover_time": "09:00",
        "members": [str(user.pk) for user in crew],
        **changes,
    }


def who(client, rota, at=None):
    answer = client.get(f"{ROTAS}{rota['id']}/who/", {"at": at} if at else {})
    assert answer.status_code == 200, answer.content
    return answer.json()


def events(acme, name):
    with acme.entered():
        return list(Event.objects.filter(name=name).order_by("recorded_at"))


def override(client, rota, user, begin, end, **more):
    given = {"user": str(user.pk), "starts_at": begin.isoformat(), "ends_at": end.isoformat(), **more}
    return client.post(f"{ROTAS}{rota['id']}/overrides/", given)


@pytest.mark.parametrize(
    ("at", "expected", "begins", "ends"),
    [
        ("2026-01-05T07:59:59Z", None, None, None),
        ("2026-01-05T08:00:00Z", 0, "2026-01-05T08:00:00Z", "2026-01-12T08:00:00Z"),
        ("2026-01-12T07:59:59Z", 0, "2026-01-05T08:00:00Z", "2026-01-12T08:00:00Z"),
        ("2026-01-12T09:00:00+01:00", 1, "2026-01-12T08:00:00Z", "2026-01-19T08:00:00Z"),
        # The clocks change on 29 March: 09:00 stays 09:00.
        ("2026-03-29T12:00:00Z", 2, "2026-03-23T08:00:00Z", "2026-03-30T07:00:00Z"),
        ("2026-03-30T07:00:00Z", 0, "2026-03-30T07:00:00Z", "2026-04-06T07:00:00Z"),
    ],
)
def test_who_is_on_call_at_an_instant(*, api, alice, crew, rota, at, expected, begins, ends):
    answer = who(api(alice), rota, at)

    user = None if expected is None else str(crew[expected].pk)
    assert (answer["user"], answer["scheduled_user"]) == (user, user)
    if expected is not None:
        assert (answer["starts_at"], answer["ends_at"]) == (begins, ends)
        assert answer["because"] == [f"the rota names {user}"]


def test_a_rota_is_one_event_and_shows_its_members_in_order(acme, alice, api, crew, rota):
    shown = api(alice).get(f"{ROTAS}{rota['id']}/").json()

    assert shown == rota
    assert shown["members"] == [str(user.pk) for user in crew]
    assert (shown["weeks_per_turn"], shown["is_active"], shown["version"]) == (1, True, 1)
    (event,) = events(acme, "on_call_rota.created")
    assert event.changes["members"] == [None, shown["members"]]
    assert [row["id"] for row in api(alice).get(ROTAS).json()["results"]] == [rota["id"]]


def test_a_change_of_members_leaves_last_week_alone_and_the_present_turn_too(acme, dan, alice, api, crew, rota):
    client, now = api(dan), timezone.now()
    moments = [(now - number * WEEK).isoformat() for number in range(1, 8)]
    before = [who(client, rota, at)["user"] for at in moments]
    present = who(client, rota)["user"]
    members = [str(alice.pk), *reversed(rota["members"])]

    changed = client.patch(f"{ROTAS}{rota['id']}/", {"members": members, "weeks_per_turn": 2})

    assert (changed.status_code, changed.json()["members"], changed.json()["version"]) == (200, members, 2)
    assert [who(client, rota, at)["user"] for at in moments] == before
    assert who(client, rota)["user"] == present, "whoever is on call stays so until the next handover"
    following = who(client, rota, who(client, rota)["ends_at"])["user"]
    assert following == members[(members.index(present) + 1) % 4]
    (event,) = events(acme, "on_call_rota.updated")
    assert set(event.changes) == {"members", "weeks_per_turn", "effective_at"}


def test_a_change_may_be_planned_and_a_later_word_replaces_it(acme, dan, api, crew, rota):
    client, now = api(dan), timezone.now()
    address, alone = f"{ROTAS}{rota['id']}/", [str(crew[0].pk)]
    later = now + 3 * WEEK

    planned = client.patch(address, {"members": alone, "effective_at": later.isoformat()})
    assert planned.json()["members"] == rota["members"], "it shows what holds now"
    assert {who(client, rota, (later + n * WEEK).isoformat())["user"] for n in range(1, 4)} == set(alone)
    with acme.entered():
        assert RotaVersion.objects.count() == 2

    client.patch(address, {"handover_time": "10:00"})
    assert len({who(client, rota, (later + n * WEEK).isoformat())["user"] for n in range(1, 4)}) == 3
    past = client.patch(address, {"members": alone, "effective_at": (now - WEEK).isoformat()})
    assert pointers(assert_problem(past, 400, "invalid")) == [("/effective_at", "out_of_range")]
    same = client.patch(address, {"handover_time": "10:00"})
    assert same.json()["version"] == 3, "nothing differs, nothing happens"


def test_a_rota_out_of_use_names_nobody_from_then_on(dan, api, crew, rota):
    client, last = api(dan), (timezone.now() - WEEK).isoformat()
    before = who(client, rota, last)["user"]
    assert [row["rota"] for row in client.get(NOW).json()["results"]] == [rota["id"]]

    assert client.patch(f"{ROTAS}{rota['id']}/", {"is_active": False}).json()["is_active"] is False

    assert client.get(NOW).json()["results"] == []
    assert (who(client, rota)["user"], who(client, rota, last)["user"]) == (None, before)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"members": []}, ("/members", "empty")),
        ({"members": "unknown"}, ("/members/0", "does_not_exist")),
        ({"members": "foreign"}, ("/members/0", "does_not_exist")),
        ({"members": "twice"}, ("/members/1", "duplicate")),
        ({"members": "gone"}, ("/members/0", "inactive")),
        ({"handover_time": "24:00"}, ("/handover_time", "invalid")),
        ({"handover_time": "9:00"}, ("/handover_time", "invalid")),
        ({"handover_weekday": 7}, ("/handover_weekday", "out_of_range")),
        ({"weeks_per_turn": 0}, ("/weeks_per_turn", "out_of_range")),
        ({"time_zone": "Mars/Olympus"}, ("/time_zone", "unknown_zone")),
        ({"starts_on": "2026-02-30"}, ("/starts_on", "invalid")),
        ({"effective_at": "2030-01-01T00:00:00Z"}, ("/effective_at", "not_on_create")),
        ({"colour": "blue"}, ("/colour", "unknown_field")),
    ],
)
def test_what_is_no_rota(*, acme, dan, mallory, bob, api, team, crew, change, expected):
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(is_active=False)
    people = {
        "unknown": [new_id()],
        "foreign": [mallory.pk],
        "twice": [crew[0].pk, crew[0].pk],
        "gone": [bob.pk],
    }
    if isinstance(change.get("members"), str):
        change = {"members": [str(pk) for pk in people[change["members"]]]}

    answer = api(dan).post(ROTAS, body(team, crew, **change))

    assert pointers(assert_problem(answer, 400, "invalid")) == [expected]
    with acme.entered():
        assert not OnCallRota.objects.exists()


def test_a_deleted_team_gets_no_rota(acme, dan, api, team, crew):
    api(dan).delete(f"/api/v1/teams/{team.pk}/")

    answer = api(dan).post(ROTAS, body(team, crew))

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/team", "does_not_exist")]
    with acme.entered():
        assert not OnCallRota.objects.exists()


@pytest.mark.parametrize(
    ("address", "query", "code"),
    [
        ("who/", {"at": "2026-01-05T08:00:00"}, "naive"),
        ("who/", {"at": "yesterday"}, "invalid"),
        ("who/", {"when": "2026-01-05T08:00:00Z"}, "unknown_parameter"),
        ("shifts/", {"from": "2026-01-05"}, "naive"),
        ("shifts/", {"to": "soon"}, "invalid"),
        ("shifts/", {"from": "2026-01-05T08:00:00Z", "to": "2026-01-05T08:00:00Z"}, "out_of_range"),
        ("shifts/", {"from": "2026-01-05T08:00:00Z", "to": "2026-04-07T08:00:01Z"}, "out_of_range"),
    ],
)
def test_what_cannot_be_asked(*, alice, api, rota, address, query, code):
    problem = assert_problem(api(alice).get(f"{ROTAS}{rota['id']}/{address}", query), 400, "invalid_parameter")

    assert [error["code"] for error in problem["errors"]] == [code]


def test_shifts_of_a_period_tile_it(alice, dan, api, crew, rota):
    client = api(alice)
    begin = timezone.now() + timedelta(days=1)
    end = begin + timedelta(days=92)
    swap = override(api(dan), rota, alice, begin + timedelta(days=10), begin + timedelta(days=12))
    assert swap.status_code == 201

    asked = {"from": begin.isoformat(), "to": end.isoformat()}
    found = client.get(f"{ROTAS}{rota['id']}/shifts/", asked).json()["results"]

    times = [(datetime.fromisoformat(row["starts_at"]), datetime.fromisoformat(row["ends_at"])) for row in found]
    assert (times[0][0], times[-1][1]) == (begin, end)
    assert all(earlier[1] == later[0] for earlier, later in pairwise(times))
    overridden = [row for row in found if row["override"]]
    assert {row["user"] for row in overridden} == {str(alice.pk)}
    assert {row["override"] for row in overridden} == {swap.json()["id"]}
    assert datetime.fromisoformat(overridden[0]["starts_at"]) == begin + timedelta(days=10)
    assert datetime.fromisoformat(overridden[-1]["ends_at"]) == begin + timedelta(days=12)
    assert all(row["user"] == row["scheduled_user"] for row in found if not row["override"])


# --- overrides


def test_the_newest_override_wins_from_its_start_until_before_its_end(acme, dan, alice, carol, api, rota):
    client, begin = api(dan), (timezone.now() + WEEK).replace(microsecond=0)
    hours = [begin + timedelta(hours=number) for number in range(5)]
    override(client, rota, alice, hours[0], hours[4])
    second = override(client, rota, carol, hours[1], hours[2], reason="swap").json()

    asked = [*(hours[number] for number in range(5)), hours[2] - timedelta(seconds=1), hours[0] - timedelta(seconds=1)]
    found = [who(client, rota, at.isoformat()) for at in asked]
    scheduled = found[0]["scheduled_user"]
    assert [row["user"] for row in found] == [
        *(str(user.pk) for user in (alice, carol, alice, alice)),
        scheduled,
        str(carol.pk),
        scheduled,
    ]
    assert found[1]["because"] == [f"the override {second['id']} names {carol.pk}"]
    assert (found[1]["starts_at"], found[1]["ends_at"]) == tuple(
        each.astimezone(UTC).isoformat().replace("+00:00", "Z") for each in hours[1:3]
    )
    assert len(events(acme, "on_call_override.created")) == 2


def test_an_override_of_the_past_is_not_made_moved_or_taken_back(acme, dan, alice, carol, api, rota):
    client, now = api(dan), timezone.now()
    hour = timedelta(hours=1)
    late = override(client, rota, alice, now - hour, now + hour)
    assert pointers(assert_problem(late, 400, "invalid")) == [("/starts_at", "out_of_range")]
    backwards = override(client, rota, alice, now + hour, now + hour)
    assert pointers(assert_problem(backwards, 400, "invalid")) == [("/ends_at", "out_of_range")]

    running = override(client, rota, alice, now, now + 2 * hour)
    address = running.headers["Location"]
    assert_problem(client.delete(address), 409, "already_begun")
    for change in ({"user": str(carol.pk)}, {"starts_at": (now + hour).isoformat()}):
        assert [code for _, code in pointers(assert_problem(client.patch(address, change), 400, "invalid"))] == [
            "immutable"
        ]
    ended = client.patch(address, {"ends_at": timezone.now().isoformat()})
    assert ended.status_code == 200
    assert_problem(client.patch(address, {"reason": "again"}), 409, "over")

    planned = override(client, rota, alice, now + hour, now + 2 * hour).headers["Location"]
    assert client.patch(planned, {"user": str(carol.pk)}).json()["user"] == str(carol.pk)
    assert client.delete(planned).status_code == 204
    with acme.entered():
        assert OnCallOverride.objects.count() == 1


def test_an_override_of_another_rota_is_like_one_that_never_was(acme, dan, alice, api, rota):
    with acme.entered():
        other = factories.OnCallOverrideFactory(user=alice)

    for parent in (rota["id"], new_id()):
        address = f"{ROTAS}{parent}/overrides/{other.pk}/"
        assert api(dan).get(address).status_code == 404
        assert api(dan).patch(address, {"reason": "x"}).status_code == 404
        assert api(dan).delete(address).status_code == 404


# --- who takes over


def absent(acme, user, delegate=None):
    with acme.entered():
        now = timezone.now()
        factories.AbsenceFactory(user=user, delegate=delegate, starts_at=now - WEEK, ends_at=now + WEEK)


def named(crew, answer):
    """Whoever is scheduled now, and the one after."""
    ids = [str(user.pk) for user in crew]
    place = ids.index(answer["scheduled_user"])
    return crew[place], crew[(place + 1) % 3]


def test_the_rota_still_names_who_is_away_and_the_answer_who_takes_over(acme, alice, api, crew, rota):
    scheduled, following = named(crew, who(api(alice), rota))
    absent(acme, scheduled)

    answer = who(api(alice), rota)

    assert (answer["scheduled_user"], answer["user"]) == (str(scheduled.pk), str(following.pk))
    assert answer["because"] == [
        f"the rota names {scheduled.pk}",
        f"{scheduled.pk} is out of office",
        f"{following.pk} is the next in order",
    ]
    (row,) = api(alice).get(NOW).json()["results"]
    assert (row["user"], row["name"]) == (str(following.pk), "Blue on call")


def test_the_delegate_takes_over_before_the_next_in_order(acme, alice, carol, api, crew, rota):
    scheduled, _ = named(crew, who(api(alice), rota))
    absent(acme, scheduled, carol)

    answer = who(api(alice), rota)

    assert (answer["scheduled_user"], answer["user"]) == (str(scheduled.pk), str(carol.pk))
    assert answer["because"][-1] == f"{carol.pk} is their delegate"


def test_somebody_deactivated_is_stepped_over_now_and_named_in_the_past(acme, alice, api, crew, rota):
    scheduled, following = named(crew, who(api(alice), rota))
    past = (timezone.now() - 3 * WEEK).isoformat()
    with acme.entered():
        User.objects.filter(pk=scheduled.pk).update(is_active=False)

    assert who(api(alice), rota)["user"] == str(following.pk)
    assert who(api(alice), rota, past)["user"] == str(scheduled.pk)


# --- by whose grant


def test_agents_ask_managers_change_the_rotas_of_their_own_teams_and_admins_all(
    acme, dan, carol, alice, bob, api, team, crew, rota
):
    address, later = f"{ROTAS}{rota['id']}/", timezone.now() + WEEK
    with acme.entered():
        other = factories.OnCallRotaFactory()
        factories.TeamMemberFactory(team=other.team, user=carol)
    for client in (api(carol), api(alice)):
        assert client.get(address).status_code == 200
        assert client.get(f"{address}who/").status_code == 200
        refused = [
            client.patch(address, {"name": "Mine"}),
            client.delete(address),
            client.post(ROTAS, body(team, crew, name="Another")),
            override(client, rota, alice, later, later + WEEK),
        ]
        assert [answer.status_code for answer in refused] == [403] * 4
    moved = api(carol).patch(f"{ROTAS}{other.pk}/", {"team": str(team.pk)})
    assert moved.status_code == 403, "a rota is not given to a team where one could not change it"
    with acme.entered():
        assert OnCallRota.objects.get(pk=other.pk).team_id == other.team_id
        factories.TeamMemberFactory(team=team, user=carol)
    assert api(carol).patch(address, {"name": "Mine"}).status_code == 200
    made = override(api(carol), rota, alice, later, later + WEEK)
    assert made.status_code == 201
    assert api(carol).delete(made.headers["Location"]).status_code == 204
    assert api(carol).delete(address).status_code == 403
    for path in (ROTAS, address, f"{address}who/", f"{address}shifts/", f"{address}overrides/", NOW):
        assert api(bob).get(path).status_code == 403
    assert api(dan).delete(address).status_code == 204
    assert len(events(acme, "on_call_rota.deleted")) == 1


def test_now_asks_as_many_queries_for_ten_rotas_as_for_two_and_can_be_narrowed(acme, globex, alice, api):
    client = api(alice)

    def fill(number):
        with acme.entered():
            for _ in range(number):
                rota = factories.OnCallRotaFactory()
                factories.RotaMemberFactory(rota_version=rota.versions.get())
                factories.OnCallOverrideFactory(rota=rota)
        return rota

    def queries():
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(NOW)
        return len(captured), len(answer.json()["results"])

    fill(2)
    queries()  # what roles grant is read once and kept
    few, _ = queries()
    last = fill(8)
    assert queries() == (few, 10)
    assert few <= 11
    assert [row["rota"] for row in client.get(NOW, {"team": str(last.team_id)}).json()["results"]] == [str(last.pk)]
    with globex.entered():
        foreign = factories.OnCallRotaFactory()
    assert client.get(NOW, {"team": str(foreign.team_id)}).json()["results"] == []
    assert_problem(client.get(NOW, {"team": "blue"}), 400, "invalid_parameter")


def test_a_rota_that_starts_later_names_nobody_until_then(acme, dan, api, team, crew):
    start = (timezone.now() + 3 * WEEK).date()
    made = api(dan).post(ROTAS, body(team, crew, starts_on=start.isoformat(), handover_weekday=start.weekday())).json()

    assert made["members"] == [str(user.pk) for user in crew]
    assert who(api(dan), made)["user"] is None
    begins = f"{start.isoformat()}T12:00:00Z"
    assert who(api(dan), made, begins)["user"] == str(crew[0].pk)
    with acme.entered():
        rota = OnCallRota.objects.get()
        assert len(rosters.plans_of(rota)) == 1
