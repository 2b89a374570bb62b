"""People over the API: who reads and changes whom, and what never happens to an organization's last administrator."""

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.users.models import RecoveryCode, RoleAssignment, Session, TotpDevice, User, UserType
from tests import factories
from tests.conftest import person
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.factories import PASSWORD
from tests.users.second_factor import enrol

USERS = "/api/v1/users/"
ME = "/api/v1/auth/me/"
FULL = {
    "id", "email", "full_name", "username", "employee_number", "job_title", "phone", "user_type", "is_active", "is_vip",
    "is_service_account", "department", "site", "manager", "time_zone", "language",
    "created_at", "updated_at", "version", "deleted_at",
}  # fmt: skip
VERBS = ("deactivate", "activate", "unlock", "reset-mfa", "revoke-sessions", "send-password-reset", "restore")


def at(user, verb=""):
    return f"{USERS}{user.pk}/{verb + '/' if verb else ''}"


def again(tenant, user) -> User:
    with tenant.entered():
        return User.objects.get(pk=user.pk)


def facts(tenant, user):
    with tenant.entered():
        about = Event.objects.filter(subject_id=user.pk, name__startswith="user.").exclude(name="user.signed_in")
        return list(about.order_by("recorded_at").values_list("name", flat=True))


def roles(tenant, user):
    with tenant.entered():
        return sorted(RoleAssignment.objects.filter(user_id=user.pk).values_list("role__name", flat=True))


def live_sessions(tenant, user):
    with tenant.entered():
        return Session.objects.filter(user_id=user.pk, revoked_at=None).count()


# --- reading


@pytest.mark.bar(6)
@pytest.mark.asvs("8.2.3", "15.3.1")
def test_the_fields_that_each_role_sees_of_a_person_are_an_allow_list(*, acme, api, alice, bob, carol, dan):
    for reader in (alice, carol, dan):
        shown = api(reader).get(USERS).json()["results"]
        assert {frozenset(row) for row in shown} == {frozenset(FULL)}
        assert len(shown) == 4
        assert set(api(reader).get(at(bob)).json()) == FULL

    (himself,) = api(bob).get(USERS).json()["results"]
    assert himself == {"id": str(bob.pk), "full_name": "Bob"}
    assert api(bob).get(at(bob)).json() == himself
    assert_problem(api(bob).get(at(alice)), 404, "not_found")


@pytest.mark.bar(6)
def test_who_sees_names_alone_cannot_ask_for_more(acme, api, alice, bob):
    department = factories.DepartmentFactory
    with acme.entered():
        both = department()
        User.objects.filter(pk__in=[alice.pk, bob.pk]).update(department=both)
        role = factories.RoleFactory(name="Colleagues")
        factories.GrantFactory(role=role, resource="users", action="read", reach="department")
        factories.RoleAssignmentFactory(role=role, user=bob)
    client = api(bob)

    assert client.get(USERS).json()["results"] == [
        {"id": str(alice.pk), "full_name": "Alice"},
        {"id": str(bob.pk), "full_name": "Bob"},
    ]
    assert [row["full_name"] for row in client.get(USERS, {"search": "ali"}).json()["results"]] == ["Alice"]
    assert client.get(USERS, {"search": "acme.example"}).json()["results"] == []
    for query in (
        {"email": alice.email},
        {"is_vip": "true"},
        {"is_service_account": "true"},
        {"user_type": "agent"},
        {"ordering": "email"},
        {"fields": "email"},
        {"expand": "department"},
    ):
        assert client.get(USERS, query).status_code == 400, query


