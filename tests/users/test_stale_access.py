"""T12: what gave somebody a right is taken away; the very next read, list and search of their running session obeys."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.users.models import Role, RoleAssignment, TeamMember, User
from tests import factories
from tests.conftest import UserType, person

pytestmark = pytest.mark.bar(12)

TEAMS, ASSIGNMENTS, ROLES = "/api/v1/teams/", "/api/v1/role-assignments/", "/api/v1/roles/"


@pytest.fixture
def team(acme):
    with acme.entered():
        return factories.TeamFactory(name="Blue")


@pytest.fixture
def rota(acme, team):
    with acme.entered():
        return factories.OnCallRotaFactory(team=team, name="Blue at night")


@pytest.fixture
def erin(acme):
    """An end user: everything beyond their own comes from what these tests give and take."""
    return person(acme, "erin", UserType.END_USER)


@pytest.fixture
def reader(acme, dan, api):
    """A role that reads teams, their members and their rotas, as far as one's own teams."""
    grants = [
        {"resource": resource, "action": "read", "reach": "team"} for resource in ("teams", "team_members", "on_call")
    ]
    return api(dan).post(ROLES, {"name": "Reader", "grants": grants}).json()["id"]


def give(api, dan, role, **to):
    answer = api(dan).post(ASSIGNMENTS, {"role": str(role), **{name: str(pk) for name, pk in to.items()}})
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def sees(client, team, rota):
    """What a read, a list, a search and a nested list each show of the team: all of it, or none."""
    answers = {
        "read": client.get(f"{TEAMS}{team.pk}/"),
        "list": client.get(TEAMS),
        "search": client.get(TEAMS, {"search": "Blue"}),
        "filter": client.get("/api/v1/on-call/rotas/", {"team": str(team.pk)}),
        "members": client.get(f"{TEAMS}{team.pk}/members/"),
        "who": client.get(f"/api/v1/on-call/rotas/{rota.pk}/who/"),
    }
    shown = {
        name: answer.status_code == 200 and str(team.pk) in answer.content.decode() for name, answer in answers.items()
    }
    assert {answer.status_code for answer in answers.values()} <= {200, 403, 404}
    assert set(shown.values()) in ({True}, {False}), shown
    return shown["read"]


def test_removed_from_a_team_one_sees_it_no_more(acme, dan, erin, api, team, rota, reader):
    give(api, dan, reader, user=erin.pk)
    client = api(erin)
    assert not sees(client, team, rota)

    added = api(dan).post(f"{TEAMS}{team.pk}/members/", {"user": str(erin.pk)})
    assert sees(client, team, rota)

    assert api(dan).delete(added.headers["Location"]).status_code == 204
    assert not sees(client, team, rota)


def test_an_assignment_limited_to_another_team_shows_the_first_no_more(acme, dan, erin, api, team, rota):
    with acme.entered():
        other = factories.TeamFactory()
        agent = Role.objects.get(key="agent")
        factories.TeamMemberFactory(team=team)
    assignment = give(api, dan, agent.pk, user=erin.pk, limited_to_team=team.pk)
    client = api(erin)
    assert sees(client, team, rota)

    moved = api(dan).patch(f"{ASSIGNMENTS}{assignment}/", {"limited_to_team": str(other.pk)})
    assert moved.status_code == 200
    assert not sees(client, team, rota)


def test_a_whole_organizations_assignment_that_is_limited_shows_that_team_alone(acme, dan, erin, api, team, rota):
    with acme.entered():
        other = factories.OnCallRotaFactory()
        factories.TeamMemberFactory(team=team)
        factories.TeamMemberFactory(team=other.team)
        agent = Role.objects.get(key="agent")
    assignment = give(api, dan, agent.pk, user=erin.pk)
    client = api(erin)
    assert len(client.get(TEAMS).json()["results"]) == 2

    api(dan).patch(f"{ASSIGNMENTS}{assignment}/", {"limited_to_team": str(team.pk)})

    assert sees(client, team, rota)
    assert client.get(f"{TEAMS}{other.team_id}/").status_code == 404
    assert client.get(f"{TEAMS}{other.team_id}/members/").status_code == 404
    assert client.get(f"/api/v1/on-call/rotas/{other.pk}/who/").status_code == 404
    assert [row["id"] for row in client.get(TEAMS).json()["results"]] == [str(team.pk)]
    assert client.get(TEAMS, {"search": other.team.name}).json()["results"] == []
    assert [row["team"] for row in client.get("/api/v1/on-call/now/").json()["results"]] == [str(team.pk)]


