"""Passwords: what is accepted (T27), that the last twelve do not come back, and what a change ends."""

import itertools
import threading
import time

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.utils import timezone

from apps.audit.models import Event, RowChange
from apps.core.errors import Invalid
from apps.users import passwords, services
from apps.users.hashers import Argon2Hasher
from apps.users.models import PasswordHistory, Session, User
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.factories import PASSWORD
from tests.users.second_factor import ME, TOKEN

CHANGE = "/api/v1/auth/password/change/"
NEW = "staple battery horse correct"


def change(client, new=NEW, current=PASSWORD):
    return client.post(CHANGE, {"current_password": current, "new_password": new})


def sign_in(api, user, password):
    return api().post(TOKEN, {"email": user.email, "password": password})


@pytest.fixture
def robert(acme, bob):
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(full_name="Robert O'Malley Jr")
        return User.objects.get(pk=bob.pk)


@pytest.mark.bar(27)
@pytest.mark.asvs("6.2.1", "6.2.4", "6.2.8", "6.2.11", "6.2.12")
@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password_too_short"),
        ("elevenchars", "password_too_short"),
        ("12345678901", "password_too_short"),
        ("1234567890123", "password_too_common"),
        ("I am Robert, hello", "password_about_you"),
        ("iamROBERThello", "password_about_you"),
        ("robert o'malley jr", "password_about_you"),
        ("xxbob@acme.example", "password_about_you"),
        ("welcome to acme 2026", "password_about_you"),
        ("x" * 1025, "max_length"),
    ],
)
def test_a_weak_password_is_refused_and_told_why(acme, robert, password, code):
    with acme.entered(), pytest.raises(Invalid) as refusal:
        passwords.refuse_weak(robert, password)

    assert code in {error.code for error in refusal.value.errors}
    assert {error.pointer for error in refusal.value.errors} == {"/new_password"}


@pytest.mark.bar(27)
@pytest.mark.asvs("6.2.4")
def test_every_common_password_that_is_long_enough_is_refused_in_any_case(acme, robert):
    common = [word for word in CommonPasswordValidator().passwords if len(word) >= 12]

    accepted = set()
    with acme.entered():
        for password in itertools.chain.from_iterable((word, word.upper(), word.title()) for word in common):
            try:
                passwords.refuse_weak(robert, password)
            except Invalid:
                continue
            accepted.add(password)

    assert accepted == set()
    assert len(common) > 20


@pytest.mark.bar(27)
@pytest.mark.asvs("6.2.3", "6.2.5", "6.2.9")
@pytest.mark.parametrize(
    "password",
    [
        "twelve chars",
        "aaaabbbbccccdddd",
        "only small letters",
        "ONLY CAPITALS HERE",
        "     spaces     ",
        "пароль из букв",
        "密码密码密码密码密码密码",
        "🐎🔋🖇️🐎🔋🖇️🐎🔋🖇️",
        "x" * 127 + "y",
        "z" * 1024,
        "bobsled in winter",
    ],
)
def test_any_composition_of_twelve_to_a_thousand_characters_is_accepted(acme, robert, password):
    with acme.entered():
        passwords.refuse_weak(robert, password)


@pytest.mark.bar(27)
@pytest.mark.asvs("6.2.9")
def test_nothing_of_a_long_password_is_cut_off(acme, bob, api):
    long = "p" * 199
    assert change(api(bob), new=f"{long}a").status_code == 204

    assert sign_in(api, bob, f"{long}b").status_code == 401
    assert sign_in(api, bob, long).status_code == 401
    assert sign_in(api, bob, f"{long}a").status_code == 200


@pytest.mark.bar(22)
@pytest.mark.asvs("7.4.3")
def test_a_change_ends_the_other_sessions_and_keeps_this_one(acme, bob, api):
    here, there = api(bob), api(bob)

    assert change(here).status_code == 204

    assert here.get(ME).status_code == 200
    assert_problem(there.get(ME), 401, "session_ended")
    assert sign_in(api, bob, PASSWORD).status_code == 401
    assert sign_in(api, bob, NEW).status_code == 200
    with acme.entered():
        event = Event.objects.get(name="user.password_changed")
        assert (event.subject_id, event.actor_id, event.data) == (bob.pk, bob.pk, {"sessions_ended": 1})


def test_the_current_password_is_asked_and_a_wrong_one_is_an_event(acme, bob, api):
    answer = change(api(bob), current="wrong")

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/current_password", "wrong_password")]
    assert sign_in(api, bob, PASSWORD).status_code == 200
    with acme.entered():
        assert Event.objects.filter(name="user.password_refused", subject_id=bob.pk).count() == 1
        assert not Event.objects.filter(name="user.password_changed").exists()


def test_a_weak_password_changes_nothing_over_http(acme, bob, api):
    client, other = api(bob), api(bob)

    assert pointers(assert_problem(change(client, new="short"), 400, "invalid")) == [
        ("/new_password", "password_too_short")
    ]
    assert pointers(assert_problem(change(client, new=PASSWORD), 400, "invalid")) == [
        ("/new_password", "password_reused")
    ]
    assert other.get(ME).status_code == 200
    assert sign_in(api, bob, PASSWORD).status_code == 200


