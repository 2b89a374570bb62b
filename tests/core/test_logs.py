"""One JSON line a request, with an id that nobody can forge and no secret in it."""

import json
import logging

import pytest
import structlog
from django.db import DatabaseError
from django.utils import timezone

from apps.audit.models import Event, RowChange
from apps.core import logs
from apps.core.models import new_id
from apps.core.tasks import PlatformTask, SelfTenantTask, TenantTask
from itsm_project.celery import app
from tests.core.racing import at_once
from tests.factories import PASSWORD

TEAMS = "/api/v1/teams/"
TOKEN = "/api/v1/auth/token/"
LIVE = "/health/live/"


@pytest.mark.parametrize("given", ["12345678", "a" * 64, "01a1fd93-36eb-72eb-a2d4-cfb1944d6e69", "req_1.2-3.ABC"])
def test_a_well_formed_request_id_is_adopted_echoed_and_logged(db, api, log_lines, given):
    answer = api().get(LIVE, HTTP_X_REQUEST_ID=given)

    assert answer["X-Request-ID"] == given
    assert [line["request_id"] for line in log_lines()] == [given]


@pytest.mark.asvs("16.4.1")
@pytest.mark.parametrize(
    "given",
    [
        "",
        "short12",
        "a" * 65,
        "with space",
        "with\nnewline",
        "with\r\nX-Evil: 1",
        "semi;colon1",
        "ünïcödé1",
        '"quoted1"',
        "12345678\n",
        "{{7*7}}{{",
        "../../../etc",
        "<script>1",
        "12345678\x00",
        "%0d%0aforged",
    ],
)
def test_any_other_request_id_is_replaced(db, api, log_lines, given):
    answer = api().get(LIVE, HTTP_X_REQUEST_ID=given)

    assert logs.ACCEPTABLE_REQUEST_ID.fullmatch(answer["X-Request-ID"])
    assert answer["X-Request-ID"] != given
    (line,) = log_lines()
    assert line["request_id"] == answer["X-Request-ID"]


def test_two_requests_have_two_ids(db, api):
    first, second = (api().get(LIVE)["X-Request-ID"] for _ in range(2))

    assert first != second


@pytest.mark.asvs("16.2.1")
def test_the_line_says_what_was_asked_and_answered_but_not_the_query(acme, dan, api, log_lines):
    client = api(dan)
    answer = client.get(f"{TEAMS}?search=confidential")

    (line,) = log_lines()
    assert {key: line[key] for key in ("method", "path", "status", "event", "level", "logger")} == {
        "method": "GET", "path": TEAMS, "status": 200, "event": "request", "level": "info", "logger": "access",
    }  # fmt: skip
    assert line["request_id"] == answer["X-Request-ID"]
    assert line["milliseconds"] >= 0
    assert line["timestamp"].endswith("Z")
    assert "confidential" not in json.dumps(line)


def test_the_request_id_reaches_the_event_and_the_row_s_history(acme, dan, api):
    api(dan).post(TEAMS, {"name": "Blue"}, HTTP_X_REQUEST_ID="client-chosen-1")

    with acme.entered():
        assert Event.objects.get(name="team.created").request_id == "client-chosen-1"
        assert set(
            RowChange.objects.filter(table_name="organizations_team").values_list("request_id", "actor_id", "via")
        ) == {("client-chosen-1", dan.pk, "api")}


@pytest.mark.asvs("16.4.1")
@pytest.mark.parametrize(
    "path",
    [
        "/x%0d%0a{%22event%22:%22forged%22}",
        "/x%0A2026 ERROR forged",
        "/%1b[31mred",
        "/%e2%80%a8forged",
        "/%00",
        "/%ff",
        '/x"}{"a":"b',
    ],
)
def test_no_address_forges_a_line(db, api, log_text, log_lines, path):
    assert api().get(path).status_code == 404

    (line,) = log_lines()
    assert (line["event"], line["status"]) == ("request", 404)
    assert log_text().count("\n") == 1
    assert log_text().isascii()


@pytest.mark.parametrize("name", ["method", "user agent", "body", "e-mail"])
def test_no_header_or_body_forges_a_line(*, acme, bob, api, log_text, log_lines, name):
    forged = '\r\n{"event": "forged"}\n'
    {
        "method": lambda: api().generic("GET", LIVE, HTTP_X_HTTP_METHOD_OVERRIDE=forged),
        "user agent": lambda: api().post(TOKEN, {"email": bob.email, "password": "wrong"}, HTTP_USER_AGENT=forged),
        "body": lambda: api().generic("POST", TOKEN, forged, content_type="application/json"),
        "e-mail": lambda: api().post(TOKEN, {"email": forged, "password": forged}),
    }[name]()

    events = [line["event"] for line in log_lines()]
    # A refusal that no organization's log can hold has lines of its own.
    assert events[-1] == "request"
    assert set(events[:-1]) <= {"sign_in_failed", "access_denied"}
    assert log_text().count("\n") == len(events)


