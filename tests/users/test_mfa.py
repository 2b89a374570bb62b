"""The second factor over the API: set up, asked for, used once, recovered, turned off (T23, T24)."""

import shutil
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from django.contrib.auth.hashers import identify_hasher
from django.utils import timezone

from apps.audit.models import Event, RowChange
from apps.core.errors import Conflict, Denied, NotSignedIn
from apps.core.secrets import decrypt
from apps.users import mfa, mfa_tokens, services
from apps.users.api.credentials import own_user
from apps.users.models import RecoveryCode, Role, Session, TotpDevice, User
from tests.conftest import IS_FULL_RUN
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.factories import PASSWORD, TeamFactory, TeamMemberFactory
from tests.users.second_factor import ME, RECOVERY_CODE, SECOND, TOKEN, Authenticator, enrol, pass_time, unused

SETUP, CONFIRM = "/api/v1/auth/mfa/setup/", "/api/v1/auth/mfa/confirm/"
DISABLE, RENEW = "/api/v1/auth/mfa/disable/", "/api/v1/auth/mfa/recovery-codes/"
ROUNDS = 100 if IS_FULL_RUN else 3
THREADS = 20


def password_step(api, user):
    return api().post(TOKEN, {"email": user.email, "password": PASSWORD})


def mfa_token(api, user, code="mfa_required"):
    return assert_problem(password_step(api, user), 401, code)["mfa_token"]


def second_step(api, token, code):
    return api().post(SECOND, {"mfa_token": token, "code": code})


def bearer(api, answer):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
    return client


def facts(tenant):
    with tenant.entered():
        return list(
            Event.objects.filter(name__startswith="user.").order_by("recorded_at").values_list("name", flat=True)
        )


def require_of(tenant, key):
    with tenant.entered():
        Role.objects.filter(key=key).update(requires_mfa=True)


def live_sessions(tenant):
    with tenant.entered():
        return Session.objects.filter(revoked_at=None).count()


# --- setting up


def test_somebody_sets_up_a_second_factor_and_is_asked_for_it_from_then_on(acme, bob, api):
    client = api(bob)
    setup = client.post(SETUP).json()
    uri = urlsplit(setup["otpauth_uri"])
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/ITSM:bob%40acme.example")
    assert parse_qs(uri.query) == {"secret": [setup["secret"]], "issuer": ["ITSM"]}
    assert setup["qr_svg"].startswith("<svg")
    assert password_step(api, bob).status_code == 200, "what is not confirmed counts for nothing"

    codes = client.post(CONFIRM, {"code": Authenticator(setup["secret"]).code()}).json()["recovery_codes"]

    assert len(set(codes)) == 10
    token = mfa_token(api, bob)
    answer = second_step(api, token, Authenticator(setup["secret"]).code(steps=1))
    assert bearer(api, answer).get(ME).json()["id"] == str(bob.pk)
    assert second_step(api, mfa_token(api, bob), codes[0]).status_code == 200
    assert facts(acme) == [
        "user.signed_in",
        "user.signed_in",
        "user.mfa_enabled",
        "user.signed_in",
        "user.recovery_code_used",
        "user.signed_in",
    ]