def test_people_are_told_from_service_accounts(acme, api, alice, dan):
    client = api(dan)
    account = client.post("/api/v1/service-accounts/", {"name": "Monitoring"}).json()

    def found(value):
        rows = client.get(USERS, {"is_service_account": value, "ordering": "full_name"}).json()["results"]
        assert {row["is_service_account"] for row in rows} == {value == "true"}
        return [row["full_name"] for row in rows]

    assert found("true") == ["Monitoring"]
    assert found("false") == ["Alice", "Dan"]
    assert client.get(at(alice)).json()["is_service_account"] is False
    refused = client.patch(f"{USERS}{account['id']}/", {"is_service_account": False})
    assert pointers(refused.json()) == [("/is_service_account", "read_only")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"email": "ALICE@acme.example"}, ["Alice"]),
        ({"username": "A.Gent"}, ["Alice"]),
        ({"employee_number": "e-1"}, ["Alice"]),
        ({"user_type__in": "agent,admin"}, ["Alice", "Dan"]),
        ({"is_vip": "true"}, ["Bob"]),
        ({"is_active": "false"}, ["Carol"]),
        ({"search": "a.gent"}, ["Alice"]),
        ({"search": "E-1"}, ["Alice"]),
        ({"search": "bob@"}, ["Bob"]),
        ({"created_at__gte": "2199-01-01T00:00:00Z"}, []),
        ({"ordering": "-full_name"}, ["Dan", "Carol", "Bob", "Alice"]),
    ],
)
def test_people_are_found(*, acme, api, alice, bob, carol, dan, query, found):
    client = api(dan)
    body = {"username": "a.gent", "employee_number": "E-1"}
    assert client.patch(at(alice), body).status_code == 200
    assert client.patch(at(bob), {"is_vip": True}).status_code == 200
    assert client.post(at(carol, "deactivate")).status_code == 200

    assert [row["full_name"] for row in client.get(USERS, query).json()["results"]] == found


def test_people_are_found_by_where_they_belong_and_shown_with_it(acme, api, alice, bob, dan):
    with acme.entered():
        values = {"department": factories.DepartmentFactory(), "site": factories.SiteFactory(), "manager": dan}
        User.objects.filter(pk=alice.pk).update(**values)
    client = api(dan)

    for name, row in values.items():
        for query in ({name: row.pk}, {f"{name}__in": row.pk}):
            assert [found["id"] for found in client.get(USERS, query).json()["results"]] == [str(alice.pk)]
    shown = client.get(at(alice), {"expand": "department,site,manager"}).json()
    assert shown["department"]["name"] == values["department"].name
    assert shown["site"]["name"] == values["site"].name
    assert shown["manager"] == {"id": str(dan.pk), "full_name": "Dan"}


# --- creating and changing


def test_an_administrator_creates_somebody_who_has_the_role_of_their_type(acme, api, dan):
    answer = api(dan).post(
        USERS,
        {
            "email": "New.One@Acme.example",
            "full_name": "New One",
            "user_type": "agent",
            "username": "New",
            "phone": "+1",
        },
    )

    assert answer.status_code == 201
    created = answer.json()
    assert (created["email"], created["username"], created["is_active"]) == ("New.One@Acme.example", "New", True)
    assert answer["Location"] == f"{USERS}{created['id']}/"
    with acme.entered():
        user = User.objects.get(pk=created["id"])
    assert (user.email_normalised, user.username_normalised) == ("new.one@acme.example", "new")
    assert not user.has_usable_password()
    assert roles(acme, user) == ["Agent"]
    assert facts(acme, user) == ["user.created"]


@pytest.mark.bar(6)
@pytest.mark.parametrize("field", ["password", "is_active", "is_staff", "deleted_at", "email_normalised", "version"])
def test_nothing_but_the_writable_is_written(acme, api, dan, alice, field):
    body = assert_problem(api(dan).patch(at(alice), {field: "x"}), 400, "invalid")

    assert pointers(body)[0][0] == f"/{field}"
    assert again(acme, alice).version == alice.version


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_only_administrators_write(request, *, acme, api, dan, who):
    caller = request.getfixturevalue(who)
    other = person(acme, "erin", UserType.END_USER)
    client = api(caller)

    assert client.post(USERS, {"email": "x@acme.example", "full_name": "X"}).status_code == 403
    assert client.post(f"{USERS}invite/", {"email": "x@acme.example", "full_name": "X"}).status_code == 403
    assert client.post(f"{USERS}import/", {"csv": "email\nx@acme.example\n"}).status_code == 403
    # An end user does not even see them.
    expected = 404 if who == "bob" else 403
    assert client.patch(at(other), {"full_name": "X"}).status_code == expected
    assert client.delete(at(other)).status_code == expected
    for verb in VERBS:
        assert client.post(at(other, verb)).status_code == expected, verb
    assert facts(acme, other) == []
    with acme.entered():
        assert not User.objects.filter(email_normalised="x@acme.example").exists()


