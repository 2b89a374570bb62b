"""How often somebody may guess, and that the owner gets in all the same (T25)."""

import itertools
import math
import time
from datetime import timedelta
from functools import cache

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from apps.audit.models import Event
from apps.core.addresses import network_of
from apps.core.schedule import database_now, jobs
from apps.users import attempts, links, mfa_tokens
from apps.users.models import LinkPurpose, Session, SignInCounter, User, normalise_email
from tests.conftest import IS_FULL_RUN, Api
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.factories import PASSWORD, SignInCounterFactory
from tests.users.second_factor import SECOND, TOKEN, enrol, forget_attempts, pass_time

GUESSES = 10_000 if IS_FULL_RUN else 400
HOME, ELSEWHERE = "198.51.100.7", "192.0.2.9"
PASSWORD_CHANGE = "/api/v1/auth/password/change/"
# As many seconds may lie between two requests on a busy machine.
SLOW = 15


@cache
def nobody():
    """One client for all guesses: a new one would build all the middleware anew."""
    return Api()


def sign_in(api, email, password, address):
    return nobody().post(TOKEN, {"email": email, "password": password}, REMOTE_ADDR=address)


def guess(api, user, address, number=0):
    return sign_in(api, user.email, f"guess number {number}", address).status_code


def addresses():
    """Each in a network of its own."""
    for first, second, third in itertools.product(range(11, 99), range(256), range(256)):
        yield f"{first}.{second}.{third}.1"


def flush_redis():
    for url in (settings.CACHE_URL, settings.REDIS_URL):
        redis.from_url(url).flushdb()


@pytest.fixture
def at_home(acme, bob, api):
    """Bob has signed in from home before."""
    assert sign_in(api, bob.email, PASSWORD, HOME).status_code == 200
    return bob


# --- the bar


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.bar(25)
@pytest.mark.asvs("6.3.1", "6.6.3")
def test_from_one_address_twenty_guesses_are_tried_and_the_owner_gets_in(at_home, api):
    statuses = []
    for number in range(GUESSES):
        if number == GUESSES // 2:
            flush_redis()
        statuses.append(guess(api, at_home, ELSEWHERE, number))

    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 20
    assert sign_in(api, at_home.email, PASSWORD, HOME).status_code == 200


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.bar(25)
@pytest.mark.asvs("6.3.1", "6.6.3")
def test_from_a_thousand_networks_no_more_than_the_accounts_allowance_is_tried(at_home, api):
    places, statuses = list(itertools.islice(addresses(), 1000)), []
    for number in range(GUESSES):
        if number == GUESSES // 2:
            flush_redis()
        statuses.append(guess(api, at_home, places[number % 1000], number))

    assert set(statuses) == {401, 429}
    assert 50 <= statuses.count(401) <= 100
    assert sign_in(api, at_home.email, PASSWORD, HOME).status_code == 200
    assert sign_in(api, at_home.email, PASSWORD, "203.0.113.1").status_code == 429, "a stranger learns nothing any more"


@pytest.mark.bar(25)
def test_in_an_hour_a_hundred_guesses_are_tried_from_however_many_addresses(bob, api):
    place, accepted = addresses(), 0
    for _ in range(50):
        while guess(api, bob, next(place)) == 401:
            accepted += 1
        pass_time(72)
    while guess(api, bob, next(place)) == 401:
        accepted += 1

    assert accepted == 100


@pytest.mark.bar(25)
def test_guesses_at_one_moment_are_counted_one_by_one(fresh_database, acme, bob, api):
    places = list(itertools.islice(addresses(), 90))

    def three(number):
        return [guess(api, bob, place) for place in places[number * 3 : number * 3 + 3]]

    statuses = list(itertools.chain(*at_once([lambda number=number: three(number) for number in range(30)])))

    assert (statuses.count(401), statuses.count(429)) == (50, 40)


# --- each limit by itself


def waits():
    """How many seconds the only place that failed has to wait."""
    counter = SignInCounter.objects.exclude(failures=0).get()
    return (counter.blocked_until - database_now()).total_seconds()


