"""API tokens over HTTP: shown once, narrowed by scopes, and dead on the very next request."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import Event, RowChange
from apps.core.models import DenialCount, IdempotencyKey
from apps.organizations.models import Team
from apps.users import api_tokens, token_format
from apps.users.models import ApiToken, ApiTokenUse, RoleAssignment, User
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once

TOKENS, TEAMS, ME = "/api/v1/auth/api-tokens/", "/api/v1/teams/", "/api/v1/auth/me/"
ACCOUNTS = "/api/v1/service-accounts/"
READS = ["teams:read"]


def body(**changes):
    soon = (timezone.now() + timedelta(days=30)).isoformat()
    return {"name": "CI", "scopes": READS, "expires_at": soon, **changes}


def made(api, maker, /, **changes):
    """What the caller is shown when they make a token."""
    answer = api(maker).post(TOKENS, body(**changes))
    assert answer.status_code == 201, answer.content
    return answer.json()


def by(api, text, **headers):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}", **headers)
    return client


def denials(acme):
    with acme.entered():
        return [event.data for event in Event.objects.filter(name="access.denied").order_by("recorded_at")]


@pytest.fixture
def team(acme):
    with acme.entered():
        return Team.objects.create(
            organization_id=acme.id, name="Blue", created_at=timezone.now(), updated_at=timezone.now()
        )


# --- making one


def test_a_token_is_shown_once_and_only_its_hash_is_kept(acme, dan, api):
    shown = made(api, dan, allowed_addresses=["192.0.2.7", "2001:DB8::/32"])

    assert re.fullmatch(r"itsm_test_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}_[0-9a-f]{8}", shown["token"])
    assert (shown["prefix"], shown["user"]) == (shown["token"].split("_")[2], str(dan.pk))
    assert shown["allowed_addresses"] == ["192.0.2.7", "2001:db8::/32"]
    again = api(dan).get(f"{TOKENS}{shown['id']}/").json()
    assert set(shown) - set(again) == {"token"}
    assert (again["last_used_at"], again["last_used_address"]) == (None, None)
    secret = shown["token"].split("_")[3]
    with acme.entered():
        event = Event.objects.get(name="api_token.created")
        told = [str(row) for model in (ApiToken, Event, RowChange, IdempotencyKey) for row in model.objects.values()]
    assert (str(event.subject_id), event.actor_id, event.changes["scopes"]) == (shown["id"], dan.pk, [None, READS])
    assert [row for row in told if secret in row] == []
    assert secret not in api(dan).get(TOKENS).content.decode()


def test_a_second_sending_with_the_same_key_makes_none_and_names_the_first(acme, dan, api):
    client, given = api(dan), body()
    first = client.post(TOKENS, given, headers={"Idempotency-Key": "make-ci"})
    second = client.post(TOKENS, given, headers={"Idempotency-Key": "make-ci"})

    problem = assert_problem(second, 409, "shown_once")
    assert problem["location"] == first["Location"] == f"{TOKENS}{first.json()['id']}/"
    assert "itsm_test" not in second.content.decode()
    with acme.entered():
        assert ApiToken.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"scopes": []}, ("/scopes", "min_length")),
        ({"scopes": ["moon:read"]}, ("/scopes/0", "invalid_choice")),
        ({"scopes": ["teams:read", "teams:fly"]}, ("/scopes/1", "invalid_choice")),
        ({"scopes": ["*:*"]}, ("/scopes/0", "invalid_choice")),
        ({"scopes": ["*:delete"]}, ("/scopes/0", "invalid_choice")),
        ({"scopes": ["teams"]}, ("/scopes/0", "invalid_choice")),
        ({"scopes": "teams:read"}, ("/scopes", "not_a_list")),
        ({"scopes": [7]}, ("/scopes/0", "invalid")),
        ({"expires_at": None}, ("/expires_at", "null")),
        ({"expires_at": "2027-01-01T00:00:00"}, ("/expires_at", "naive")),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ("/expires_at", "out_of_range")),
        ({"allowed_addresses": ["192.0.2.7/24"]}, ("/allowed_addresses/0", "invalid_network")),
        ({"allowed_addresses": ["everywhere"]}, ("/allowed_addresses/0", "invalid_network")),
        ({"token": "itsm_mine"}, ("/token", "unknown_field")),
        ({"secret_hash": "0" * 64}, ("/secret_hash", "unknown_field")),
        ({"prefix": "aaaaaaaa"}, ("/prefix", "read_only")),
    ],
)
def test_what_is_not_accepted_is_named_and_makes_nothing(acme, dan, api, wrong, expected):
    answer = api(dan).post(TOKENS, body(**wrong))

    assert (answer.status_code, pointers(answer.json())) == (400, [expected])
    with acme.entered():
        assert not ApiToken.objects.exists()


def test_an_unknown_scope_is_told_which_there_are(acme, dan, api):
    (error,) = api(dan).post(TOKENS, body(scopes=["moon:read"])).json()["errors"]

    assert "<resource>:<action>, <resource>:* or *:read" in error["detail"]
    assert "teams" in error["detail"]


def test_a_token_lives_a_year_at_most(acme, dan, api):
    at = timezone.now()

    assert api(dan).post(TOKENS, body(expires_at=(at + timedelta(days=365)).isoformat())).status_code == 201
    too_long = api(dan).post(TOKENS, body(expires_at=(at + timedelta(days=365, minutes=5)).isoformat()))
    assert pointers(assert_problem(too_long, 400, "invalid")) == [("/expires_at", "out_of_range")]


# --- using one


def test_a_token_acts_as_its_owner_within_its_scopes(acme, dan, api, team):
    program = by(api, made(api, dan)["token"])

    assert [row["id"] for row in program.get(TEAMS).json()["results"]] == [str(team.pk)]
    assert program.get(ME).json()["id"] == str(dan.pk)
    refused = assert_problem(program.post(TEAMS, {"name": "Green"}), 403, "missing_grant")
    assert refused["grant"] == "teams.create"
    assert_problem(program.get("/api/v1/sites/"), 403, "missing_grant")


def test_an_event_says_that_a_program_did_it(acme, dan, api):
    shown = made(api, dan, scopes=["teams:*"])
    by(api, shown["token"]).post(TEAMS, {"name": "Green"})

    with acme.entered():
        event = Event.objects.get(name="team.created")
    assert (event.actor_id, event.data) == (dan.pk, {"by_api_token": shown["id"]})


def test_a_scope_gives_nothing_that_the_owner_has_not_and_follows_their_roles(acme, dan, alice, api, team):
    program = by(api, made(api, alice, scopes=["teams:*", "audit:*"])["token"])
    assert program.get(TEAMS).status_code == 200
    assert program.post(TEAMS, {"name": "Green"}).status_code == 403
    assert program.get("/api/v1/audit/events/").status_code == 403

    with acme.entered():
        RoleAssignment.objects.filter(user=alice).delete()
    assert program.get(TEAMS).status_code == 403


def test_tickets_stands_for_every_kind_of_ticket(acme, dan, api):
    assert made(api, dan, scopes=["tickets:read"])["scopes"] == ["tickets:read"]


def test_a_token_gives_no_role_beyond_its_scopes(acme, dan, bob, api):
    program = by(api, made(api, dan, scopes=["roles:*"])["token"])
    grants = [{"resource": "audit", "action": "read", "reach": "organization"}]

    refused = assert_problem(program.post("/api/v1/roles/", {"name": "Spy", "grants": grants}), 403, "missing_grant")
    assert refused["grant"] == "audit.read"


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("get", TOKENS, None),
        ("post", TOKENS, {}),
        ("post", "/api/v1/auth/logout/", None),
        ("patch", ME, {"full_name": "Another"}),
    ],
)
def test_what_takes_a_person_takes_no_token(acme, dan, api, method, path, given):
    program = by(api, made(api, dan, scopes=["api_tokens:*", "users:*"])["token"])

    assert_problem(getattr(program, method)(path, given), 403, "sign_in_required")
    with acme.entered():
        assert (ApiToken.objects.count(), User.objects.get(pk=dan.pk).full_name) == (1, "Dan")


def test_a_token_cannot_revoke_itself_or_open_the_admin(acme, dan, api):
    shown = made(api, dan, scopes=["api_tokens:*"])
    program = by(api, shown["token"])

    assert_problem(program.delete(f"{TOKENS}{shown['id']}/"), 403, "sign_in_required")
    assert program.get("/admin/").status_code == 302
    login = program.post("/admin/login/", {"username": dan.email, "password": shown["token"]}, format="multipart")
    assert (login.status_code, program.get(ME).status_code) == (200, 200)


@pytest.mark.parametrize(
    ("allowed", "address", "expected"),
    [
        ([], "203.0.113.9", 200),
        (["203.0.113.9"], "203.0.113.9", 200),
        (["203.0.113.0/24"], "203.0.113.9", 200),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", 200),
        (["2001:db8::/32"], "2001:db8::1", 200),
        (["203.0.113.9"], "203.0.113.10", 401),
        (["203.0.113.0/24"], "2001:db8::1", 401),
        (["2001:db8::/32"], "203.0.113.9", 401),
    ],
)
def test_a_token_is_accepted_from_its_addresses_alone(acme, dan, api, allowed, address, expected):
    program = by(api, made(api, dan, allowed_addresses=allowed)["token"])
    answer = program.get(TEAMS, REMOTE_ADDR=address, headers={"X-Forwarded-For": "203.0.113.9"})

    assert answer.status_code == expected
    if expected == 401:
        assert_problem(answer, 401, "address_not_allowed")
        (told,) = denials(acme)
        assert (told["reason"], told["address"], "by_api_token" in told) == ("address_not_allowed", address, True)


def test_an_operators_token_stays_at_home(acme, operators, operator, api):
    program = by(api, made(api, operator)["token"])

    assert program.get(TEAMS).status_code == 200
    assert program.get(TEAMS, headers={"X-Organization": "operators"}).status_code == 200
    refused = program.get(TEAMS, headers={"X-Organization": "acme"})
    assert assert_problem(refused, 403, "missing_grant")["grant"] == "operator"


# --- the end of one


@pytest.mark.bar(22)
@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("revoked", "token_revoked"),
        ("expired", "token_expired"),
        ("owner deactivated", "token_revoked"),
        ("owner deleted", "token_revoked"),
        ("organization suspended", "token_revoked"),
    ],
)
def test_it_ends_on_the_very_next_request(acme, dan, alice, api, end, code):
    shown = made(api, alice)
    program = by(api, shown["token"])
    assert program.get(TEAMS).status_code == 200

    with acme.entered():
        if end == "expired":
            ApiToken.objects.update(expires_at=timezone.now())
        elif end == "owner deactivated":
            User.objects.filter(pk=alice.pk).update(is_active=False)
        elif end == "owner deleted":
            User.objects.filter(pk=alice.pk).update(deleted_at=timezone.now())
        elif end == "organization suspended":
            type(acme.organization).objects.filter(pk=acme.id).update(status="suspended")
    if end == "revoked":
        assert api(dan).delete(f"{TOKENS}{shown['id']}/").status_code == 204

    assert_problem(program.get(TEAMS), 401, code)
    (told,) = denials(acme)
    assert (told["reason"], told["by_api_token"], told["status"]) == (code, shown["id"], 401)
    assert shown["token"].split("_")[3] not in str(told)


def test_its_owner_lists_and_revokes_it_once(acme, alice, api):
    shown = made(api, alice)
    client = api(alice)
    assert [row["id"] for row in client.get(TOKENS).json()["results"]] == [shown["id"]]

    assert client.delete(f"{TOKENS}{shown['id']}/").status_code == 204
    assert client.get(TOKENS).json()["results"] == []
    assert client.delete(f"{TOKENS}{shown['id']}/").status_code == 404
    with acme.entered():
        event = Event.objects.get(name="api_token.revoked")
    assert (str(event.subject_id), event.actor_id) == (shown["id"], alice.pk)


def test_others_find_it_only_with_the_grant(acme, dan, carol, alice, bob, api):
    shown = made(api, alice)
    for colleague in (bob, carol):
        assert api(colleague).get(TOKENS).json()["results"] == []
        assert api(colleague).get(f"{TOKENS}{shown['id']}/").status_code == 404
        assert api(colleague).delete(f"{TOKENS}{shown['id']}/").status_code == 404

    (seen,) = api(dan).get(TOKENS, {"user": str(alice.pk)}).json()["results"]
    assert (seen["id"], seen["user"], "token" in seen) == (shown["id"], str(alice.pk), False)
    assert by(api, shown["token"]).get(TEAMS).status_code == 200


def test_nobody_makes_a_token_for_another_person(acme, dan, alice, bob, api):
    refused = api(dan).post(TOKENS, body(user=str(alice.pk)))
    assert pointers(assert_problem(refused, 400, "invalid")) == [("/user", "not_a_service_account")]
    assert api(bob).post(TOKENS, body(user=str(alice.pk))).status_code == 403
    with acme.entered():
        assert not ApiToken.objects.exists()


# --- last use


def test_its_last_use_is_stamped_once_a_minute_also_by_a_read_and_by_a_refusal(acme, dan, api):
    shown = made(api, dan)
    program = by(api, shown["token"])
    assert program.post(TEAMS, {"name": "x"}, REMOTE_ADDR="192.0.2.1").status_code == 403
    program.get(TEAMS, REMOTE_ADDR="192.0.2.2")
    row = api(dan).get(f"{TOKENS}{shown['id']}/").json()
    assert row["last_used_address"] == "192.0.2.1"

    with acme.entered():
        ApiTokenUse.objects.update(at=timezone.now() - timedelta(seconds=61))
    program.get(TEAMS, REMOTE_ADDR="192.0.2.2")
    row = api(dan).get(f"{TOKENS}{shown['id']}/").json()
    assert row["last_used_address"] == "192.0.2.2"
    with acme.entered():
        assert ApiTokenUse.objects.count() == 1
        assert not RowChange.objects.filter(table_name="users_apitokenuse").exists()


def test_a_request_by_token_asks_few_questions(acme, dan, api, django_assert_num_queries, settings):
    program = by(api, made(api, dan)["token"])
    program.get(TEAMS)

    # Door, token with owner and organization, rights, page; two are the transaction's own savepoint.
    with django_assert_num_queries(6):
        assert program.get(TEAMS).status_code == 200


@pytest.mark.bar(26)
def test_who_knows_a_tokens_id_alone_is_a_stranger(acme, dan, api):
    shown = made(api, dan)
    start = f"itsm_test_{shown['prefix']}_{'x' * 43}"
    unknown, _ = token_format.make()
    nowhere = f"itsm_test_{unknown}_{'x' * 43}"
    asked = []
    for start_ in (start, nowhere):
        client = by(api, f"{start_}_{token_format.checksum(start_)}")
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(TEAMS)
        assert_problem(answer, 401, "token_invalid")
        assert '"anonymous"' in answer["RateLimit-Policy"]
        assert '"token"' not in answer["RateLimit-Policy"]
        asked.append(len(captured))
    assert asked == [1, 1]
    assert denials(acme) == []
    assert by(api, shown["token"]).get(TEAMS).status_code == 200


# --- races


def test_a_token_that_is_revoked_while_it_is_used_is_refused_from_then_on(fresh_database, acme, dan, api):
    shown = made(api, dan)
    program, owner = by(api, shown["token"]), api(dan)
    calls = [lambda: by(api, shown["token"]).get(TEAMS).status_code for _ in range(6)]
    answers = at_once([*calls, lambda: owner.delete(f"{TOKENS}{shown['id']}/").status_code])

    assert answers[-1] == 204
    assert set(answers[:-1]) <= {200, 401}
    assert [program.get(TEAMS).status_code for _ in range(3)] == [401, 401, 401]


def test_of_many_first_uses_at_once_one_stamps(fresh_database, acme, dan, api):
    text = made(api, dan)["token"]
    clients = [by(api, text) for _ in range(6)]

    assert at_once([lambda client=client: client.get(TEAMS).status_code for client in clients]) == [200] * 6
    with acme.entered():
        assert ApiTokenUse.objects.count() == 1


def test_of_two_who_revoke_it_one_does(fresh_database, acme, dan, alice, api):
    path = f"{TOKENS}{made(api, alice)['id']}/"
    clients = [api(dan), api(alice)]

    assert sorted(at_once([lambda c=c: c.delete(path).status_code for c in clients])) in ([204, 404], [204, 409])
    with acme.entered():
        assert Event.objects.filter(name="api_token.revoked").count() == 1


# --- form


def test_a_token_of_another_environment_or_checksum_costs_no_look_up(acme, api, monkeypatch):
    _, text = token_format.make()
    wrong = text[:-1] + ("0" if text[-1] != "0" else "1")

    def never(*args):
        raise AssertionError("looked up")

    monkeypatch.setattr(api_tokens, "connection", SimpleNamespace(cursor=never))
    for given in (wrong, text.replace("_test_", "_live_"), "itsm_", f"{text}x", text.upper()):
        assert_problem(by(api, given).get(TEAMS), 401, "token_invalid")


def test_the_form_is_found_in_text_and_its_checksum_tells_it_from_look_alikes():
    _, text = token_format.make()
    found = token_format.FORM.search(f"export TOKEN={text}; echo")

    assert found is not None and found[0] == text
    assert token_format.checksum(text.rpartition("_")[0]) == text[-8:]


# --- service accounts


def test_a_service_account_has_no_password_no_mail_and_no_role(acme, dan, api):
    shown = api(dan).post(ACCOUNTS, {"name": "Monitoring"})
    assert (shown.status_code, shown.json()["is_service_account"]) == (201, True)

    with acme.entered():
        account = User.objects.get(pk=shown.json()["id"])
        event = Event.objects.get(name="service_account.created")
        assert not RoleAssignment.objects.filter(user=account).exists()
    assert account.email == f"{account.pk.hex}@service.invalid"
    assert (account.has_usable_password(), account.is_staff, event.subject_id) == (False, False, account.pk)
    signed_in = api().post("/api/v1/auth/token/", {"email": account.email, "password": account.password})
    assert_problem(signed_in, 401, "invalid_credentials")


def test_the_database_keeps_a_service_account_from_a_password_and_from_being_an_administrator(acme, dan, api):
    account_id = api(dan).post(ACCOUNTS, {"name": "Monitoring"}).json()["id"]
    for change in ({"password": "argon2$x"}, {"user_type": "admin"}):
        with pytest.raises(Exception, match="user_service_account"), acme.entered():
            User.objects.filter(pk=account_id).update(**change)


def test_a_service_account_acts_by_its_token_with_the_roles_it_was_given(acme, dan, api, team):
    account = api(dan).post(ACCOUNTS, {"name": "Monitoring"}).json()
    program = by(api, made(api, dan, user=account["id"])["token"])
    assert program.get(TEAMS).status_code == 403

    grants = [{"resource": "teams", "action": "read", "reach": "organization"}]
    role = api(dan).post("/api/v1/roles/", {"name": "Reader", "grants": grants}).json()["id"]
    api(dan).post("/api/v1/role-assignments/", {"role": role, "user": account["id"]})
    assert [row["id"] for row in program.get(TEAMS).json()["results"]] == [str(team.pk)]

    assert api(dan).patch(f"{ACCOUNTS}{account['id']}/", {"is_active": False}).status_code == 200
    assert_problem(program.get(TEAMS), 401, "token_revoked")


def test_only_whoever_may_configure_makes_accounts_and_their_tokens(acme, dan, alice, carol, api):
    account = api(dan).post(ACCOUNTS, {"name": "Monitoring"}).json()["id"]
    for colleague in (alice, carol):
        assert api(colleague).post(ACCOUNTS, {"name": "x"}).status_code == 403
        assert api(colleague).post(TOKENS, body(user=account)).status_code == 403


def test_a_token_of_a_service_account_is_no_way_to_more_than_its_maker_may(acme, dan, alice, api):
    account = api(dan).post(ACCOUNTS, {"name": "Monitoring"}).json()["id"]
    grants = [
        {"resource": "audit", "action": "read", "reach": "organization"},
        {"resource": "teams", "action": "read", "reach": "organization"},
    ]
    mighty = api(dan).post("/api/v1/roles/", {"name": "Mighty", "grants": grants}).json()["id"]
    api(dan).post("/api/v1/role-assignments/", {"role": mighty, "user": account})
    connect = [{"resource": "api_tokens", "action": "configure", "reach": "organization"}]
    connector = api(dan).post("/api/v1/roles/", {"name": "Connector", "grants": connect}).json()["id"]
    api(dan).post("/api/v1/role-assignments/", {"role": connector, "user": str(alice.pk)})

    refused = api(alice).post(TOKENS, body(user=account, scopes=["*:read"]))
    assert assert_problem(refused, 403, "missing_grant")["grant"] == "audit.read"
    assert api(alice).post(TOKENS, body(user=account, scopes=["teams:read"])).status_code == 201


def test_people_are_no_service_accounts(acme, dan, alice, api):
    assert api(dan).get(ACCOUNTS).json()["results"] == []
    assert api(dan).get(f"{ACCOUNTS}{alice.pk}/").status_code == 404
    assert api(dan).delete(f"{ACCOUNTS}{alice.pk}/").status_code == 404


# --- what is told of refusals


def test_a_flood_of_refusals_is_counted_and_the_next_event_says_how_many_went_untold(acme, bob, api, settings):
    settings.ACCESS_DENIED_PER_MINUTE = 3
    client = api(bob)
    for _ in range(8):
        assert client.get(TEAMS).status_code == 403
    assert [event.get("untold") for event in denials(acme)] == [None, None, None]

    with acme.entered():
        DenialCount.objects.filter(actor_id=bob.pk).update(minute=timezone.now() - timedelta(minutes=2))
    client.get(TEAMS)
    client.get(TEAMS)
    assert [event.get("untold") for event in denials(acme)] == [None, None, None, 5, None]


def test_of_many_refusals_at_once_no_more_are_told_than_the_limit(fresh_database, acme, bob, api, settings):
    settings.ACCESS_DENIED_PER_MINUTE = 3
    clients = [api(bob) for _ in range(8)]
    assert at_once([lambda client=client: client.get(TEAMS).status_code for client in clients]) == [403] * 8

    # The minute may have turned in between.
    assert len(denials(acme)) in {3, 4, 5, 6}