def test_changing_needs_a_session(api):
    assert_problem(change(api()), 401, "not_authenticated")


@pytest.mark.bar(27)
def test_none_of_the_last_twelve_comes_back_and_the_thirteenth_may(acme, bob):
    def set_password(number):
        with acme.entered():
            user = User.objects.get(pk=bob.pk)
            services.set_password(user, actor=acme.system, at=timezone.now(), password=f"password number {number:02d}")

    for number in range(13):
        set_password(number)

    for number in range(1, 13):
        with pytest.raises(Invalid) as refusal:
            set_password(number)
        assert [error.code for error in refusal.value.errors] == ["password_reused"]
    set_password(0)
    with acme.entered():
        assert PasswordHistory.objects.filter(user_id=bob.pk).count() == passwords.REMEMBERED


@pytest.mark.bar(18)
def test_no_log_holds_a_password_or_its_hash(acme, bob, api):
    change(api(bob))

    with acme.entered():
        hashes = [User.objects.get(pk=bob.pk).password, PasswordHistory.objects.get().password]
        history = " ".join(str(row.diff) for row in RowChange.objects.all())
        log = " ".join(str((event.changes, event.data)) for event in Event.objects.all())
    assert not [text for text in (*hashes, PASSWORD, NEW) if text in history or text in log]


@pytest.mark.asvs("11.4.2")
def test_an_old_hash_is_upgraded_when_its_owner_signs_in(real_hashes, acme, bob, api):
    class Weaker(Argon2PasswordHasher):
        memory_cost, time_cost, parallelism = 8192, 1, 1

    weak = Weaker().encode(PASSWORD, "0123456789abcdef")
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(password=weak)

    assert sign_in(api, bob, "wrong").status_code == 401
    with acme.entered():
        assert User.objects.get(pk=bob.pk).password == weak
    assert sign_in(api, bob, PASSWORD).status_code == 200
    with acme.entered():
        user = User.objects.get(pk=bob.pk)
    assert user.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert sign_in(api, bob, PASSWORD).status_code == 200


def test_no_more_than_four_hashes_are_computed_at_once(monkeypatch):
    running, most = [], []

    def encode(self, password, salt):
        running.append(1)
        most.append(len(running))
        for _ in range(200_000):
            pass
        running.pop()
        return "hash"

    monkeypatch.setattr(Argon2PasswordHasher, "encode", encode)

    at_once([lambda: Argon2Hasher().encode("password", "salt")] * 16)

    assert max(most) <= 4
    assert len(most) == 16


def test_a_first_password_leaves_no_history(acme, bob):
    with acme.entered():
        User.objects.filter(pk=bob.pk).update(password=make_password(None))
        user = User.objects.get(pk=bob.pk)
        services.set_password(user, actor=acme.system, at=timezone.now(), password=NEW)

        assert not PasswordHistory.objects.exists()


def test_a_password_changed_meanwhile_opens_no_session(fresh_database, acme, bob, api):
    """Whoever began to sign in with the old one must not slip in behind the change that ended all sessions."""

    def set_new():
        with acme.entered():
            services.set_password(User.objects.get(pk=bob.pk), actor=acme.system, at=timezone.now(), password=NEW)
        return 0

    answers = at_once([set_new, *[lambda: sign_in(api, bob, PASSWORD)] * 7])[1:]

    for answer in answers:
        if answer.status_code == 200:
            client = api()
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
            assert_problem(client.get(ME), 401, "session_ended")


def test_the_password_that_was_proved_is_the_one_that_is_replaced(fresh_database, acme, bob, api):
    """Whoever holds the old password loses to the owner who is replacing it, though it was right when they sent it."""
    client = api(bob)
    is_locked = threading.Event()

    def replace():
        with acme.entered():
            services.set_password(User.objects.get(pk=bob.pk), actor=acme.system, at=timezone.now(), password=NEW)
            Session.objects.update(revoked_at=None)
            is_locked.set()
            time.sleep(2)
        return 204

    def by_the_old_one():
        assert is_locked.wait(30)
        return change(client, new=f"another {NEW}")

    _, answer = at_once([replace, by_the_old_one])

    assert_problem(answer, 409, "retry")
    assert sign_in(api, bob, NEW).status_code == 200


def test_changing_a_password_and_unlocking_at_once_never_lock_each_other_out(fresh_database, acme, bob, dan, api):
    client, admins = api(bob), api(dan)

    def guess(_):
        return change(client, current="wrong").status_code

    def unlock(_):
        return admins.post(f"/api/v1/users/{bob.pk}/unlock/").status_code

    calls = [lambda verb=verb, number=number: verb(number) for number in range(3) for verb in (guess, unlock)]

    assert at_once(calls) == [400, 200] * 3
