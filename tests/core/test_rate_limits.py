"""So many requests and no more: exactly, whoever asks at once, and also while Redis is away."""

import socket
import time
from contextlib import suppress
from uuid import uuid4

import pytest
from django.test import RequestFactory

from apps.core import addresses, limits
from apps.core.api import rates
from apps.core.limits import Limit
from apps.organizations.api.views import TeamViewSet
from tests.conftest import Api
from tests.core.expectations import assert_problem
from tests.core.racing import at_once

# Long enough that nothing is given back while a test runs.
DAY = 86_400
FIFTY = Limit("fifty", 50, DAY)


@pytest.fixture(autouse=True)
def _redis_is_asked():
    limits._breaker.close()
    yield
    limits._breaker.close()


@pytest.fixture
def no_redis(settings):
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.CACHE_URL = f"redis://127.0.0.1:{taken.getsockname()[1]}/1"
        yield
    limits._breaker.close()


@pytest.fixture
def silent_redis(settings):
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        settings.CACHE_URL = f"redis://127.0.0.1:{listening.getsockname()[1]}/1"
        yield listening
    limits._breaker.close()


def waiting_at(listening) -> int:
    """How many connections nobody has taken yet."""
    listening.setblocking(False)
    taken = []
    with suppress(BlockingIOError):
        while True:
            taken.append(listening.accept()[0])
    for each in taken:
        each.close()
    return len(taken)


def caller() -> str:
    return str(uuid4())


def address() -> str:
    """One that nobody has used before, in a network of its own."""
    part = uuid4().hex
    return f"2001:db8:{part[:4]}:{part[4:8]}::1"


@pytest.mark.bar(40)
@pytest.mark.asvs("2.4.1", "15.2.2")
def test_of_two_hundred_at_once_exactly_fifty_are_let_through():
    who = caller()
    found = at_once([lambda: limits.admit(FIFTY, who)] * 200)

    assert sum(verdict.is_admitted for verdict in found) == 50
    assert sorted(verdict.remaining for verdict in found if verdict.is_admitted) == list(range(50))
    refused = [verdict for verdict in found if not verdict.is_admitted]
    assert {verdict.remaining for verdict in refused} == {0}
    # One fiftieth of the day until the next one, the whole day until all are there again.
    assert all(DAY // 50 - 30 <= verdict.retry_after_seconds <= DAY // 50 for verdict in refused)
    assert all(DAY - 30 <= verdict.reset_seconds <= DAY for verdict in refused)


@pytest.mark.bar(40)
def test_of_two_hundred_requests_at_once_exactly_fifty_are_answered(settings, fresh_database):
    settings.RATE_LIMITS = {"anonymous": f"50/{DAY}"}
    settings.TRUSTED_PROXIES = ["127.0.0.1/32"]
    addresses._is_trusted.cache_clear()
    who = address()

    def ask():
        return [Api().post("/api/v1/auth/token/", {}, headers={"X-Forwarded-For": who}) for _ in range(10)]

    found = [answer for answers in at_once([ask] * 20) for answer in answers]

    addresses._is_trusted.cache_clear()
    assert sorted(answer.status_code for answer in found) == [400] * 50 + [429] * 150
    assert sorted(int(answer["RateLimit-Remaining"]) for answer in found if answer.status_code == 400) == list(
        range(50)
    )
    for answer in found:
        assert answer["RateLimit-Policy"] == f'"anonymous";q=50;w={DAY}'
        assert answer["RateLimit"].startswith('"anonymous";r=')
    refused = next(answer for answer in found if answer.status_code == 429)
    body = assert_problem(refused, 429, "rate_limited")
    assert refused["Retry-After"] == str(body["retry_after"])
    assert 0 < body["retry_after"] <= DAY // 50


def test_what_is_used_up_comes_back_evenly():
    limit, who = Limit("quick", 20, 1, burst=2), caller()
    first = [limits.admit(limit, who).is_admitted for _ in range(3)]
    time.sleep(0.06)
    second = [limits.admit(limit, who).is_admitted for _ in range(2)]

    assert (first, second) == ([True, True, False], [True, False])


def test_a_refused_request_uses_nothing_up():
    limit, who = Limit("one", 10, 1, burst=1), caller()
    assert limits.admit(limit, who).is_admitted
    for _ in range(20):
        limits.admit(limit, who)
    time.sleep(0.11)

    assert limits.admit(limit, who).is_admitted


def test_callers_do_not_use_up_each_others_share():
    limit = Limit("single", 1, DAY)

    assert [limits.admit(limit, caller()).is_admitted for _ in range(3)] == [True, True, True]


def test_nothing_stays_in_redis_longer_than_it_counts(settings):
    who = caller()
    limits.admit(Limit("brief", 10, 10), who)
    key = f"rate:brief:{who}"

    assert 0 < limits._script(settings.CACHE_URL).registered_client.pttl(key) <= 1000


# --- over HTTP


def test_every_answer_says_what_is_left(api, acme, dan, alice, settings):
    settings.RATE_LIMITS = {"user": f"5/{DAY}/3"}
    client = api(dan)
    answers = [client.get("/api/v1/teams/"), client.get(f"/api/v1/teams/{uuid4()}/"), client.put("/api/v1/teams/")]
    refused = client.get("/api/v1/teams/")

    assert [answer.status_code for answer in answers] == [200, 404, 405]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0"]
    for answer in (*answers, refused):
        assert answer["RateLimit-Policy"] == f'"user";q=3;w={DAY * 3 // 5}'
        assert answer["RateLimit-Limit"] == "3"
    assert_problem(refused, 429, "rate_limited")
    # Somebody else from the same address is not concerned, nor is another session of the same person free.
    assert api(alice).get("/api/v1/teams/").status_code == 200
    assert api(dan).get("/api/v1/teams/").status_code == 429


def test_a_refused_request_reaches_no_database(api, dan, settings, django_assert_num_queries):
    settings.RATE_LIMITS = {"user": f"1/{DAY}"}
    client = api(dan)
    client.get("/api/v1/teams/")

    with django_assert_num_queries(0):
        assert client.post("/api/v1/teams/", {"name": "x"}).status_code == 429


def test_who_presents_no_valid_token_counts_for_their_address(api, db, settings):
    settings.RATE_LIMITS = {"anonymous": f"2/{DAY}"}
    who = address()
    forged = Api()
    forged.credentials(HTTP_AUTHORIZATION="Bearer not.a.token", REMOTE_ADDR=who)
    missing = Api()
    missing.credentials(REMOTE_ADDR=who)

    assert [client.get("/api/v1/teams/").status_code for client in (forged, missing, forged)] == [401, 401, 429]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", "unknown"),
    ],
)
def test_an_address_counts_as_what_one_person_has(address, counted):
    request = RequestFactory().get("/", REMOTE_ADDR=address)

    assert rates.stranger_of(request) == (limits.PER_ADDRESS, counted)