@pytest.mark.parametrize("end", ["revoked", "expired", "role deleted", "grants taken"])
def test_a_role_that_ends_shows_nothing_more(*, acme, dan, erin, api, team, rota, reader, end):
    with acme.entered():
        factories.TeamMemberFactory(team=team, user=erin)
    assignment = give(api, dan, reader, user=erin.pk)
    client = api(erin)
    assert sees(client, team, rota)

    if end == "revoked":
        assert api(dan).delete(f"{ASSIGNMENTS}{assignment}/").status_code == 204
    elif end == "expired":
        with acme.entered():
            RoleAssignment.objects.filter(pk=assignment).update(
                valid_from=timezone.now() - timedelta(hours=1), valid_until=timezone.now()
            )
    elif end == "role deleted":
        assert api(dan).delete(f"{ROLES}{reader}/").status_code == 204
    else:
        assert api(dan).patch(f"{ROLES}{reader}/", {"grants": []}).status_code == 200
    assert not sees(client, team, rota)


@pytest.mark.parametrize("end", ["membership", "team", "assignment"])
def test_what_a_teams_role_gave_ends_with_membership_team_or_assignment(*, acme, dan, erin, api, team, rota, end):
    """The role is given to Red, whose members may read everything; Blue is what they read."""
    with acme.entered():
        red = factories.TeamFactory(name="Red")
        factories.TeamMemberFactory(team=team)
        agent = Role.objects.get(key="agent")
    assignment = give(api, dan, agent.pk, team=red.pk)
    membership = api(dan).post(f"{TEAMS}{red.pk}/members/", {"user": str(erin.pk)}).headers["Location"]
    client = api(erin)
    assert sees(client, team, rota)

    ended = {"membership": membership, "team": f"{TEAMS}{red.pk}/", "assignment": f"{ASSIGNMENTS}{assignment}/"}
    assert api(dan).delete(ended[end]).status_code == 204
    assert not sees(client, team, rota)


def test_a_manager_who_leaves_a_team_changes_its_members_and_their_absences_no_more(acme, dan, carol, bob, api, team):
    with acme.entered():
        own = factories.TeamMemberFactory(team=team, user=carol)
        member = factories.TeamMemberFactory(team=team, user=bob)
        absence = factories.AbsenceFactory(user=bob)
    client = api(carol)
    address, planned = f"{TEAMS}{team.pk}/members/{member.pk}/", f"/api/v1/absences/{absence.pk}/"
    assert client.patch(address, {"capacity": 3}).status_code == 200
    assert client.patch(planned, {"note": "ill"}).status_code == 200

    assert api(dan).delete(f"{TEAMS}{team.pk}/members/{own.pk}/").status_code == 204

    assert client.patch(address, {"capacity": 4}).status_code == 403
    assert client.patch(planned, {"note": "well"}).status_code == 403
    assert client.get("/api/v1/absences/", {"user": str(bob.pk)}).json()["results"][0]["note"] == "ill"
    with acme.entered():
        assert TeamMember.objects.get(pk=member.pk).capacity == 3


def test_whoever_is_deactivated_reads_nothing_more(acme, dan, erin, api, team, rota, reader):
    with acme.entered():
        factories.TeamMemberFactory(team=team, user=erin)
    give(api, dan, reader, user=erin.pk)
    client = api(erin)
    assert sees(client, team, rota)

    with acme.entered():
        User.objects.filter(pk=erin.pk).update(is_active=False)
    assert client.get(f"{TEAMS}{team.pk}/").status_code == 401
    assert client.get(f"{TEAMS}{team.pk}/members/").status_code == 401