def test_the_fifth_failure_at_a_place_begins_a_growing_delay_of_at_most_a_quarter_of_an_hour(bob, api):
    for _ in range(4):
        assert guess(api, bob, ELSEWHERE) == 401
        assert waits() <= 0

    for expected in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900):
        assert guess(api, bob, ELSEWHERE) == 401
        assert expected - SLOW < waits() <= expected
        if expected > SLOW:
            answer = sign_in(api, bob.email, PASSWORD, ELSEWHERE)
            problem = assert_problem(answer, 429, "too_many_attempts")
            assert answer["Retry-After"] == str(problem["retry_after"])
            assert expected - SLOW < problem["retry_after"] <= expected
        pass_time(expected)


def test_the_right_password_after_the_delay_forgets_the_failures_of_the_place(bob, api):
    for _ in range(5):
        guess(api, bob, ELSEWHERE)
    pass_time(1)

    assert sign_in(api, bob.email, PASSWORD, ELSEWHERE).status_code == 200
    assert [guess(api, bob, ELSEWHERE) for _ in range(4)] == [401] * 4
    assert sign_in(api, bob.email, PASSWORD, ELSEWHERE).status_code == 200


def delay(api, user, address):
    """Fail until the place has to wait for a quarter of an hour."""
    for _ in range(15):
        guess(api, user, address)
        pass_time(900)
    guess(api, user, address)


def test_a_delay_is_one_places_and_one_accounts(bob, alice, api):
    delay(api, bob, ELSEWHERE)

    assert sign_in(api, bob.email, PASSWORD, ELSEWHERE).status_code == 429
    assert sign_in(api, bob.email, PASSWORD, "192.0.2.10").status_code == 200
    assert sign_in(api, alice.email, PASSWORD, ELSEWHERE).status_code == 200


@pytest.mark.parametrize(
    ("near", "far"),
    [("192.0.2.{}", "192.0.3.1"), ("2001:db8:0:1::{}", "2001:db8:0:2::1"), ("::ffff:192.0.2.{}", "192.0.3.1")],
)
def test_a_network_tries_twenty_accounts_at_once_and_twenty_a_minute(bob, api, near, far):
    def tried(accounts):
        """How many were tried, and how many more than none at all the time that this took allows."""
        begun = time.monotonic()
        found = [
            sign_in(api, f"nobody-{number}@acme.example", "guess", near.format(number % 200 + 1)).status_code
            for number in accounts
        ]
        assert set(found) == {401, 429}
        return found.count(401), math.ceil((time.monotonic() - begun) / 3)

    number, late = tried(range(40))
    assert 20 <= number <= 20 + late
    assert sign_in(api, bob.email, PASSWORD, far).status_code == 200
    pass_time(60)
    number, late = tried(range(100, 140))
    assert 20 <= number <= 21 + late


def test_a_guesser_in_the_office_keeps_nobody_out_who_worked_there_before(at_home, api):
    statuses = [
        sign_in(api, f"nobody-{number}@acme.example", "guess", "198.51.100.200").status_code for number in range(60)
    ]

    assert 429 in statuses
    assert sign_in(api, at_home.email, PASSWORD, HOME).status_code == 200


def test_a_place_is_known_for_ninety_days(acme, at_home, api):
    for place in itertools.islice(addresses(), 50):
        guess(api, at_home, place)
    assert sign_in(api, at_home.email, PASSWORD, HOME).status_code == 200
    with acme.entered():
        Session.objects.update(created_at=timezone.now() - timedelta(days=91))

    assert sign_in(api, at_home.email, PASSWORD, HOME).status_code == 429


def test_success_uses_nothing_up(bob, api):
    assert {sign_in(api, bob.email, PASSWORD, ELSEWHERE).status_code for _ in range(30)} == {200}
    assert not SignInCounter.objects.filter(full_at__gt=timezone.now() + timedelta(seconds=1)).exists()
    assert [guess(api, bob, ELSEWHERE) for _ in range(4)] == [401] * 4


