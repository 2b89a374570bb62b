"""Direct grants to one person: an assignment of a role without a name, which lives and dies with it."""

import pytest

from apps.audit.models import Event
from apps.users.models import Grant, Role, RoleAssignment

ASSIGNMENTS, ROLES, TEAMS = "/api/v1/role-assignments/", "/api/v1/roles/", "/api/v1/teams/"
CREATE_TEAMS = {"resource": "teams", "action": "create", "reach": "organization"}


def test_direct_grants_hold_at_once_are_shown_and_end_with_their_assignment(acme, dan, alice, api):
    colleague, admin = api(alice), api(dan)
    assert colleague.post(TEAMS, {"name": "Blue"}).status_code == 403

    given = admin.post(ASSIGNMENTS, {"user": str(alice.pk), "grants": [CREATE_TEAMS]})

    assert given.status_code == 201
    assert given.json()["grants"] == [CREATE_TEAMS]
    assert colleague.post(TEAMS, {"name": "Blue"}).status_code == 201
    shown = admin.get(f"{ASSIGNMENTS}?user={alice.pk}").json()["results"]
    assert [row["grants"] for row in shown] == [[CREATE_TEAMS], []]

    assert admin.delete(f"{ASSIGNMENTS}{given.json()['id']}/").status_code == 204
    assert colleague.post(TEAMS, {"name": "Green"}).status_code == 403
    with acme.entered():
        assert not Role.objects.filter(name="").exists()
        assert not Grant.objects.filter(role__name="").exists()


def test_an_anonymous_role_is_nobodys_but_its_holders(acme, dan, alice, api):
    role = api(dan).post(ASSIGNMENTS, {"user": str(alice.pk), "grants": [CREATE_TEAMS]}).json()["role"]

    assert api(dan).get(f"{ROLES}{role}/").status_code == 404
    assert role not in [row["id"] for row in api(dan).get(ROLES).json()["results"]]


def test_one_event_tells_of_direct_grants(acme, dan, alice, api):
    made = api(dan).post(ASSIGNMENTS, {"user": str(alice.pk), "grants": [CREATE_TEAMS]}).json()["id"]

    with acme.entered():
        assert [event.name for event in Event.objects.filter(subject_id=made)] == ["role_assignment.created"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/role", "either_or"),
        ({"grants": []}, "/role", "either_or"),
        ({"grants": [{**CREATE_TEAMS, "action": "resolve"}]}, "/grants/0/action", "invalid_choice"),
        ({"grants": [CREATE_TEAMS, CREATE_TEAMS]}, "/grants/1", "duplicate"),
    ],
)
def test_what_is_neither_a_role_nor_known_grants_is_refused(acme, dan, alice, api, body, pointer, code):
    answer = api(dan).post(ASSIGNMENTS, {"user": str(alice.pk), **body})

    assert answer.status_code == 400
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]
    with acme.entered():
        assert RoleAssignment.objects.filter(user=alice).count() == 1


def test_a_role_and_direct_grants_together_are_refused(acme, dan, alice, api):
    role = api(dan).get(f"{ROLES}?key=agent").json()["results"][0]["id"]

    answer = api(dan).post(ASSIGNMENTS, {"user": str(alice.pk), "role": role, "grants": [CREATE_TEAMS]})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "either_or")


def test_nobody_gives_grants_they_do_not_hold(acme, dan, alice, bob, api):
    roles = {"resource": "roles", "action": "create", "reach": "organization"}
    assert api(dan).post(ASSIGNMENTS, {"user": str(alice.pk), "grants": [roles]}).status_code == 201

    answer = api(alice).post(ASSIGNMENTS, {"user": str(bob.pk), "grants": [CREATE_TEAMS]})

    assert (answer.status_code, answer.json()["grant"]) == (403, "teams.create")
