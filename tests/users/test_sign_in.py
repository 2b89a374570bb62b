"""Sign in, stay signed in, sign out (T20 to T22, T26)."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import identify_hasher, make_password
from django.utils import timezone

from apps.audit.models import Event, RowChange
from apps.organizations import services as organization_services
from apps.users import refresh_tokens, services
from apps.users.models import Role, RoleAssignment, Session, User
from tests.conftest import IS_FULL_RUN, person
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.factories import PASSWORD

TOKEN = "/api/v1/auth/token/"
REFRESH = "/api/v1/auth/token/refresh/"
LOGOUT = "/api/v1/auth/logout/"
ME = "/api/v1/auth/me/"
ROUNDS = 200 if IS_FULL_RUN else 3


def sign_in(api, user, password=PASSWORD):
    return api().post(TOKEN, {"email": user.email, "password": password})


def bearer(api, pair):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    return client


def refresh(api, token):
    return api().post(REFRESH, {"refresh": token})


def sessions(tenant):
    with tenant.entered():
        return list(Session.objects.order_by("created_at"))


def facts(tenant, name=""):
    with tenant.entered():
        return [event.name for event in Event.objects.filter(name__startswith=f"user.{name}").order_by("recorded_at")]


def age_session(tenant, **by):
    """Let the sessions be older than they are."""
    with tenant.entered():
        for session in Session.objects.all():
            for column, delta in by.items():
                setattr(session, column, getattr(session, column) - delta)
            session.save()


# --- sign in


def test_signing_in_opens_a_session_and_one_event_and_the_pair_works(acme, bob, api):
    answer = api().post(TOKEN, {"email": bob.email, "password": PASSWORD}, HTTP_USER_AGENT="Firefox" * 100)

    assert (answer.status_code, set(answer.json())) == (200, {"access", "refresh"})
    assert answer["Cache-Control"] == "no-store"
    (session,) = sessions(acme)
    assert (session.user_id, session.address, len(session.user_agent), session.generation) == (
        bob.pk,
        "127.0.0.1",
        300,
        1,
    )
    assert session.idle_until - session.created_at == timedelta(minutes=30)
    assert session.absolute_until - session.created_at == timedelta(hours=12)
    assert facts(acme) == ["user.signed_in"]
    assert bearer(api, answer.json()).get(ME).json()["id"] == str(bob.pk)


@pytest.mark.parametrize("spelling", ["BOB@ACME.EXAMPLE", " bob@acme.example ", "Bob@Acme.Example"])
def test_an_address_signs_in_however_it_is_spelled(acme, bob, api, spelling):
    assert api().post(TOKEN, {"email": spelling, "password": PASSWORD}).status_code == 200


def refused(answer):
    """Body and headers of a refusal without what differs between any two requests."""
    body = assert_problem(answer, 401, "invalid_credentials")
    headers = {name: value for name, value in answer.items() if name != "X-Request-ID"}
    return {**body, "request_id": ""}, headers


@pytest.mark.bar(26)
@pytest.mark.asvs("6.3.8")
def test_nobody_can_tell_why_a_sign_in_was_refused(*, acme, globex, api, bob, alice, carol, dan, mallory):
    nobody = refused(api().post(TOKEN, {"email": "nobody@acme.example", "password": PASSWORD}))
    with acme.entered():
        User.objects.filter(pk=alice.pk).update(is_active=False)
        User.objects.filter(pk=carol.pk).update(deleted_at=timezone.now())
        User.objects.filter(pk=dan.pk).update(password=make_password(None))
    with globex.entered():
        organization_services.suspend(globex.organization, actor=globex.system, at=timezone.now(), reason="unpaid")

    for user, password in (
        (bob, "wrong"),
        (alice, PASSWORD),
        (alice, "wrong"),
        (carol, PASSWORD),
        (dan, PASSWORD),
        (mallory, PASSWORD),
        (mallory, "wrong"),
    ):
        assert refused(sign_in(api, user, password)) == nobody

    assert (sessions(acme), sessions(globex)) == ([], [])
    assert set(facts(acme, "sign")) == {"user.sign_in_failed"}


def test_a_refused_sign_in_is_recorded_with_its_address(acme, bob, api):
    api().post(TOKEN, {"email": bob.email, "password": "wrong"}, REMOTE_ADDR="192.0.2.7")

    with acme.entered():
        event = Event.objects.get(name="user.sign_in_failed")
    assert (event.subject_id, event.data) == (bob.pk, {"address": "192.0.2.7"})


@pytest.mark.asvs("6.2.9")
def test_long_passwords_that_differ_in_the_last_character_are_told_apart(acme, bob, api):
    long = "p" * 199
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(password=make_password(long + "a"))

    assert refused(sign_in(api, bob, long + "b"))
    assert refused(sign_in(api, bob, long))
    assert sign_in(api, bob, long + "a").status_code == 200


@pytest.mark.parametrize(
    ("stored", "given"),
    [(" leading and trailing ", "leading and trailing"), ("Case matters here", "case matters here")],
)
def test_a_password_is_taken_to_the_letter(acme, bob, api, stored, given):
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(password=make_password(stored))

    assert refused(sign_in(api, bob, given))
    assert sign_in(api, bob, stored).status_code == 200


@pytest.mark.asvs("11.4.2")
def test_passwords_are_hashed_by_argon2id_at_the_minimum_of_owasp(real_hashes):
    hashed = make_password("correct horse battery")

    assert identify_hasher(hashed).algorithm == "argon2"
    assert hashed.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.asvs("15.3.5")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/email", "required"), ("/password", "required")]),
        ({"email": ["bob@acme.example"], "password": PASSWORD}, [("/email", "invalid")]),
        ({"email": {"$ne": ""}, "password": {"$ne": ""}}, [("/email", "invalid"), ("/password", "invalid")]),
        ({"email": "bob@acme.example", "password": True}, [("/password", "invalid")]),
        ({"email": "bob@acme.example", "password": None}, [("/password", "null")]),
        ({"email": "bob@acme.example", "password": 0}, [("/password", "invalid")]),
        ({"email": "bob@acme.example", "password": "x" * 1025}, [("/password", "max_length")]),
        ({"email": "b" * 255, "password": "x"}, [("/email", "max_length")]),
        ({"email": "b", "password": "x", "is_admin": True}, [("/is_admin", "unknown_field")]),
    ],
)
def test_sign_in_takes_two_texts_and_nothing_else(acme, bob, api, body, expected):
    assert pointers(assert_problem(api().post(TOKEN, body), 400, "invalid")) == expected
    assert sessions(acme) == []


@pytest.mark.parametrize("url", [TOKEN, REFRESH, LOGOUT, ME])
def test_credentials_in_the_address_are_refused(acme, bob, api, url):
    """They would end in logs of proxies."""
    client = api(bob)
    method = client.get if url == ME else client.post

    body = assert_problem(method(f"{url}?access_token=x&password=y"), 400, "invalid_parameter")
    assert "x" not in body["detail"].split()


@pytest.mark.asvs("14.2.1")
def test_no_token_in_the_address_signs_anybody_in(acme, bob, api):
    pair = sign_in(api, bob).json()
    for name in ("access_token", "token", "jwt", "access", "authorization"):
        assert_problem(api().get(ME, {name: pair["access"]}), 401, "not_authenticated")


def test_a_cookie_signs_nobody_in_to_the_api(acme, bob, api):
    client = api()
    client.cookies["access"] = client.cookies["sessionid"] = sign_in(api, bob).json()["access"]

    assert_problem(client.get(ME), 401, "not_authenticated")


# --- refresh


def test_a_refresh_gives_the_next_pair_and_prolongs_the_idle_time(acme, bob, api):
    first = sign_in(api, bob).json()
    age_session(acme, idle_until=timedelta(minutes=20))
    before = sessions(acme)[0]

    second = refresh(api, first["refresh"]).json()

    (session,) = sessions(acme)
    assert second["refresh"] != first["refresh"]
    assert bearer(api, second).get(ME).status_code == 200
    assert session.idle_until > before.idle_until + timedelta(minutes=19)
    assert (session.absolute_until, session.generation) == (before.absolute_until, 2)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.bar(20)
@pytest.mark.asvs("15.4.2")
def test_of_sixteen_with_one_refresh_token_one_wins_and_the_session_lives(fresh_database, acme, bob, api):
    token = sign_in(api, bob).json()["refresh"]
    for number in range(ROUNDS):
        answers = at_once([lambda token=token: refresh(api, token)] * 16)

        (winner,) = (answer for answer in answers if answer.status_code == 200)
        for answer in answers:
            if answer is not winner:
                assert_problem(answer, 409, "retry_with_new")
        (session,) = sessions(acme)
        assert (session.generation, session.revoked_at) == (number + 2, None)
        assert bearer(api, winner.json()).get(ME).status_code == 200
        token = winner.json()["refresh"]
    assert facts(acme, "token") == []


@pytest.mark.bar(21)
def test_a_used_token_after_the_race_window_ends_the_session_at_once(acme, bob, api):
    stolen = sign_in(api, bob).json()
    mine = refresh(api, stolen["refresh"]).json()
    assert_problem(refresh(api, stolen["refresh"]), 409, "retry_with_new")
    assert bearer(api, mine).get(ME).status_code == 200
    age_session(acme, rotated_at=refresh_tokens.RACE_WINDOW)

    assert_problem(refresh(api, stolen["refresh"]), 401, "token_reused")

    assert_problem(bearer(api, mine).get(ME), 401, "session_ended")
    assert_problem(bearer(api, stolen).get(ME), 401, "session_ended")
    assert_problem(refresh(api, mine["refresh"]), 401, "session_ended")
    assert facts(acme, "token") == ["user.token_reused"]


@pytest.mark.bar(21)
def test_an_older_generation_ends_the_session_even_within_the_window(acme, bob, api):
    first = sign_in(api, bob).json()
    second = refresh(api, first["refresh"]).json()
    third = refresh(api, second["refresh"]).json()

    assert_problem(refresh(api, first["refresh"]), 401, "token_reused")
    assert_problem(refresh(api, third["refresh"]), 401, "session_ended")


@pytest.mark.bar(21)
@pytest.mark.parametrize(
    "change",
    [
        "rubbish",
        "",
        ".",
        "..",
        "empty secret",
        "changed secret",
        "changed session",
        "no signature",
        "another tenant",
        "unicode",
        "access",
    ],
)
def test_what_we_never_issued_is_invalid_and_ends_no_session(acme, globex, bob, api, change):
    pair = sign_in(api, bob).json()
    token = pair["refresh"]
    organization, session, rest = token.split(".", 2)
    forged = {
        "empty secret": f"{organization}.{session}.",
        "changed secret": f"{organization}.{session}.{'A' if rest[0] != 'A' else 'B'}{rest[1:]}",
        "changed session": f"{organization}.{'0' * 32}.{rest}",
        "no signature": token[: len(organization) + len(session) + 2 + 43],
        "another tenant": f"{globex.id.hex}.{session}.{rest}",
        "unicode": f"{organization}.{session}.{'ü' * 43}",
        "access": pair["access"][:200],
    }.get(change, change)

    answer = refresh(api, forged)

    if forged:
        assert_problem(answer, 401, "token_invalid")
    else:
        assert pointers(assert_problem(answer, 400, "invalid")) == [("/refresh", "blank")]
    assert bearer(api, pair).get(ME).status_code == 200
    assert refresh(api, token).status_code == 200


@pytest.mark.asvs("7.3.1", "7.3.2")
@pytest.mark.parametrize(
    ("column", "age"), [("idle_until", timedelta(minutes=31)), ("absolute_until", timedelta(hours=13))]
)
def test_a_session_ends_when_idle_for_30_minutes_or_after_12_hours(acme, bob, api, column, age):
    pair = sign_in(api, bob).json()
    age_session(acme, **{column: age})

    assert_problem(bearer(api, pair).get(ME), 401, "session_ended")
    assert_problem(refresh(api, pair["refresh"]), 401, "session_ended")


def test_tokens_are_kept_only_as_hashes_and_the_row_history_hides_even_these(acme, bob, api):
    pair = sign_in(api, bob).json()
    again = refresh(api, pair["refresh"]).json()
    (session,) = sessions(acme)
    stored = {session.current_hash, session.previous_hash}
    with acme.entered():
        history = [str(row.diff) for row in RowChange.objects.all()]
        log = [str((event.changes, event.data)) for event in Event.objects.all()]

    for secret in (pair["refresh"], again["refresh"], pair["access"], *stored):
        assert not [text for text in (*history, *log) if secret in text]
    assert pair["refresh"] not in stored
    assert all(len(value) == 64 for value in stored)


# --- sign out, and what ends a session from outside


@pytest.mark.bar(22)
@pytest.mark.asvs("7.4.1")
def test_signing_out_ends_this_session_and_no_other(acme, bob, api):
    here, there = sign_in(api, bob).json(), sign_in(api, bob).json()

    assert bearer(api, here).post(LOGOUT).status_code == 204

    assert_problem(bearer(api, here).get(ME), 401, "session_ended")
    assert_problem(bearer(api, here).post(LOGOUT), 401, "session_ended")
    assert_problem(refresh(api, here["refresh"]), 401, "session_ended")
    assert bearer(api, there).get(ME).status_code == 200
    assert facts(acme, "signed_out") == ["user.signed_out"]


def test_signing_out_takes_no_input(acme, bob, api):
    client = bearer(api, sign_in(api, bob).json())

    assert_problem(client.post(LOGOUT, {"everywhere": True}), 400, "invalid")
    assert client.get(ME).status_code == 200


@pytest.mark.bar(22)
@pytest.mark.asvs("7.4.2", "8.3.2")
@pytest.mark.parametrize("change", [{"is_active": False}, {"deleted_at": timezone.now()}])
def test_somebody_deactivated_is_out_from_the_next_request_on(acme, bob, api, change):
    pair = sign_in(api, bob).json()
    client = bearer(api, pair)
    assert client.get(ME).status_code == 200
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(**change)

    assert_problem(client.get(ME), 401, "session_ended")
    assert_problem(client.patch(ME, {"full_name": "Still here"}), 401, "session_ended")
    assert_problem(refresh(api, pair["refresh"]), 401, "session_ended")
    assert refused(sign_in(api, bob))
    with acme.entered():
        assert User.objects.get(pk=bob.pk).full_name == "Bob"


@pytest.mark.bar(22)
@pytest.mark.asvs("8.3.2")
def test_a_suspended_organization_is_out_from_the_next_request_on(acme, bob, api):
    pair = sign_in(api, bob).json()
    client = bearer(api, pair)
    with acme.entered():
        organization_services.suspend(acme.organization, actor=acme.system, at=timezone.now(), reason="unpaid")

    assert_problem(client.get(ME), 401, "session_ended")
    assert_problem(refresh(api, pair["refresh"]), 401, "session_ended")
    assert refused(sign_in(api, bob))


@pytest.mark.bar(22)
@pytest.mark.asvs("8.3.2")
def test_a_role_change_holds_on_the_next_request(acme, dan, api):
    client = bearer(api, sign_in(api, dan).json())
    assert client.post("/api/v1/teams/", {"name": "Blue"}).status_code == 201
    with acme.entered():
        RoleAssignment.objects.filter(user_id=dan.pk).update(role=Role.objects.get(key="agent"))

    assert_problem(client.post("/api/v1/teams/", {"name": "Red"}), 403, "missing_grant")
    assert client.get("/api/v1/teams/").status_code == 200


# --- me


def test_somebody_sees_themselves_and_nothing_secret(acme, bob, api):
    answer = api(bob).get(ME)

    assert answer["ETag"] == '"1"'
    assert set(answer.json()) == {
        "id", "email", "full_name", "username", "employee_number", "job_title", "phone", "user_type", "department",
        "site", "manager", "time_zone", "language", "presence", "out_of_office", "created_at", "updated_at", "version",
    }  # fmt: skip


def test_somebody_changes_their_own_name_zone_and_language(acme, bob, alice, api):
    given = {"full_name": "Robert", "time_zone": "Asia/Tokyo", "language": "de"}

    answer = api(bob).patch(ME, given, HTTP_IF_MATCH='"1"')

    assert ({key: answer.json()[key] for key in given}, answer["ETag"]) == (given, '"2"')
    assert api(bob).get(ME).json() == answer.json()
    assert api(alice).get(ME).json()["full_name"] == "Alice"
    with acme.entered():
        event = Event.objects.get(name="user.updated")
    assert (event.subject_id, event.actor_id) == (bob.pk, bob.pk)
    assert event.changes == {
        "full_name": ["Bob", "Robert"],
        "time_zone": ["UTC", "Asia/Tokyo"],
        "language": ["en", "de"],
    }


@pytest.mark.bar(6)
@pytest.mark.asvs("15.3.3")
@pytest.mark.parametrize(
    "field",
    [
        "id", "email", "user_type", "department", "site", "version", "created_at", "password", "is_active", "is_staff",
        "is_superuser", "organization_id", "organization", "email_normalised", "deleted_at", "role", "sessions",
    ],
)  # fmt: skip
def test_nobody_promotes_themselves(acme, bob, api, field):
    answer = api(bob).patch(ME, {field: "admin", "full_name": "Bob the Admin"})

    (error,) = assert_problem(answer, 400, "invalid")["errors"]
    assert (error["pointer"], error["code"] in {"read_only", "unknown_field"}) == (f"/{field}", True)
    with acme.entered():
        assert User.objects.values_list("full_name", "user_type", "version").get(pk=bob.pk) == ("Bob", "end_user", 1)


def test_two_people_may_share_a_name_but_not_an_address(acme, globex, bob):
    assert person(globex, "bob", "agent").full_name == "Bob"
    assert services.find_user("BOB@acme.example") == (bob.pk, acme.id)
    assert services.find_user("nobody@acme.example") is None
