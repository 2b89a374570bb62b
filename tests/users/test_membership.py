"""Who works in which team: over HTTP, by whose grant, and what holds from the next request on."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import Event
from apps.core.errors import Denied
from apps.core.models import new_id
from apps.users import membership
from apps.users.models import MemberSkill, Role, TeamMember, User
from apps.users.rights import actor_for
from tests import factories
from tests.conftest import IS_FULL_RUN, UserType, person
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once

ROUNDS = 10 if IS_FULL_RUN else 2


@pytest.fixture
def team(acme):
    with acme.entered():
        return factories.TeamFactory(name="Blue")


@pytest.fixture
def skills(acme):
    with acme.entered():
        return [factories.SkillFactory(name=name) for name in ("Linux", "Oracle")]


def members(team):
    return f"/api/v1/teams/{team.pk}/members/"


def join(acme, team, user, **values):
    with acme.entered():
        return factories.TeamMemberFactory(team=team, user=user, **values)


def events(acme, name):
    with acme.entered():
        return list(Event.objects.filter(name=name).order_by("recorded_at"))


def test_a_member_has_the_contracts_fields_and_what_a_colleague_must_know(acme, dan, alice, api, team, skills):
    body = {
        "user": str(alice.pk),
        "is_lead": True,
        "capacity": 5,
        "skills": [{"skill": str(skills[0].pk), "level": 4}, {"skill": str(skills[1].pk), "level": 1}],
    }
    answer = api(dan).post(members(team), body)

    assert answer.status_code == 201
    shown = answer.json()
    assert answer.headers["Location"] == f"{members(team)}{shown['id']}/"
    assert {name: shown[name] for name in ("user", "is_lead", "capacity")} == {
        name: body[name] for name in ("user", "is_lead", "capacity")
    }
    assert sorted(shown["skills"], key=str) == sorted(body["skills"], key=str)
    assert (shown["team"], shown["presence"]) == (str(team.pk), "offline")
    assert shown["out_of_office"] == {"is_out": False, "until": None, "delegate": None}
    (event,) = events(acme, "team_member.created")
    assert event.changes["user"] == [None, str(alice.pk)]
    assert {skill["level"] for skill in event.changes["skills"][1]} == {1, 4}
    assert api(alice).get(answer.headers["Location"]).json()["user"] == str(alice.pk)


def test_skills_are_replaced_as_a_set_with_one_event_and_one_version(acme, dan, alice, api, team, skills):
    member = join(acme, team, alice)
    address = f"{members(team)}{member.pk}/"
    first = [{"skill": str(skills[0].pk), "level": 2}]
    api(dan).patch(address, {"skills": first})

    again = api(dan).patch(address, {"skills": first})
    assert (again.headers["ETag"], len(events(acme, "team_member.updated"))) == ('"2"', 1)

    other = api(dan).patch(address, {"skills": [{"skill": str(skills[1].pk), "level": 5}], "capacity": 3})
    assert (other.status_code, other.json()["version"], other.json()["capacity"]) == (200, 3, 3)
    assert other.json()["skills"] == [{"skill": str(skills[1].pk), "level": 5}]
    last = events(acme, "team_member.updated")[-1]
    assert last.changes == {"capacity": [20, 3], "skills": [first, [{"skill": str(skills[1].pk), "level": 5}]]}
    assert api(dan).patch(address, {"skills": []}).json()["skills"] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"skills": [{"skill": "unknown", "level": 3}]}, ("/skills/0/skill", "does_not_exist")),
        ({"skills": [{"skill": "foreign", "level": 3}]}, ("/skills/0/skill", "does_not_exist")),
        ({"skills": [{"skill": "own", "level": 3}, {"skill": "own", "level": 4}]}, ("/skills/1/skill", "duplicate")),
        ({"skills": [{"skill": "own", "level": 6}]}, ("/skills/0/level", "out_of_range")),
        ({"skills": [{"skill": "own", "level": 0}]}, ("/skills/0/level", "out_of_range")),
        ({"skills": [{"skill": "own"}]}, ("/skills/0/level", "required")),
        ({"user": "other"}, ("/user", "immutable")),
        ({"team": "own"}, ("/team", "read_only")),
        ({"capacity": 1001}, ("/capacity", "out_of_range")),
        ({"colour": "blue"}, ("/colour", "unknown_field")),
    ],
)
def test_what_a_member_cannot_be_changed_into(*, acme, globex, dan, alice, bob, api, team, skills, change, expected):
    with globex.entered():
        foreign = factories.SkillFactory()
    ids = {"unknown": new_id(), "foreign": foreign.pk, "own": skills[0].pk, "other": bob.pk}
    for skill in change.get("skills", []):
        skill["skill"] = str(ids[skill["skill"]]) if skill["skill"] in ids else skill["skill"]
    if "user" in change:
        change = {"user": str(bob.pk)}
    member = join(acme, team, alice)

    answer = api(dan).patch(f"{members(team)}{member.pk}/", change)

    assert pointers(assert_problem(answer, 400, "invalid")) == [expected]
    with acme.entered():
        assert TeamMember.objects.get(pk=member.pk).version == 1
        assert not MemberSkill.objects.exists()
    assert events(acme, "team_member.updated") == []


@pytest.mark.parametrize("harm", [{"is_active": False}, {"deleted_at": "now"}])
def test_nobody_inactive_is_added(acme, dan, alice, api, team, harm):
    with acme.entered():
        User.objects.filter(pk=alice.pk).update(**{name: value and timezone.now() for name, value in harm.items()})

    answer = api(dan).post(members(team), {"user": str(alice.pk)})

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/user", "inactive")]
    with acme.entered():
        assert not TeamMember.objects.exists()


def test_one_person_is_in_a_team_once(acme, dan, alice, api, team):
    join(acme, team, alice)

    assert_problem(api(dan).post(members(team), {"user": str(alice.pk)}), 409, "duplicate")


def test_two_additions_at_once_make_one_member(fresh_database, acme, dan, api, team):
    authorization = api(dan)._credentials["HTTP_AUTHORIZATION"]
    for number in range(ROUNDS):
        with acme.entered():
            user = factories.UserFactory()

        def add(user=user):
            return api().post(members(team), {"user": str(user.pk)}, HTTP_AUTHORIZATION=authorization)

        assert sorted(answer.status_code for answer in at_once([add, add])) == [201, 409]
        assert len(events(acme, "team_member.created")) == number + 1


def test_a_team_has_as_many_leads_as_it_likes(acme, dan, alice, carol, api, team):
    for user in (alice, carol):
        assert api(dan).post(members(team), {"user": str(user.pk), "is_lead": True}).status_code == 201

    assert len(api(alice).get(members(team), {"is_lead": "true"}).json()["results"]) == 2


def test_a_manager_changes_the_membership_of_their_own_teams_alone(acme, dan, carol, alice, bob, api, team):
    with acme.entered():
        other = factories.TeamFactory(name="Red")
    join(acme, team, carol)
    theirs = join(acme, other, bob)
    manager = api(carol)

    added = manager.post(members(team), {"user": str(alice.pk)})
    assert added.status_code == 201
    assert manager.patch(f"{members(team)}{added.json()['id']}/", {"capacity": 1}).json()["capacity"] == 1
    assert manager.delete(f"{members(team)}{added.json()['id']}/").status_code == 204

    before = events(acme, "team_member.created")
    assert assert_problem(manager.post(members(other), {"user": str(alice.pk)}), 403, "missing_grant")["grant"] == (
        "team_members.create"
    )
    assert manager.patch(f"{members(other)}{theirs.pk}/", {"capacity": 1}).status_code == 403
    assert manager.delete(f"{members(other)}{theirs.pk}/").status_code == 403
    assert len(events(acme, "team_member.created")) == len(before)
    with acme.entered():
        assert TeamMember.objects.get(pk=theirs.pk).capacity == 20


def test_agents_read_and_end_users_do_not(acme, alice, bob, api, team):
    member = join(acme, team, alice)

    assert [row["id"] for row in api(alice).get(members(team)).json()["results"]] == [str(member.pk)]
    assert api(alice).post(members(team), {"user": str(bob.pk)}).status_code == 403
    assert api(bob).get(members(team)).status_code == 403
    assert api(bob).get(f"{members(team)}{member.pk}/").status_code == 403


def test_a_member_of_another_team_is_like_one_that_never_was(acme, globex, dan, alice, api, team):
    with acme.entered():
        other = factories.TeamFactory()
    with globex.entered():
        foreign = factories.TeamFactory()
    member = join(acme, other, alice)

    for team_id, pk in ((team.pk, member.pk), (team.pk, new_id()), (new_id(), member.pk), (foreign.pk, member.pk)):
        address = f"/api/v1/teams/{team_id}/members/{pk}/"
        assert api(dan).get(address).status_code == 404
        assert api(dan).patch(address, {"capacity": 1}).status_code == 404
        assert api(dan).delete(address).status_code == 404
    for team_id in (new_id(), foreign.pk):
        assert api(dan).get(f"/api/v1/teams/{team_id}/members/").status_code == 404
        assert api(dan).post(f"/api/v1/teams/{team_id}/members/", {"user": str(alice.pk)}).status_code == 404
    with acme.entered():
        assert TeamMember.objects.get(pk=member.pk).version == 1


def test_a_deleted_team_has_no_members_to_show(acme, dan, alice, api, team):
    join(acme, team, alice)
    api(dan).delete(f"/api/v1/teams/{team.pk}/")

    assert api(dan).get(members(team)).status_code == 404
    api(dan).post(f"/api/v1/teams/{team.pk}/restore/")
    assert len(api(dan).get(members(team)).json()["results"]) == 1


def test_nobody_gets_a_teams_roles_from_somebody_who_does_not_hold_them(acme, dan, alice, bob, api, team):
    """Whoever may fill teams, but is no administrator, would otherwise become one by joining."""
    roles = "/api/v1/role-assignments/"
    grants = [
        {"resource": name, "action": action, "reach": "organization"}
        for name in ("team_members", "teams")
        for action in ("create", "read")
    ]
    filler = api(dan).post("/api/v1/roles/", {"name": "Filler", "grants": grants}).json()["id"]
    api(dan).post(roles, {"role": filler, "user": str(alice.pk)})
    with acme.entered():
        admin = Role.objects.get(key="admin")
    api(dan).post(roles, {"role": str(admin.pk), "team": str(team.pk)})

    assert_problem(api(alice).post(members(team), {"user": str(alice.pk)}), 403, "missing_grant")
    with acme.entered():
        assert not TeamMember.objects.exists()
        with pytest.raises(Denied):
            membership.add_member(
                actor=actor_for(alice, at=timezone.now()),
                at=timezone.now(),
                team_id=team.pk,
                values={"user_id": bob.pk},
            )
    assert api(dan).post(members(team), {"user": str(bob.pk)}).status_code == 201


def test_a_page_of_members_asks_as_many_queries_for_twenty_as_for_two(acme, dan, api, team, skills):
    client = api(dan)

    def fill(number):
        with acme.entered():
            for _ in range(number):
                member = factories.TeamMemberFactory(team=team)
                factories.MemberSkillFactory(member=member, skill=skills[0])
                factories.AbsenceFactory(user=member.user, starts_at=timezone.now())
                factories.PresenceFactory(user=member.user)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(members(team), {"page_size": 200, "count": "true", "expand": "user"})
        assert answer.status_code == 200
        return len(captured), answer.json()["count"]

    fill(2)
    queries()  # what roles grant is read once and kept
    few, _ = queries()
    fill(18)
    many, count = queries()
    assert (many, count) == (few, 20)
    assert many <= 10


def test_members_are_found_by_skill(acme, dan, alice, carol, api, team, skills):
    first, second = join(acme, team, alice), join(acme, team, carol)
    with acme.entered():
        factories.MemberSkillFactory(member=first, skill=skills[0])
        factories.MemberSkillFactory(member=second, skill=skills[1])

    found = api(dan).get(members(team), {"skill": str(skills[1].pk)}).json()["results"]
    assert [row["id"] for row in found] == [str(second.pk)]


def test_a_skill_that_somebody_has_is_not_deleted(acme, dan, alice, api, team):
    skill = api(dan).post("/api/v1/skills/", {"name": "Linux"}).json()["id"]
    api(dan).post(members(team), {"user": str(alice.pk), "skills": [{"skill": skill, "level": 5}]})

    assert_problem(api(dan).delete(f"/api/v1/skills/{skill}/"), 409, "still_referenced")
    assert_problem(api(dan).post("/api/v1/skills/", {"name": "Linux"}), 409, "duplicate")
    assert api(alice).post("/api/v1/skills/", {"name": "Oracle"}).status_code == 403
    (member,) = api(dan).get(members(team)).json()["results"]
    api(dan).delete(f"{members(team)}{member['id']}/")
    assert api(dan).delete(f"/api/v1/skills/{skill}/").status_code == 204


# --- who heads a department, who owns a cost centre


@pytest.fixture(params=[("departments", "department", "head"), ("cost-centres", "cost_centre", "owner")], ids=str)
def structure(request):
    path, noun, field = request.param
    given = {"name": "Finance"} if field == "head" else {"code": "C1", "name": "Finance"}
    return f"/api/v1/{path}/", noun, field, given


def test_head_and_owner_are_fields_of_the_body_and_part_of_the_same_event(acme, dan, alice, carol, api, structure):
    path, noun, field, given = structure
    made = api(dan).post(path, {**given, field: str(alice.pk)})
    assert (made.status_code, made.json()[field]) == (201, str(alice.pk))
    address = f"{path}{made.json()['id']}/"

    changed = api(dan).patch(address, {field: str(carol.pk)})
    assert (changed.status_code, changed.json()[field], changed.headers["ETag"]) == (200, str(carol.pk), '"2"')
    renamed = api(dan).patch(address, {"name": "Money"})
    assert (renamed.json()[field], renamed.json()["version"]) == (str(carol.pk), 3)
    same = api(dan).patch(address, {field: str(carol.pk)})
    assert same.json()["version"] == 3
    embedded = api(dan).get(address, {"expand": field}).json()[field]
    assert (embedded["id"], embedded["full_name"]) == (str(carol.pk), "Carol")
    found = api(dan).get(path, {field: str(carol.pk)}).json()["results"]
    assert [row["id"] for row in found] == [made.json()["id"]]
    assert api(dan).get(path, {field: str(alice.pk)}).json()["results"] == []
    emptied = api(dan).patch(address, {field: None})
    assert emptied.json()[field] is None

    (created,) = events(acme, f"{noun}.created")
    assert created.changes[field] == [None, str(alice.pk)]
    assert [event.changes for event in events(acme, f"{noun}.updated")] == [
        {field: [str(alice.pk), str(carol.pk)]},
        {"name": ["Finance", "Money"]},
        {field: [str(carol.pk), None]},
    ]
    api(dan).patch(address, {field: str(alice.pk)})
    assert api(dan).delete(address).status_code == 204


def test_only_somebody_active_of_the_organization_heads_or_owns(acme, dan, alice, mallory, api, structure):
    path, noun, field, given = structure
    with acme.entered():
        User.objects.filter(pk=alice.pk).update(is_active=False)

    for user, code in ((alice.pk, "inactive"), (mallory.pk, "does_not_exist"), (new_id(), "does_not_exist")):
        answer = api(dan).post(path, {**given, field: str(user)})
        assert pointers(assert_problem(answer, 400, "invalid")) == [(f"/{field}", code)]
    assert events(acme, f"{noun}.created") == []


def test_a_department_whose_move_is_refused_keeps_its_head(acme, dan, alice, carol, api):
    path = "/api/v1/departments/"
    top = api(dan).post(path, {"name": "Top", "head": str(alice.pk)}).json()["id"]
    below = api(dan).post(path, {"name": "Below", "parent": top}).json()["id"]

    answer = api(dan).patch(f"{path}{top}/", {"parent": below, "head": str(carol.pk)})

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/parent", "cycle")]
    assert api(dan).get(f"{path}{top}/").json()["head"] == str(alice.pk)


def test_the_admin_adds_changes_and_removes_a_member_through_the_same_verbs(client, acme, dan, alice, team):
    client.post("/admin/login/", {"username": dan.email, "password": factories.PASSWORD})
    form = {"team": str(team.pk), "user": str(alice.pk), "capacity": "4"}

    assert client.post("/admin/users/teammember/add/", form).status_code == 302
    with acme.entered():
        member = TeamMember.objects.get()
    assert (member.user_id, member.capacity) == (alice.pk, 4)
    assert client.post(f"/admin/users/teammember/{member.pk}/change/", {"capacity": "6"}).status_code == 302
    assert client.post(f"/admin/users/teammember/{member.pk}/delete/", {"post": "yes"}).status_code == 302
    with acme.entered():
        assert not TeamMember.objects.exists()
    names = ("team_member.created", "team_member.updated", "team_member.deleted")
    assert [len(events(acme, name)) for name in names] == [1, 1, 1]


def test_an_end_user_may_be_a_member_and_reads_nothing_by_it(acme, bob, api, team):
    other = person(acme, "erin", UserType.END_USER)
    join(acme, team, bob)
    join(acme, team, other)

    assert api(bob).get(members(team)).status_code == 403