@pytest.mark.asvs("6.5.2", "6.5.3", "11.3.3")
def test_secrets_are_encrypted_and_codes_hashed_and_no_log_holds_either(real_hashes, acme, bob, api):
    client = api(bob)
    secret = client.post(SETUP).json()["secret"]
    codes = client.post(CONFIRM, {"code": Authenticator(secret).code()}).json()["recovery_codes"]

    with acme.entered():
        device, rows = TotpDevice.objects.get(), list(RecoveryCode.objects.order_by("position"))
        history = " ".join(str(change.diff) for change in RowChange.objects.all())
        log = " ".join(str((event.changes, event.data)) for event in Event.objects.all())
    assert len(secret) == 32, "20 bytes in base 32"
    assert secret not in device.secret
    assert decrypt(device.secret) == secret
    assert {identify_hasher(row.code_hash).algorithm for row in rows} == {"argon2"}
    assert all(row.code_hash.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$") for row in rows)
    kept = [device.secret, secret, *(row.code_hash for row in rows), *(code.partition("-")[2] for code in codes)]
    assert not [text for text in kept if text in history or text in log]


@pytest.mark.asvs("6.5.4")
def test_recovery_codes_have_fifty_bits():
    shown = [code for _ in range(3) for code, _ in mfa._hashed_codes()]

    assert len(mfa.ALPHABET) ** mfa.CODE_LENGTH == 2**50
    assert {len(code) for code in shown} == {len("3-abcde-fghij")}
    assert len({code[2:] for code in shown}) == 30


def test_a_wrong_code_confirms_nothing(acme, bob, api):
    client = api(bob)
    client.post(SETUP)

    for code in ("000000", "abcdef", "12345", "1234567", "３３３３３３", RECOVERY_CODE):
        assert pointers(assert_problem(client.post(CONFIRM, {"code": code}), 400, "wrong_code")) == [
            ("/code", "wrong_code")
        ]

    assert password_step(api, bob).status_code == 200
    assert_problem(api(bob).post(CONFIRM), 400, "invalid")


def test_there_must_be_something_to_confirm_and_nothing_is_set_up_twice(acme, bob, alice, api):
    assert_problem(api(bob).post(CONFIRM, {"code": "123456"}), 409, "no_mfa_setup")
    device = enrol(acme, bob)
    assert_problem(api(bob).post(SETUP), 409, "mfa_enabled")
    assert_problem(api(bob).post(CONFIRM, {"code": device.code()}), 409, "no_mfa_setup")
    assert_problem(api(alice).post(DISABLE, {"code": device.code()}), 409, "mfa_not_enabled")
    assert_problem(api(alice).post(RENEW, {"code": device.code()}), 409, "mfa_not_enabled")


def test_setting_up_needs_a_session_or_a_token(acme, bob, api):
    assert_problem(api().post(SETUP), 401, "not_authenticated")
    assert_problem(api().post(CONFIRM, {"code": "123456"}), 401, "not_authenticated")
    assert_problem(api().post(SETUP, {"mfa_token": "made.up"}), 401, "token_invalid")
    with acme.entered():
        assert not TotpDevice.objects.exists()


def test_a_second_setup_makes_the_first_worthless(acme, bob, api):
    client = api(bob)
    first, second = client.post(SETUP).json()["secret"], client.post(SETUP).json()["secret"]

    assert_problem(client.post(CONFIRM, {"code": Authenticator(first).code()}), 400, "wrong_code")
    assert client.post(CONFIRM, {"code": Authenticator(second).code()}).status_code == 200


# --- being asked for it


@pytest.mark.asvs("6.5.1")
def test_a_code_is_accepted_once_and_none_older_than_it(acme, bob, api):
    device = enrol(acme, bob)
    now, before = device.code(), device.code(steps=-1)
    assert second_step(api, mfa_token(api, bob), now).status_code == 200

    assert_problem(second_step(api, mfa_token(api, bob), now), 401, "wrong_code")
    assert_problem(second_step(api, mfa_token(api, bob), before), 401, "wrong_code")

    assert second_step(api, mfa_token(api, bob), device.code(steps=1)).status_code == 200
    assert facts(acme).count("user.second_factor_failed") == 2


@pytest.mark.bar(23)
@pytest.mark.parametrize(("steps", "is_accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_differ_by_one_step_and_no_more(acme, bob, steps, is_accepted):
    enrol(acme, bob)
    at = datetime(2026, 11, 21, 12, 0, 29, tzinfo=UTC)
    code = pyotp.TOTP(Authenticator().secret).at(at + timedelta(seconds=30 * steps))

    with acme.entered():
        assert mfa.use_code(bob, actor=bob.as_actor(), at=at, code=code) is is_accepted


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_vectors_of_rfc_6238_are_accepted(acme, bob, second, code):
    """Appendix B, SHA-1, the last six of its eight digits."""
    enrol(acme, bob)
    at = datetime.fromtimestamp(second, UTC)

    with acme.entered():
        assert mfa.use_code(bob, actor=bob.as_actor(), at=at, code=code)
        assert not mfa.use_code(bob, actor=bob.as_actor(), at=at, code=code)


@pytest.mark.skipif(shutil.which("oathtool") is None, reason="oathtool is not installed")
def test_another_implementation_agrees(acme, bob, api):
    secret = api(bob).post(SETUP).json()["secret"]
    code = subprocess.run(
        ["oathtool", "--totp", "-b", secret], capture_output=True, text=True, check=True
    ).stdout.strip()

    assert api(bob).post(CONFIRM, {"code": code}).status_code == 200


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.bar(23)
@pytest.mark.asvs("6.5.1")
def test_of_twenty_with_one_code_one_gets_through(fresh_database, acme, bob):
    device = enrol(acme, bob)

    def use(at, code):
        with acme.entered():
            return mfa.use_code(bob, actor=bob.as_actor(), at=at, code=code)

    for _ in range(ROUNDS):
        unused(acme)
        at, code = timezone.now(), device.code()

        assert sorted(at_once([lambda at=at, code=code: use(at, code)] * THREADS)) == [*[False] * (THREADS - 1), True]


@pytest.mark.bar(23)
@pytest.mark.asvs("6.5.1")
def test_of_twenty_with_one_code_over_http_one_signs_in_and_the_rest_are_counted(fresh_database, acme, bob, api):
    device = enrol(acme, bob)
    token, code = mfa_token(api, bob), device.code()

    answers = at_once([lambda: second_step(api, token, code)] * THREADS)

    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 401, 429}
    assert live_sessions(acme) == 1
    # Whether the winner forgot the losers' failures depends on who came last; the code is worth nothing either way.
    assert second_step(api, token, code).status_code in {401, 429}
    assert live_sessions(acme) == 1


@pytest.mark.bar(24)
@pytest.mark.asvs("6.5.1")
def test_of_twenty_with_one_recovery_code_one_signs_in(fresh_database, acme, bob, api):
    enrol(acme, bob)
    token = mfa_token(api, bob)

    answers = at_once([lambda: second_step(api, token, RECOVERY_CODE)] * THREADS)

    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 401, 429}
    assert live_sessions(acme) == 1
    assert facts(acme).count("user.recovery_code_used") == 1


@pytest.mark.parametrize("spelling", [RECOVERY_CODE, RECOVERY_CODE.upper(), f" {RECOVERY_CODE} ", "3-abcde23456"])
def test_a_recovery_code_is_taken_however_it_is_typed_but_once(acme, bob, api, spelling):
    enrol(acme, bob)

    assert second_step(api, mfa_token(api, bob), spelling).status_code == 200
    assert_problem(second_step(api, mfa_token(api, bob), RECOVERY_CODE), 401, "wrong_code")


@pytest.mark.parametrize(
    "code", ["3-abcde-23457", "4-abcde-23456", "3-", "-", "33-abcde-23456", "²-abcde-23456", "x" * 32]
)
def test_what_is_no_code_opens_nothing(acme, bob, api, code):
    enrol(acme, bob)

    assert_problem(second_step(api, mfa_token(api, bob), code), 401, "wrong_code")
    assert live_sessions(acme) == 0


# --- the token between


def test_the_token_opens_nothing_by_itself_and_sets_nothing_up_for_who_is_enrolled(acme, bob, api):
    enrol(acme, bob)
    token = mfa_token(api, bob)
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    assert_problem(client.get(ME), 401, "token_invalid")
    assert_problem(api().post(SETUP, {"mfa_token": token}), 401, "token_invalid")
    assert_problem(api().post(CONFIRM, {"mfa_token": token, "code": "123456"}), 401, "token_invalid")
    assert (
        pointers(assert_problem(api().post(DISABLE, {"mfa_token": token, "code": "1"}), 401, "not_authenticated")) == []
    )


def test_the_token_lives_five_minutes(acme, bob):
    enrol(acme, bob)
    at = timezone.now()
    with acme.entered():
        token = mfa_tokens.challenge(User.objects.get(pk=bob.pk), mfa_tokens.REQUIRED, at=at).extra["mfa_token"]

    assert mfa_tokens.read(token, at=at + timedelta(seconds=298)).user_id == bob.pk
    with pytest.raises(NotSignedIn, match="expired"):
        mfa_tokens.read(token, at=at + timedelta(seconds=301))


@pytest.mark.parametrize(
    "change", [{"password": "argon2$another"}, {"is_active": False}, {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}]
)
def test_the_token_ends_with_the_password_and_the_account(acme, bob, api, change):
    device = enrol(acme, bob)
    token = mfa_token(api, bob)
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(**change)

    assert_problem(second_step(api, token, device.code()), 401, "token_invalid")
    assert live_sessions(acme) == 0


def test_a_changed_token_is_invalid(acme, globex, bob, api):
    device = enrol(acme, bob)
    token = mfa_token(api, bob)

    for forged in (
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        f"x{token}",
        token.partition(":")[0],
        "",
        ":",
        "a:b:c",
    ):
        answer = second_step(api, forged, device.code())
        assert answer.status_code in {400, 401}
        assert answer.json()["code"] in {"token_invalid", "invalid"}
    assert second_step(api, token, device.code()).status_code == 200


# --- being required to have one


def test_an_organization_demands_it_and_signing_in_leads_through_the_set_up(acme, bob, dan, api):
    assert api(dan).patch("/api/v1/organizations/current/", {"requires_mfa": True}).json()["requires_mfa"] is True
    token = mfa_token(api, bob, "mfa_setup_required")

    setup = api().post(SETUP, {"mfa_token": token}).json()
    assert_problem(second_step(api, token, "123456"), 401, "mfa_setup_required")
    device = Authenticator(setup["secret"])
    codes = api().post(CONFIRM, {"mfa_token": token, "code": device.code()}).json()["recovery_codes"]

    assert len(codes) == 10
    assert second_step(api, mfa_token(api, bob), device.code(steps=1)).status_code == 200


@pytest.mark.parametrize(
    "way", ["the role itself", "by a team", "ended", "not begun", "by a deleted team", "another's"]
)
def test_a_role_demands_it_of_whoever_holds_it_now(acme, bob, alice, api, way):
    at = timezone.now()
    with acme.entered():
        role = Role.objects.create(
            organization_id=acme.id, name="Auditor", requires_mfa=True, created_at=at, updated_at=at
        )
        team = TeamFactory(deleted_at=at if way == "by a deleted team" else None)
        TeamMemberFactory(team=team, user=bob)
        holder = {"team": team} if "team" in way else {"user": alice if way == "another's" else bob}
        period = {
            "ended": {"valid_from": at - timedelta(days=2), "valid_until": at - timedelta(days=1)},
            "not begun": {"valid_from": at + timedelta(days=1)},
        }.get(way, {"valid_from": at})
        role.assignments.create(organization_id=acme.id, created_at=at, updated_at=at, **holder, **period)

    answer = password_step(api, bob)

    if way in {"the role itself", "by a team"}:
        assert_problem(answer, 401, "mfa_setup_required")
    else:
        assert answer.status_code == 200


def test_a_built_in_role_may_demand_it_and_nothing_else_of_it_changes(acme, dan, alice, api):
    with acme.entered():
        role = Role.objects.get(key="agent")
    url = f"/api/v1/roles/{role.pk}/"

    assert api(dan).patch(url, {"requires_mfa": True}).json()["requires_mfa"] is True
    assert_problem(api(dan).patch(url, {"requires_mfa": False, "name": "Technician"}), 409, "built_in")
    assert_problem(api(dan).patch(url, {"grants": []}), 409, "built_in")
    assert_problem(api(alice).patch(url, {"requires_mfa": False}), 403, "missing_grant")
    assert_problem(api(dan).delete(url), 409, "built_in")
    assert_problem(password_step(api, alice), 401, "mfa_setup_required")
    assert password_step(api, dan).status_code == 200


def test_a_session_from_before_the_demand_lives_on_until_its_owner_signs_in_anew(acme, alice, api):
    client = api(alice)
    require_of(acme, "agent")

    assert client.get(ME).status_code == 200
    assert_problem(password_step(api, alice), 401, "mfa_setup_required")


# --- turning it off, and renewing the recovery codes


@pytest.mark.bar(22)
@pytest.mark.asvs("7.4.3")
def test_turning_it_on_or_off_ends_the_other_sessions_at_once(acme, bob, api):
    here, there = api(bob), api(bob)
    secret = here.post(SETUP).json()["secret"]
    assert here.post(CONFIRM, {"code": Authenticator(secret).code()}).status_code == 200
    assert_problem(there.get(ME), 401, "session_ended")
    there = api(bob)

    assert here.post(DISABLE, {"code": Authenticator(secret).code(steps=1)}).status_code == 204

    assert_problem(there.get(ME), 401, "session_ended")
    assert here.get(ME).status_code == 200
    assert password_step(api, bob).status_code == 200
    with acme.entered():
        assert (TotpDevice.objects.count(), RecoveryCode.objects.count()) == (0, 0)
        assert Event.objects.get(name="user.mfa_disabled").data == {"sessions_ended": 1}


def test_turning_it_off_needs_a_code_and_wrong_ones_are_counted(acme, bob, api):
    device, client = enrol(acme, bob), api(bob)

    for _ in range(12):
        pass_time(900)
        assert_problem(client.post(DISABLE, {"code": "000000"}), 400, "wrong_code")
    answer = client.post(DISABLE, {"code": device.code()})

    assert_problem(answer, 429, "too_many_attempts")
    assert 100 < int(answer["Retry-After"]) <= 128
    assert facts(acme).count("user.second_factor_failed") == 12
    with acme.entered():
        assert TotpDevice.objects.filter(confirmed_at__isnull=False).count() == 1
    assert api(bob).post(DISABLE, {"code": device.code()}).status_code == 204, "another session is not delayed"


def test_new_recovery_codes_make_the_old_ones_worthless(acme, bob, api):
    device, client = enrol(acme, bob), api(bob)
    assert_problem(client.post(RENEW, {"code": "000000"}), 400, "wrong_code")

    codes = client.post(RENEW, {"code": device.code()}).json()["recovery_codes"]

    assert len(set(codes)) == 10
    assert_problem(second_step(api, mfa_token(api, bob), RECOVERY_CODE), 401, "wrong_code")
    assert second_step(api, mfa_token(api, bob), codes[9]).status_code == 200
    assert facts(acme).count("user.recovery_codes_renewed") == 1


def test_credentials_are_no_business_of_whoever_came_without_a_session(bob):
    with pytest.raises(Denied, match="signed in with a session"):
        own_user(bob.as_actor())


def test_a_recovery_code_turns_it_off_for_who_lost_the_phone(acme, bob, api):
    enrol(acme, bob)
    client = bearer(api, second_step(api, mfa_token(api, bob), RECOVERY_CODE))
    codes = client.post(RENEW, {"code": Authenticator().code()}).json()["recovery_codes"]

    assert client.post(DISABLE, {"code": codes[4]}).status_code == 204
    assert facts(acme)[-2:] == ["user.recovery_code_used", "user.mfa_disabled"]


# --- two at one moment


def test_a_token_sets_nothing_up_for_who_needs_no_second_factor(acme, bob, api):
    enrol(acme, bob)
    token = mfa_token(api, bob)
    with acme.entered():
        TotpDevice.objects.all().delete()

    refusal = assert_problem(second_step(api, token, "123456"), 401, "token_invalid")

    assert "mfa_token" not in refusal


@pytest.mark.bar(22)
@pytest.mark.asvs("7.4.3")
def test_what_ends_sessions_waits_for_a_sign_in_that_is_not_committed_yet(fresh_database, acme, bob, api):
    """Else the session that was opened by the password alone would outlive the second factor."""
    client = api(bob)
    secret = client.post(SETUP).json()["secret"]
    is_open = threading.Event()

    def sign_in():
        with acme.entered():
            user = User.objects.get(pk=bob.pk)
            assert services.still_may_sign_in(user)
            services.open_session(user, at=timezone.now(), device=services.Device())
            is_open.set()
            time.sleep(1)
        return 0

    def confirm():
        assert is_open.wait(30)
        return client.post(CONFIRM, {"code": Authenticator(secret).code()}).status_code

    assert at_once([sign_in, confirm]) == [0, 200]
    assert live_sessions(acme) == 1, "the one that confirmed"


def test_beginning_anew_waits_for_a_confirmation_and_finds_it(fresh_database, acme, bob):
    with acme.entered():
        secret = mfa.begin_setup(bob, at=timezone.now()).secret
    is_confirmed = threading.Event()

    def confirm():
        with acme.entered():
            mfa.confirm(bob, actor=bob.as_actor(), at=timezone.now(), code=Authenticator(secret).code())
            is_confirmed.set()
            time.sleep(1)
        return 0

    def begin():
        assert is_confirmed.wait(30)
        with acme.entered(), pytest.raises(Conflict) as refusal:
            mfa.begin_setup(bob, at=timezone.now())
        return refusal.value.code

    assert at_once([confirm, begin]) == [0, "mfa_enabled"]
    with acme.entered():
        device = TotpDevice.objects.get()
    assert (decrypt(device.secret), device.confirmed_at is None) == (secret, False)