@pytest.mark.parametrize("column", ["username", "employee_number"])
def test_names_are_unique_in_their_organization_however_they_are_spelled(*, acme, api, dan, alice, mallory, column):
    assert api(dan).patch(at(alice), {column: "Straße 1"}).status_code == 200
    assert api(mallory).patch(at(mallory), {column: "STRASSE 1"}).status_code == 200

    assert_problem(api(dan).patch(at(dan), {column: "STRASSE 1"}), 409, "duplicate")
    assert api(dan).patch(at(alice), {column: ""}).status_code == 200
    assert api(dan).patch(at(dan), {column: ""}).status_code == 200


def test_another_type_brings_its_role_and_takes_the_old_one_on_the_next_request(acme, api, dan, alice):
    client = api(alice)
    assert client.get(f"{USERS}{dan.pk}/").status_code == 200

    assert api(dan).patch(at(alice), {"user_type": "end_user"}).status_code == 200

    assert client.get(f"{USERS}{dan.pk}/").status_code == 404
    assert roles(acme, alice) == ["End User"]
    assert api(dan).patch(at(alice), {"user_type": "admin"}).status_code == 200
    assert client.get(f"{USERS}{dan.pk}/").status_code == 200
    assert client.post(f"{USERS}", {"email": "x@acme.example", "full_name": "X"}).status_code == 201
    assert facts(acme, alice) == ["user.updated", "user.updated"]


@pytest.fixture
def personnel(acme, bob):
    """Bob may write users, and has nothing else."""
    with acme.entered():
        role = factories.RoleFactory(name="Personnel")
        for action in ("create", "read", "update", "delete"):
            factories.GrantFactory(role=role, resource="users", action=action, reach="organization")
        factories.RoleAssignmentFactory(role=role, user=bob)
    return bob


@pytest.mark.parametrize("change", [{"email": "mine@evil.example"}, {"user_type": "end_user"}])
def test_nobody_takes_over_an_account_that_may_more_than_they_do(acme, api, personnel, dan, change):
    """Whoever chooses the address gets the mail that sets the password."""
    person(acme, "erin", UserType.ADMIN)

    body = assert_problem(api(personnel).patch(at(dan), change), 403, "missing_grant")

    assert body["grant"]
    assert (again(acme, dan).email, roles(acme, dan), facts(acme, dan)) == (dan.email, ["Admin"], [])
    assert api(personnel).patch(at(dan), {"full_name": "Dan D."}).status_code == 200


@pytest.mark.parametrize("user_type", ["agent", "manager", "admin"])
def test_nobody_makes_somebody_who_may_more_than_they_do(acme, api, personnel, user_type):
    other = person(acme, "erin", UserType.END_USER)
    body = {"email": "x@acme.example", "full_name": "X", "user_type": user_type}

    assert_problem(api(personnel).post(USERS, body), 403, "missing_grant")
    assert_problem(api(personnel).post(f"{USERS}invite/", body), 403, "missing_grant")
    assert_problem(api(personnel).patch(at(other), {"user_type": user_type}), 403, "missing_grant")
    assert_problem(api(personnel).patch(at(personnel), {"user_type": user_type}), 403, "missing_grant")

    assert (roles(acme, other), roles(acme, personnel)) == (["End User"], ["End User", "Personnel"])
    assert api(personnel).post(USERS, {**body, "user_type": "end_user"}).status_code == 201


def test_managers_form_no_circle(acme, api, dan, alice, bob):
    client = api(dan)
    assert client.patch(at(alice), {"manager": str(bob.pk)}).status_code == 200
    assert client.patch(at(bob), {"manager": str(dan.pk)}).status_code == 200

    body = assert_problem(client.patch(at(dan), {"manager": str(alice.pk)}), 400, "invalid")
    assert pointers(body) == [("/manager", "cycle")]
    assert pointers(assert_problem(client.patch(at(dan), {"manager": str(dan.pk)}), 400, "invalid")) == [
        ("/manager", "cycle")
    ]
    assert again(acme, dan).manager_id is None


def test_two_opposite_moves_at_once_close_no_circle(fresh_database, acme, api, dan, alice, bob):
    clients = [api(dan), api(dan)]

    answers = at_once(
        [
            lambda: clients[0].patch(at(alice), {"manager": str(bob.pk)}),
            lambda: clients[1].patch(at(bob), {"manager": str(alice.pk)}),
        ]
    )

    assert sorted(answer.status_code for answer in answers) == [200, 400]