def test_a_sensitive_verb_has_a_limit_of_its_own(api, dan, settings, monkeypatch):
    monkeypatch.setattr(TeamViewSet, "limits", {"create": Limit("invitations", 1, DAY)})
    client = api(dan)
    first, second = (client.post("/api/v1/teams/", {"name": name}) for name in ("one", "two"))
    reading = client.get("/api/v1/teams/")

    assert [first.status_code, second.status_code, reading.status_code] == [201, 429, 200]
    assert '"invitations";r=0' in first["RateLimit"]
    assert '"user";r=' in first["RateLimit"]
    assert first["RateLimit-Remaining"] == "0"
    assert "invitations" not in reading["RateLimit"]


def test_a_limit_can_be_turned_off(api, dan, settings):
    settings.RATE_LIMITS = {"user": "0"}
    answer = api(dan).get("/api/v1/teams/")

    assert answer.status_code == 200
    assert "RateLimit" not in answer.headers


def test_the_defaults_let_a_burst_of_hundreds_through():
    for limit in (limits.PER_USER, limits.PER_TOKEN, limits.PER_ADDRESS):
        assert limit.size >= 600
        assert limit.count / limit.period_seconds >= 20


# --- Redis away


@pytest.mark.bar(40)
def test_without_redis_each_process_counts_by_itself(no_redis):
    who = caller()
    found = at_once([lambda: limits.admit(FIFTY, who)] * 200)

    assert sum(verdict.is_admitted for verdict in found) == 50


def test_without_redis_requests_are_answered_and_still_limited(api, dan, settings, no_redis):
    settings.RATE_LIMITS = {"user": f"2/{DAY}"}
    client = api(dan)

    assert [client.get("/api/v1/teams/").status_code for _ in range(3)] == [200, 200, 429]


def test_a_redis_that_does_not_answer_costs_one_short_wait_and_not_one_per_request(silent_redis):
    """Counted by what arrived at the port: how long fifty requests take is the machine's affair."""
    who = caller()
    verdicts = [limits.admit(FIFTY, who) for _ in range(50)]

    assert all(verdict.is_admitted for verdict in verdicts)
    assert waiting_at(silent_redis) == 1


def test_redis_is_asked_again_after_a_rest(monkeypatch, settings, no_redis):
    who, working = caller(), settings.REDIS_URL.rsplit("/", 1)[0] + "/1"
    limits.admit(FIFTY, who)
    assert limits._breaker.is_open()
    settings.CACHE_URL = working
    monkeypatch.setattr(limits._breaker, "_rests_until", time.monotonic() - 1)
    limits.admit(FIFTY, who)

    assert limits._script(working).registered_client.exists(f"rate:fifty:{who}") == 1


def test_the_process_keeps_no_more_callers_than_it_has_room_for(monkeypatch):
    monkeypatch.setattr(limits, "MAX_LOCAL_KEYS", 3)
    buckets = limits.LocalBuckets()
    for name in "abcd":
        buckets.count(FIFTY, name)

    assert list(buckets._used_until) == ["b", "c", "d"]