@pytest.mark.bar(18)
@pytest.mark.asvs("16.2.5", "14.2.1")
def test_no_secret_reaches_a_log_an_event_or_a_row_s_history(acme, bob, api, log_text):
    canary = "canary-Zq7-secret"
    pair = api().post(TOKEN, {"email": bob.email, "password": PASSWORD}).json()
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}", HTTP_COOKIE=f"sessionid={canary}")
    for call in (
        lambda: client.get("/api/v1/auth/me/"),
        lambda: client.get(f"/api/v1/auth/me/?token={canary}"),
        lambda: client.post(TEAMS, {"name": "x", "password": canary}),
        lambda: api().post(TOKEN, {"email": bob.email, "password": canary}),
        lambda: api().post(TOKEN, {"email": f"{canary}@example.com", "password": canary}),
        lambda: api().post(TOKEN, {"email": [canary], "password": {canary: canary}}),
        lambda: api().generic("POST", TOKEN, f'{{"password": "{canary}"', content_type="application/json"),
        lambda: api().post(f"{TOKEN}refresh/", {"refresh": canary}),
        lambda: api().post(f"{TOKEN}refresh/", {"refresh": pair["refresh"]}),
        lambda: api(HTTP_AUTHORIZATION=f"Bearer {canary}").get(TEAMS, HTTP_AUTHORIZATION=f"Bearer {canary}"),
        lambda: client.post(TEAMS, {"name": "x"}, HTTP_IDEMPOTENCY_KEY=f"bad key {canary}"),
        lambda: client.post("/api/v1/auth/logout/"),
    ):
        call()

    with acme.entered():
        kept = [str(row) for row in Event.objects.values()] + [str(row) for row in RowChange.objects.values()]
    for secret in (canary, PASSWORD, pair["access"], pair["refresh"], bob.password):
        assert secret not in log_text()
        assert not [row for row in kept if secret in row]
    assert log_text().count('"event": "request"') == 13


@pytest.mark.parametrize(
    "key", ["password", "new_password", "refresh_token", "AUTHORIZATION", "cookie", "client_secret", "api_key", "code"]
)
def test_a_value_whose_name_sounds_secret_is_starred(log_lines, key):
    structlog.get_logger("test").warning("something", **{key: "canary", "other": "shown"})

    (line,) = log_lines()
    assert (line[key], line["other"]) == ("***", "shown")


def test_the_standard_library_s_loggers_speak_json_too(log_lines):
    try:
        raise DatabaseError("first line\nsecond line")
    except DatabaseError:
        logging.getLogger("some.library").exception("it %s", "broke")

    (line,) = log_lines()
    assert (line["event"], line["level"], line["logger"]) == ("it broke", "error", "some.library")
    assert "second line" in line["exception"]


def test_requests_at_once_keep_their_ids_apart(fresh_database, acme, dan, api, log_lines):
    authorization = api(dan)._credentials["HTTP_AUTHORIZATION"]
    ids = [f"request-{number:04}" for number in range(16)]

    at_once(
        [
            lambda given=given: api().post(
                TEAMS, {"name": given}, HTTP_AUTHORIZATION=authorization, HTTP_X_REQUEST_ID=given
            )
            for given in ids
        ]
    )

    assert sorted(line["request_id"] for line in log_lines()) == ids
    with acme.entered():
        for event in Event.objects.filter(name="team.created"):
            assert event.changes["name"][1] == event.request_id
        assert Event.objects.filter(name="team.created", at__lte=timezone.now()).count() == 16


@pytest.mark.parametrize(("base", "is_named"), [(SelfTenantTask, True), (TenantTask, True), (PlatformTask, False)])
def test_a_task_s_lines_carry_its_organization_and_the_next_task_s_do_not(db, log_lines, base, is_named):
    def speak(first):
        structlog.get_logger("test").info("spoke")
        logging.getLogger("some.library").warning("spoke too")

    task = app.task(speak, base=base, name=f"test.speaks.{base.__name__}", shared=False)
    given = str(new_id())
    try:
        task.apply((given,), throw=True)
        structlog.get_logger("test").info("between tasks")
    finally:
        app.tasks.pop(task.name)

    named = {line["event"]: line.get("organization_id") for line in log_lines()}
    expected = given if is_named else None
    assert (named["spoke"], named["spoke too"], named["between tasks"]) == (expected, expected, None)