def test_everybody_changes_a_few_things_about_themselves(acme, api, bob):
    client = api(bob)
    answer = client.patch(
        ME, {"phone": "+49 30 1", "time_zone": "Europe/Berlin", "language": "de", "full_name": "Bob B."}
    )

    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in ("phone", "time_zone", "language", "full_name")} == {
        "phone": "+49 30 1",
        "time_zone": "Europe/Berlin",
        "language": "de",
        "full_name": "Bob B.",
    }
    for field in ("user_type", "email", "username", "employee_number", "job_title", "department", "site", "manager"):
        body = assert_problem(client.patch(ME, {field: "x"}), 400, "invalid")
        assert pointers(body) == [(f"/{field}", "read_only")]
    for field in ("is_vip", "is_active"):
        assert pointers(assert_problem(client.patch(ME, {field: True}), 400, "invalid")) == [
            (f"/{field}", "unknown_field")
        ]


# --- accounts


@pytest.mark.bar(22)
@pytest.mark.asvs("7.4.2", "8.3.2")
@pytest.mark.parametrize("verb", ["deactivate", "delete"])
def test_who_is_kept_out_is_out_on_the_next_call(*, acme, api, dan, alice, verb):
    client = api(alice)
    pair = api().post("/api/v1/auth/token/", {"email": alice.email, "password": PASSWORD}).json()
    assert client.get(ME).status_code == 200

    answer = api(dan).post(at(alice, "deactivate")) if verb == "deactivate" else api(dan).delete(at(alice))
    assert answer.status_code in {200, 204}

    assert_problem(client.get(ME), 401, "session_ended")
    assert_problem(api().post("/api/v1/auth/token/refresh/", {"refresh": pair["refresh"]}), 401, "session_ended")
    assert api().post("/api/v1/auth/token/", {"email": alice.email, "password": PASSWORD}).status_code == 401
    assert live_sessions(acme, alice) == 0

    assert api(dan).post(at(alice, "activate" if verb == "deactivate" else "restore")).status_code == 200
    assert_problem(client.get(ME), 401, "session_ended")
    assert api().post("/api/v1/auth/token/", {"email": alice.email, "password": PASSWORD}).status_code == 200


def test_what_is_done_already_is_an_illegal_transition(acme, api, dan, alice):
    client = api(dan)

    assert assert_problem(client.post(at(alice, "activate")), 409, "illegal_transition")["current_status"] == "active"
    assert client.post(at(alice, "deactivate")).json()["is_active"] is False
    assert (
        assert_problem(client.post(at(alice, "deactivate")), 409, "illegal_transition")["current_status"] == "inactive"
    )
    assert_problem(client.post(at(alice, "send-password-reset")), 409, "illegal_transition")
    assert client.delete(at(alice)).status_code == 204
    for verb in ("activate", "deactivate", "unlock", "reset-mfa", "revoke-sessions", "send-password-reset"):
        found = assert_problem(client.post(at(alice, verb)), 409, "illegal_transition")
        assert found["current_status"] == "deleted", verb
    assert client.get(at(alice)).status_code == 404
    assert client.post(at(alice, "restore")).json()["is_active"] is False
    assert facts(acme, alice) == ["user.deactivated", "user.deleted", "user.restored"]


def test_revoking_sessions_ends_them_all_and_nobody_elses(acme, api, dan, alice, bob):
    hers, his, admins = [api(alice), api(alice)], api(bob), api(dan)

    assert admins.post(at(alice, "revoke-sessions")).status_code == 204

    for client in hers:
        assert_problem(client.get(ME), 401, "session_ended")
    assert (his.get(ME).status_code, admins.get(ME).status_code) == (200, 200)
    with acme.entered():
        assert Event.objects.get(name="user.sessions_ended").data == {"sessions_ended": 2}


def test_unlocking_is_recorded(acme, api, dan, alice):
    assert api(dan).post(at(alice, "unlock")).status_code == 200
    assert facts(acme, alice) == ["user.unlocked"]


@pytest.mark.parametrize("verb", ["deactivate", "delete"])
def test_nobody_removes_themselves(acme, api, dan, verb):
    person(acme, "erin", UserType.ADMIN)
    answer = api(dan).post(at(dan, "deactivate")) if verb == "deactivate" else api(dan).delete(at(dan))

    assert_problem(answer, 409, "oneself")
    assert again(acme, dan).may_sign_in


def last(acme, api, dan, change):
    assert_problem(change(), 409, "last_administrator")
    assert (again(acme, dan).may_sign_in, roles(acme, dan), facts(acme, dan)) == (True, ["Admin"], [])


