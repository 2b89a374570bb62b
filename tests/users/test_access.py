"""Roles and assignments over HTTP: who gets what, from when to when, how far, and why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.core.authorization import Action, Reach
from apps.core.errors import Denied
from apps.organizations.models import Organization
from apps.users.models import Role, RoleAssignment, TeamMember
from apps.users.rights import HeldGrant, Rights, actor_now, rights_of
from tests import factories
from tests.conftest import person

ROLES, ASSIGNMENTS, TEAMS = "/api/v1/roles/", "/api/v1/role-assignments/", "/api/v1/teams/"
EXPLAIN = "/api/v1/auth/permissions/explain/"


def role_id(acme, key):
    with acme.entered():
        return str(Role.objects.get(key=key).pk)


@pytest.fixture
def team(acme):
    with acme.entered():
        return factories.TeamFactory()


def test_a_role_given_holds_on_the_very_next_request_and_ends_with_its_deletion(acme, dan, alice, api):
    colleague = api(alice)
    assert colleague.post(TEAMS, {"name": "Blue"}).status_code == 403

    given = api(dan).post(ASSIGNMENTS, {"role": role_id(acme, "admin"), "user": str(alice.pk)})
    assert (given.status_code, colleague.post(TEAMS, {"name": "Blue"}).status_code) == (201, 201)

    assert api(dan).delete(f"{ASSIGNMENTS}{given.json()['id']}/").status_code == 204
    assert colleague.post(TEAMS, {"name": "Green"}).status_code == 403


@pytest.mark.parametrize(("begins", "ends", "expected"), [(-2, -1, 403), (-1, 1, 201), (1, 2, 403), (-1, None, 201)])
def test_an_assignment_holds_in_its_period_alone(acme, dan, alice, api, begins, ends, expected):
    now = timezone.now()
    period = {"valid_from": (now + timedelta(hours=begins)).isoformat()}
    if ends is not None:
        period["valid_until"] = (now + timedelta(hours=ends)).isoformat()
    given = api(dan).post(ASSIGNMENTS, {"role": role_id(acme, "admin"), "user": str(alice.pk), **period})

    assert given.status_code == 201
    assert api(alice).post(TEAMS, {"name": "Blue"}).status_code == expected


def test_a_role_of_a_team_is_its_members_as_long_as_they_are_members(acme, dan, alice, api, team):
    api(dan).post(ASSIGNMENTS, {"role": role_id(acme, "admin"), "team": str(team.pk)})
    assert api(alice).post(TEAMS, {"name": "Blue"}).status_code == 403

    with acme.entered():
        member = factories.TeamMemberFactory(team=team, user=alice)
    assert api(alice).post(TEAMS, {"name": "Blue"}).status_code == 201

    with acme.entered():
        TeamMember.objects.filter(pk=member.pk).delete()
    assert api(alice).post(TEAMS, {"name": "Green"}).status_code == 403


def test_an_assignment_limited_to_one_team_changes_that_team_and_no_other(acme, dan, bob, api, team):
    with acme.entered():
        other = factories.TeamFactory()
    api(dan).post(ASSIGNMENTS, {"role": role_id(acme, "admin"), "user": str(bob.pk), "limited_to_team": str(team.pk)})

    assert api(bob).patch(f"{TEAMS}{team.pk}/", {"description": "x"}).status_code == 200
    assert api(bob).patch(f"{TEAMS}{other.pk}/", {"description": "x"}).status_code == 404
    assert [row["id"] for row in api(bob).get(TEAMS).json()["results"]] == [str(team.pk)]
    assert api(bob).get("/api/v1/sites/").json()["results"] == []


def test_explain_names_the_assignment_that_allows_and_says_what_is_missing(acme, dan, alice, api, team):
    until = (timezone.now() + timedelta(days=3)).isoformat()
    body = {
        "role": role_id(acme, "manager"),
        "user": str(alice.pk),
        "limited_to_team": str(team.pk),
        "valid_until": until,
    }
    assignment = api(dan).post(ASSIGNMENTS, body).json()["id"]

    yes = api(dan).get(EXPLAIN, {"user": str(alice.pk), "resource": "incidents", "action": "approve"}).json()
    no = api(dan).get(EXPLAIN, {"user": str(alice.pk), "resource": "webhooks", "action": "configure"}).json()

    assert (yes["allowed"], yes["reach"]) == (True, "team")
    assert assignment in yes["because"][0] and str(team.pk) in yes["because"][0]
    assert (no["allowed"], no["because"]) == (False, ["no role gives the grant webhooks.configure"])


def test_a_custom_role_grants_what_it_lists_and_a_change_of_it_holds_at_once(acme, dan, bob, api):
    grants = [{"resource": "sites", "action": "read", "reach": "organization"}]
    role = api(dan).post(ROLES, {"name": "Caretaker", "grants": grants})
    assert (role.status_code, role.json()["grants"]) == (201, grants)
    api(dan).post(ASSIGNMENTS, {"role": role.json()["id"], "user": str(bob.pk)})
    assert api(bob).get("/api/v1/sites/").status_code == 200

    changed = api(dan).patch(f"{ROLES}{role.json()['id']}/", {"grants": []})

    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert api(bob).get("/api/v1/sites/").status_code == 403


@pytest.mark.parametrize(
    ("grant", "pointer"),
    [
        ({"resource": "moon", "action": "read", "reach": "organization"}, "/grants/0/resource"),
        ({"resource": "audit", "action": "delete", "reach": "organization"}, "/grants/0/action"),
        ({"resource": "sites", "action": "fly", "reach": "organization"}, "/grants/0/action"),
        ({"resource": "sites", "action": "read", "reach": "galaxy"}, "/grants/0/reach"),
    ],
)
def test_a_grant_outside_the_vocabulary_is_refused(acme, dan, api, grant, pointer):
    answer = api(dan).post(ROLES, {"name": "Odd", "grants": [grant]})

    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, [pointer])
    with acme.entered():
        assert not Role.objects.filter(name="Odd").exists()


def test_built_in_roles_cannot_be_changed_or_deleted(acme, dan, api):
    address = f"{ROLES}{role_id(acme, 'agent')}/"

    assert api(dan).patch(address, {"grants": []}).json()["code"] == "built_in"
    assert api(dan).delete(address).json()["code"] == "built_in"


def test_nobody_gives_away_more_than_they_hold(acme, dan, bob, api):
    keeper = [
        {"resource": "roles", "action": action, "reach": "organization"} for action in ("create", "read", "update")
    ]
    role = api(dan).post(ROLES, {"name": "Role keeper", "grants": keeper}).json()["id"]
    api(dan).post(ASSIGNMENTS, {"role": role, "user": str(bob.pk)})

    climb = api(bob).post(ASSIGNMENTS, {"role": role_id(acme, "admin"), "user": str(bob.pk)})
    widen = api(bob).patch(
        f"{ROLES}{role}/", {"grants": [*keeper, {"resource": "audit", "action": "read", "reach": "organization"}]}
    )

    assert (climb.status_code, widen.status_code, widen.json()["grant"]) == (403, 403, "audit.read")
    with acme.entered():
        assert not rights_of(bob, at=timezone.now()).decide(Action.READ, "audit").is_allowed


def test_an_assignment_is_to_a_user_or_a_team_and_ends_after_it_begins(acme, dan, alice, api, team):
    role, now = role_id(acme, "agent"), timezone.now()
    bodies = [
        {"role": role},
        {"role": role, "user": str(alice.pk), "team": str(team.pk)},
        {"role": role, "user": str(alice.pk), "valid_until": (now - timedelta(days=1)).isoformat()},
    ]
    with acme.entered():
        before = RoleAssignment.objects.count()

    answers = [api(dan).post(ASSIGNMENTS, body) for body in bodies]

    assert [(a.status_code, a.json()["errors"][0]["pointer"]) for a in answers] == [
        (400, "/user"),
        (400, "/user"),
        (400, "/valid_until"),
    ]
    with acme.entered():
        assert RoleAssignment.objects.count() == before


def test_agents_read_roles_and_cannot_assign_them(acme, alice, api):
    assert api(alice).get(ROLES).status_code == 200

    answer = api(alice).post(ASSIGNMENTS, {"role": role_id(acme, "admin"), "user": str(alice.pk)})

    assert (answer.status_code, answer.json()["grant"]) == (403, "roles.create")


def test_one_change_of_name_and_grants_is_one_event(acme, dan, api):
    grants = [{"resource": "sites", "action": "read", "reach": "organization"}]
    role = api(dan).post(ROLES, {"name": "Caretaker"}).json()["id"]

    changed = api(dan).patch(f"{ROLES}{role}/", {"name": "Janitor", "grants": grants}).json()

    assert (changed["name"], changed["grants"], changed["version"]) == ("Janitor", grants, 2)
    with acme.entered():
        event = Event.objects.filter(subject_id=role).exclude(name="role.created").get()
        assert event.name == "role.grants_changed"
        assert event.changes == {
            "name": ["Caretaker", "Janitor"],
            "grants": [[], ["sites.read (organization)"]],
        }


@pytest.mark.parametrize(
    ("begins", "values", "status"),
    [
        (-1, {"valid_until": None}, 403),
        (-1, {"limited_to_team": None}, 403),
        (1, {"valid_from": "2020-01-01T00:00:00Z"}, 403),
        (1, {"valid_until": None}, 403),
        (1, {"valid_until": "shorter"}, 200),
    ],
)
def test_an_assignment_is_made_longer_or_wider_only_by_who_holds_what_it_gives(
    *, acme, dan, bob, api, team, begins, values, status
):
    now = timezone.now()
    keeper = [{"resource": "roles", "action": action, "reach": "organization"} for action in ("read", "update")]
    role = api(dan).post(ROLES, {"name": "Role keeper", "grants": keeper}).json()["id"]
    api(dan).post(ASSIGNMENTS, {"role": role, "user": str(bob.pk)})
    body = {
        "role": role_id(acme, "admin"),
        "user": str(bob.pk),
        "limited_to_team": str(team.pk),
        "valid_from": (now + timedelta(hours=begins)).isoformat(),
        "valid_until": (now + timedelta(days=2)).isoformat(),
    }
    given = api(dan).post(ASSIGNMENTS, body).json()["id"]
    if values.get("valid_until") == "shorter":
        values = {"valid_until": (now + timedelta(days=1)).isoformat()}

    assert api(bob).patch(f"{ASSIGNMENTS}{given}/", values).status_code == status


def test_what_somebody_holds_for_one_team_they_give_for_that_team_alone(acme, dan, bob, alice, api, team):
    with acme.entered():
        other = factories.TeamFactory()
    keeper = [{"resource": "roles", "action": action, "reach": "organization"} for action in ("create", "read")]
    role = api(dan).post(ROLES, {"name": "Role keeper", "grants": keeper}).json()["id"]
    api(dan).post(ASSIGNMENTS, {"role": role, "user": str(bob.pk)})
    manager = {"role": role_id(acme, "manager"), "limited_to_team": str(team.pk)}
    api(dan).post(ASSIGNMENTS, {**manager, "user": str(bob.pk)})
    # In his own teams, he would say; but he holds it for one of them.
    climb = [{"resource": "reports", "action": "run", "reach": "team"}]

    given = [
        api(bob).post(ASSIGNMENTS, {**manager, "user": str(alice.pk)}),
        api(bob).post(ASSIGNMENTS, {**manager, "user": str(alice.pk), "limited_to_team": str(other.pk)}),
        api(bob).post(ASSIGNMENTS, {**manager, "user": str(alice.pk), "limited_to_team": None}),
        api(bob).post(ROLES, {"name": "Runner", "grants": climb}),
    ]

    assert [answer.status_code for answer in given] == [201, 403, 403, 403]


def test_explain_answers_about_people_within_reach_alone(acme, dan, bob, alice, api):
    own = [{"resource": "roles", "action": "read", "reach": "own"}]
    role = api(dan).post(ROLES, {"name": "Curious", "grants": own}).json()["id"]
    api(dan).post(ASSIGNMENTS, {"role": role, "user": str(bob.pk)})
    question = {"resource": "teams", "action": "read"}

    assert api(bob).get(EXPLAIN, {**question, "user": str(bob.pk)}).status_code == 200
    assert api(bob).get(EXPLAIN, {**question, "user": str(alice.pk)}).status_code == 400


def test_explain_answers_about_one_record(acme, dan, bob, api, team):
    with acme.entered():
        other = factories.TeamFactory()
    api(dan).post(ASSIGNMENTS, {"role": role_id(acme, "admin"), "user": str(bob.pk), "limited_to_team": str(team.pk)})
    question = {"user": str(bob.pk), "resource": "teams", "action": "update"}

    answers = [api(dan).get(EXPLAIN, {**question, "object": str(one.pk)}).json() for one in (team, other)]

    assert [answer["allowed"] for answer in answers] == [True, False]


def test_rights_stay_at_home(acme, globex, dan):
    """Whichever tenant is in force, and whether row-level security stands or not."""
    with globex.entered():
        assert rights_of(dan, at=timezone.now()).grants == {}


def test_the_admin_shows_what_is_in_reach(acme, dan, carol, api, team, client):
    """An administrator by type, whose role is limited to one team, finds that team there and no other."""
    with acme.entered():
        other = factories.TeamFactory(name="Elsewhere")
        RoleAssignment.objects.filter(user=dan).update(limited_to_team=team)
    client.post("/admin/login/", {"username": dan.email, "password": factories.PASSWORD})

    shown = client.get("/admin/organizations/team/").content.decode()

    assert team.name in shown and "Elsewhere" not in shown
    assert client.get(f"/admin/organizations/team/{team.pk}/change/").status_code == 200
    assert client.get(f"/admin/organizations/team/{other.pk}/change/").status_code == 302


@pytest.mark.parametrize("role_ends", [True, False])
def test_an_organization_keeps_an_administrator_whose_role_has_no_end(acme, dan, api, role_ends):
    erin = person(acme, "erin", "admin")
    with acme.entered():
        hers = RoleAssignment.objects.filter(user=erin)
        hers.update(valid_until=timezone.now() + timedelta(days=1) if role_ends else None)
        his = RoleAssignment.objects.get(user=dan)
    ends = {"valid_until": (timezone.now() + timedelta(days=1)).isoformat()}

    answer = api(dan).patch(f"{ASSIGNMENTS}{his.pk}/", ends)

    assert answer.status_code == (409 if role_ends else 200), answer.content


def test_my_team_is_another_one_for_somebody_else(acme, dan, team):
    with acme.entered():
        elsewhere = factories.TeamFactory()

    def gives(held, given, *, limit=None, **more):
        rights = Rights(dan.pk, None, frozenset({team.pk}), {("teams", Action.READ): (HeldGrant(Reach(held), "x"),)})
        return rights.may_give(Action.READ, "teams", Reach(given), limited_to_team_id=limit, until=None, **more)

    assert [gives(held, "team") for held in ("organization", "department", "team")] == [True, False, False]
    assert [gives(held, "department") for held in ("organization", "department")] == [True, False]
    assert [gives("team", "team", limit=limit) for limit in (team.pk, elsewhere.pk)] == [True, False]
    assert (gives("own", "own"), gives("own", "team", limit=team.pk)) == (True, False)
    assert gives("team", "team", is_for_oneself=True)


def test_nothing_is_done_on_behalf_of_a_suspended_organization(acme, dan):
    assert actor_now(acme.id, dan.pk, timezone.now(), acme.id).id == dan.pk
    with acme.entered():
        Organization.objects.filter(pk=acme.id).update(status="suspended")

    with pytest.raises(Denied):
        actor_now(acme.id, dan.pk, timezone.now(), acme.id)
