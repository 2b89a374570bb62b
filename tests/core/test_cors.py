"""Browsers on the origins that are named may call the API; those on others, and by default all, may not."""

import pytest

from tests.core.expectations import assert_problem

APP = "https://app.example"
FOREIGN = "https://evil.example"
URL = "/api/v1/teams/"
ASKING = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,if-match"}


@pytest.fixture
def allowed(settings):
    settings.CORS_ALLOWED_ORIGINS = [APP]


def granted(answer):
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


def test_by_default_no_origin_is_allowed(api, db):
    answer = api().options(URL, headers={"Origin": APP, **ASKING})

    assert granted(answer) == {}


def test_a_preflight_from_a_named_origin_is_answered_without_signing_in(api, allowed, db):
    answer = api().options(URL, headers={"Origin": APP, **ASKING})

    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == APP
    assert "PATCH" in answer["Access-Control-Allow-Methods"]
    assert "PUT" not in answer["Access-Control-Allow-Methods"]
    for name in ("authorization", "if-match", "idempotency-key", "x-organization", "x-request-id", "content-type"):
        assert name in answer["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", [FOREIGN, "null", "https://app.example.evil.example", "http://app.example"])
def test_another_origin_gets_nothing(api, allowed, dan, origin):
    preflight = api().options(URL, headers={"Origin": origin, **ASKING})
    answer = api(dan).get(URL, headers={"Origin": origin})

    assert (granted(preflight), granted(answer)) == ({}, {})


def test_an_answer_shows_the_headers_that_a_client_needs(api, allowed, dan):
    answer = api(dan).get(URL, headers={"Origin": APP})

    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == APP
    assert "origin" in answer["Vary"].lower()
    exposed = {name.strip() for name in answer["Access-Control-Expose-Headers"].split(",")}
    assert {"ETag", "Location", "RateLimit", "RateLimit-Policy", "X-Request-ID", "Retry-After"} <= exposed
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_an_error_can_be_read_too(api, allowed, db):
    unsigned = api().get(URL, headers={"Origin": APP})
    missing = api().get("/api/v1/no-such/", headers={"Origin": APP})

    assert_problem(unsigned, 401, "not_authenticated")
    assert [answer["Access-Control-Allow-Origin"] for answer in (unsigned, missing)] == [APP, APP]


@pytest.mark.parametrize("url", ["/admin/login/", "/health/live/"])
def test_only_the_api_is_shared(api, allowed, db, url):
    assert granted(api().get(url, headers={"Origin": APP})) == {}