def test_the_last_administrator_is_neither_removed_nor_demoted(acme, api, dan, personnel):
    # Somebody who only carries the name of one is none.
    with acme.entered():
        factories.UserFactory(user_type=UserType.ADMIN)
    asleep = person(acme, "erin", UserType.ADMIN)
    with acme.entered():
        User.objects.filter(pk=asleep.pk).update(is_active=False)

    last(acme, api, dan, lambda: api(dan).patch(at(dan), {"user_type": "agent"}))
    last(acme, api, dan, lambda: api(personnel).post(at(dan, "deactivate")))
    last(acme, api, dan, lambda: api(personnel).delete(at(dan)))

    person(acme, "frank", UserType.ADMIN)
    assert api(dan).patch(at(dan), {"user_type": "agent"}).status_code == 200


def test_the_last_administrator_keeps_their_role(acme, api, dan):
    client = api(dan)
    with acme.entered():
        held = RoleAssignment.objects.get(user=dan)
        team = factories.TeamFactory()
    path = f"/api/v1/role-assignments/{held.pk}/"

    last(acme, api, dan, lambda: client.delete(path))
    last(acme, api, dan, lambda: client.patch(path, {"limited_to_team": str(team.pk)}))

    person(acme, "erin", UserType.ADMIN)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 403


@pytest.mark.asvs("15.4.2")
def test_of_two_administrators_who_remove_each_other_at_once_one_stays(fresh_database, acme, api, dan):
    erin = person(acme, "erin", UserType.ADMIN)
    clients = [api(dan), api(erin)]

    answers = at_once([lambda: clients[0].post(at(erin, "deactivate")), lambda: clients[1].post(at(dan, "deactivate"))])

    assert sorted(answer.status_code for answer in answers) in ([200, 401], [200, 409])
    with acme.entered():
        assert User.objects.filter(user_type=UserType.ADMIN, is_active=True).count() == 1


# --- invitations


@pytest.mark.bar(26)
def test_an_address_that_anybody_has_is_one_neutral_conflict(*, acme, api, dan, alice, bob, mallory):
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(deleted_at=timezone.now())
    answers = []
    for path in (USERS, f"{USERS}invite/"):
        for email in (alice.email, bob.email, mallory.email, mallory.email.upper()):
            body = assert_problem(api(dan).post(path, {"email": email, "full_name": "X"}), 409, "duplicate")
            answers.append({**body, "request_id": ""})
        answers.append(
            {**assert_problem(api(dan).patch(at(dan), {"email": mallory.email}), 409, "duplicate"), "request_id": ""}
        )

    assert all(answer == answers[0] for answer in answers)
    assert "mallory" not in str(answers[0])


def test_two_invitations_of_one_address_at_once_make_one_user(fresh_database, acme, api, dan, mallory):
    body = {"email": "new@example.com", "full_name": "New"}
    clients = [api(dan), api(mallory)]

    answers = at_once([lambda client=client: client.post(f"{USERS}invite/", body) for client in clients])

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert sorted(answer.json().get("code", "") for answer in answers) == ["", "duplicate"]


# --- a lost phone


@pytest.mark.bar(22)
def test_an_administrator_resets_the_second_factor_of_who_lost_it(acme, api, dan, alice):
    enrol(acme, alice)
    client = api(alice)

    assert api(dan).post(at(alice, "reset-mfa")).status_code == 200

    assert_problem(client.get(ME), 401, "session_ended")
    assert api().post("/api/v1/auth/token/", {"email": alice.email, "password": PASSWORD}).status_code == 200
    with acme.entered():
        assert (TotpDevice.objects.count(), RecoveryCode.objects.count()) == (0, 0)
        assert Event.objects.get(name="user.mfa_reset", subject_id=alice.pk).data == {"sessions_ended": 1}


def test_nobody_resets_their_own_second_factor_or_that_of_who_may_more(*, acme, api, personnel, dan, alice, bob):
    for user in (dan, bob):
        enrol(acme, user)

    assert_problem(api(dan).post(at(dan, "reset-mfa")), 409, "oneself")
    assert_problem(api(personnel).post(at(dan, "reset-mfa")), 403, "missing_grant")
    assert_problem(api(alice).post(at(bob, "reset-mfa")), 403, "missing_grant")
    with acme.entered():
        assert TotpDevice.objects.count() == 2
        assert not Event.objects.filter(name="user.mfa_reset").exists()