def test_many_at_once_with_the_right_password_all_get_in(fresh_database, acme, bob, api):
    answers = at_once([lambda: sign_in(api, bob.email, PASSWORD, ELSEWHERE)] * 16)

    assert {answer.status_code for answer in answers} == {200}


def test_a_refused_attempt_is_not_tried_not_counted_and_no_event(acme, bob, api):
    delay(api, bob, ELSEWHERE)
    before = list(SignInCounter.objects.order_by("key").values_list())

    assert_problem(sign_in(api, bob.email, PASSWORD, ELSEWHERE), 429, "too_many_attempts")

    assert list(SignInCounter.objects.order_by("key").values_list()) == before
    with acme.entered():
        assert Event.objects.filter(name="user.sign_in_failed").count() == 16
        assert not Session.objects.exists()


def test_nobody_is_counted_like_somebody(bob, api):
    def statuses(email):
        forget_attempts()
        answers = []
        for seconds in (0, 0, 0, 0, 0, 900, 900, 900, 900, 900, 900, 0):
            pass_time(seconds)
            answers.append(sign_in(api, email, "guess", ELSEWHERE))
        return [(answer.status_code, answer.json()["code"], "Retry-After" in answer) for answer in answers]

    assert statuses("nobody@acme.example") == statuses(bob.email)


# --- forgiving


def test_an_unlock_forgives_all_that_is_counted_against_an_account(bob, api):
    for place in itertools.islice(addresses(), 50):
        guess(api, bob, place)
    delay(api, bob, HOME)
    assert sign_in(api, bob.email, PASSWORD, HOME).status_code == 429

    attempts.forgive(normalise_email(bob.email))

    assert sign_in(api, bob.email, PASSWORD, HOME).status_code == 200


def test_counters_that_have_been_full_for_a_day_are_forgotten(db):
    now = timezone.now()
    old = now - timedelta(hours=25)
    SignInCounterFactory(key="old", blocked_until=old, full_at=old)
    SignInCounterFactory(key="delayed", blocked_until=now, full_at=old)
    SignInCounterFactory(key="counted", blocked_until=old, full_at=now)

    jobs()["users.forget_attempts"].body(now)

    assert set(SignInCounter.objects.values_list("key", flat=True)) == {"delayed", "counted"}


def test_the_table_names_nobody(bob, api):
    guess(api, bob, ELSEWHERE)

    text = " ".join(str(row) for row in SignInCounter.objects.values_list())
    assert len(SignInCounter.objects.all()) == 3
    assert not [word for word in ("bob", "acme", ELSEWHERE, "192.0.2", str(bob.pk)) if word in text]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.200", "192.0.2.0/24"),
        ("::ffff:192.0.2.200", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (None, "unknown"),
    ],
)
def test_an_address_belongs_to_a_network(address, network):
    assert network_of(address) == network


# --- what counts beside passwords


def test_codes_count_with_passwords_and_the_password_forgives_no_code(acme, bob, api):
    """Else whoever has the password could guess codes for ever."""
    enrol(acme, bob)
    for _ in range(12):
        pass_time(900)
        token = sign_in(api, bob.email, PASSWORD, ELSEWHERE).json()["mfa_token"]
        answer = nobody().post(SECOND, {"mfa_token": token, "code": "000000"}, REMOTE_ADDR=ELSEWHERE)
        assert_problem(answer, 401, "wrong_code")

    assert waits() > 100
    assert_problem(
        nobody().post(SECOND, {"mfa_token": token, "code": "000000"}, REMOTE_ADDR=ELSEWHERE), 429, "too_many_attempts"
    )
    assert sign_in(api, bob.email, PASSWORD, ELSEWHERE).status_code == 429


def test_codes_from_many_networks_use_up_the_accounts_allowance(acme, bob, api):
    enrol(acme, bob)
    with acme.entered():
        user = User.objects.get(pk=bob.pk)
    token = mfa_tokens.challenge(user, mfa_tokens.REQUIRED, at=timezone.now()).extra["mfa_token"]

    statuses = [
        nobody().post(SECOND, {"mfa_token": token, "code": "000000"}, REMOTE_ADDR=place).status_code
        for place in itertools.islice(addresses(), 60)
    ]

    assert statuses == [401] * 50 + [429] * 10


def test_a_stolen_session_guesses_the_password_a_hundred_times_an_hour_at_most(bob, api):
    body = {"current_password": "guess", "new_password": "a fresh long password"}
    clients, statuses = [api(bob) for _ in range(20)], []
    for client in clients:
        statuses += [client.post(PASSWORD_CHANGE, body).status_code for _ in range(4)]

    assert (statuses[:50], set(statuses[50:])) == ([400] * 50, {429})
    assert sign_in(api, bob.email, PASSWORD, ELSEWHERE).status_code == 200, "signing in is counted by itself"


# --- the owner, elsewhere


@pytest.mark.bar(25)
@pytest.mark.asvs("6.3.1")
@pytest.mark.parametrize(
    ("home", "nearby", "is_let_in"),
    [
        (HOME, "198.51.100.200", True),
        (HOME, "198.51.101.7", False),
        ("2001:db8:0:1::7", "2001:db8:0:1:aaaa::1", True),
        ("2001:db8:0:1::7", "2001:db8:0:2::7", False),
    ],
)
def test_an_owner_whose_address_changes_in_their_network_gets_in(*, bob, api, home, nearby, is_let_in):
    assert sign_in(api, bob.email, PASSWORD, home).status_code == 200
    statuses = [guess(api, bob, place) for place in itertools.islice(addresses(), 60)]
    assert statuses == [401] * 50 + [429] * 10

    assert sign_in(api, bob.email, PASSWORD, nearby).status_code == (200 if is_let_in else 429)


def test_in_the_owners_network_a_guesser_has_the_accounts_allowance_and_does_not_touch_the_owners_address(at_home, api):
    statuses = [guess(api, at_home, f"198.51.100.{number}") for number in range(20, 80)]

    assert statuses == [401] * 50 + [429] * 10
    assert sign_in(api, at_home.email, PASSWORD, HOME).status_code == 200


def reset_from(tenant, user, address):
    """Bob's new password, by a link out of his mailbox."""
    with tenant.entered():
        token = links.mint(user, LinkPurpose.RESET, at=timezone.now())
    body = {"token": token, "new_password": "staple battery horse correct"}
    answer = nobody().post("/api/v1/auth/password/reset/confirm/", body, REMOTE_ADDR=address)
    assert answer.status_code == 204
    return body["new_password"]


@pytest.mark.bar(25)
@pytest.mark.asvs("6.3.1")
@pytest.mark.parametrize("has_second_factor", [False, True])
def test_an_owner_in_a_new_place_gets_in_by_mail_while_strangers_go_on_guessing(acme, at_home, api, has_second_factor):
    device = enrol(acme, at_home) if has_second_factor else None
    strangers = addresses()
    while guess(api, at_home, next(strangers)) == 401:
        pass
    assert sign_in(api, at_home.email, PASSWORD, ELSEWHERE).status_code == 429

    password = reset_from(acme, at_home, ELSEWHERE)
    while guess(api, at_home, next(strangers)) == 401:
        pass

    answer = sign_in(api, at_home.email, password, ELSEWHERE)
    if device is not None:
        body = {"mfa_token": answer.json()["mfa_token"], "code": device.code()}
        answer = nobody().post(SECOND, body, REMOTE_ADDR=ELSEWHERE)
    assert answer.status_code == 200
    assert sign_in(api, at_home.email, password, "203.0.113.1").status_code == 429


def test_a_link_forgives_what_is_counted_but_not_where_codes_are_guessed(acme, bob, alice, api):
    enrol(acme, alice)
    for user in (bob, alice):
        delay(api, user, ELSEWHERE)

    assert sign_in(api, bob.email, reset_from(acme, bob, ELSEWHERE), ELSEWHERE).status_code == 200
    assert sign_in(api, alice.email, reset_from(acme, alice, ELSEWHERE), ELSEWHERE).status_code == 429
