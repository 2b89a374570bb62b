"""Every row of the contract's table of status codes, and the form of every refusal."""

import json

import pytest
from django.conf import settings
from django.db import connection
from django.db.utils import IntegrityError
from django.test import Client
from django.utils import timezone

from apps.audit.models import Event
from apps.core import records
from apps.core.api import problems
from apps.core.models import new_id
from apps.organizations.models import BusinessCalendar, Department, Organization, Site, Team
from apps.users.models import UserType
from tests.conftest import person, superuser
from tests.core.expectations import assert_problem, pointers
from tests.factories import BusinessCalendarFactory, DepartmentFactory, SiteFactory, TeamFactory

TEAMS = "/api/v1/teams/"
SITES = "/api/v1/sites/"
DEPARTMENTS = "/api/v1/departments/"
CALENDARS = "/api/v1/sla/calendars/"
CURRENT = "/api/v1/organizations/current/"


@pytest.fixture
def team(acme):
    with acme.entered():
        return TeamFactory(name="Blue")


def state_of(tenant, record):
    """What the row holds now."""
    with tenant.entered():
        return type(record).objects.filter(pk=record.pk).values().first()


def count_of(tenant, model):
    with tenant.entered():
        return model.objects.count()


# --- accepted


def test_created_is_201_with_location_and_etag(acme, dan, api):
    answer = api(dan).post(SITES, {"name": "Berlin", "time_zone": "Europe/Berlin"})

    assert answer.status_code == 201
    assert answer["Location"] == f"{SITES}{answer.json()['id']}/"
    assert answer["ETag"] == '"1"'
    assert answer["Content-Type"] == "application/json"
    assert api(dan).get(answer["Location"]).json() == answer.json()


def test_changed_is_200_with_the_record_and_its_new_version(acme, dan, api, team):
    answer = api(dan).patch(f"{TEAMS}{team.pk}/", {"name": "Green"})

    assert (answer.status_code, answer["ETag"]) == (200, '"2"')
    assert (answer.json()["name"], answer.json()["version"]) == ("Green", 2)


def test_deleted_is_204_without_a_body(acme, dan, api, team):
    answer = api(dan).delete(f"{TEAMS}{team.pk}/")

    assert (answer.status_code, answer.content) == (204, b"")
    assert state_of(acme, team)["deleted_at"] is not None


def test_options_is_204_with_allow(acme, dan, api):
    answer = api(dan).options(TEAMS)

    assert (answer.status_code, answer["Allow"]) == (204, "GET, POST, HEAD, OPTIONS")


def test_head_answers_like_get_without_a_body(acme, dan, api, team):
    answer = api(dan).head(f"{TEAMS}{team.pk}/")

    assert (answer.status_code, answer["ETag"], answer.content) == (200, '"1"', b"")


@pytest.mark.asvs("14.3.2", "4.1.1")
def test_answers_are_json_that_nobody_caches(acme, dan, api, team):
    answer = api(dan).get(TEAMS)

    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/json", "no-store")
    assert answer["X-Content-Type-Options"] == "nosniff"


# --- 400


BAD_BODIES = {
    "malformed": ('{"name": "Blue"', "malformed", []),
    "no object": ("[]", "invalid", [("", "invalid")]),
    "null": ("null", "invalid", [("", "null")]),
    "empty": ("", "invalid", [("/name", "required")]),
    "missing": ('{"time_zone": "UTC"}', "invalid", [("/name", "required")]),
    "wrong type": ('{"name": 7, "time_zone": "UTC"}', "invalid", [("/name", "invalid")]),
    "blank": ('{"name": "  ", "time_zone": "UTC"}', "invalid", [("/name", "blank")]),
    "too long": (json.dumps({"name": "x" * 121, "time_zone": "UTC"}), "invalid", [("/name", "max_length")]),
    "unknown zone": ('{"name": "Blue", "time_zone": "Mars/Olympus"}', "invalid", [("/time_zone", "unknown_zone")]),
    "unknown field": ('{"name": "B", "time_zone": "UTC", "colour": 1}', "invalid", [("/colour", "unknown_field")]),
    "read only": ('{"name": "B", "time_zone": "UTC", "version": 9}', "invalid", [("/version", "read_only")]),
    "tenant": (
        '{"name": "B", "time_zone": "UTC", "organization_id": "x"}',
        "invalid",
        [("/organization_id", "unknown_field")],
    ),
    "several": (
        '{"name": null, "time_zone": "Mars", "id": "x", "a/b~c": 1}',
        "invalid",
        [("/name", "null"), ("/time_zone", "unknown_zone"), ("/id", "read_only"), ("/a~1b~0c", "unknown_field")],
    ),
}


@pytest.mark.bar(37)
@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_is_not_accepted_is_400_with_a_pointer_to_each_fault(acme, dan, api, name):
    raw, code, expected = BAD_BODIES[name]

    answer = api(dan).generic("POST", SITES, raw, content_type="application/json")

    assert pointers(assert_problem(answer, 400, code)) == expected
    assert count_of(acme, Site) == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": 7}, "accepted: a JSON string"),
        ({"is_active": "yes"}, "accepted: true, false"),
        ({"time_zone": "Mars"}, "accepted: an IANA name"),
        ({"name": "x" * 121}, "no more than 120"),
        ({"colour": "x"}, "accepted: name, time_zone, address, is_active"),
        ({"id": "x"}, "set by the platform"),
    ],
)
def test_each_fault_says_what_is_accepted(acme, dan, api, body, words):
    with acme.entered():
        site = SiteFactory()
    answer = api(dan).patch(f"{SITES}{site.pk}/", body)

    body = assert_problem(answer, 400, "invalid")
    assert [words in error["detail"] for error in body["errors"]] == [True]
    assert state_of(acme, site)["version"] == 1


@pytest.mark.parametrize("which", ["foreign", "unknown", "not an id", "a number", "a list"])
def test_a_reference_to_nothing_of_ours_is_400_and_tells_no_foreign_id_from_an_unknown_one(
    *, acme, globex, dan, api, team, which
):
    with globex.entered():
        foreign = BusinessCalendarFactory()
    given = {"foreign": str(foreign.pk), "unknown": str(new_id()), "not an id": "x", "a number": 1, "a list": []}[which]

    answer = api(dan).patch(f"{TEAMS}{team.pk}/", {"calendar": given})

    body = assert_problem(answer, 400, "invalid")
    code = "does_not_exist" if which in {"foreign", "unknown"} else "invalid"
    assert pointers(body) == [("/calendar", code)]
    if code == "does_not_exist":
        assert body["errors"][0]["detail"].replace(given, "ID") == "ID does not exist."
    assert state_of(acme, team)["calendar_id"] is None


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("colour=red", "/colour", "unknown_parameter"),
        ("page_size=201", "/page_size", "out_of_range"),
        ("page_size=0", "/page_size", "out_of_range"),
        ("cursor=forged", "/cursor", "invalid"),
        ("ordering=colour", "/ordering", "invalid_choice"),
        ("fields=colour", "/fields", "invalid_choice"),
        ("expand=colour", "/expand", "invalid_choice"),
        ("count=yes", "/count", "invalid_choice"),
        ("name=a&name=b", "/name", "repeated_parameter"),
        ("calendar=x", "/calendar", "invalid"),
        ("created_at__gte=2026-11-21T08:30:00", "/created_at__gte", "naive"),
        ("created_at__gte=2026-11-21", "/created_at__gte", "naive"),
        ("created_at__gte=1600-01-01T00:00:00Z", "/created_at__gte", "out_of_range"),
        ("created_at__lte=tomorrow", "/created_at__lte", "invalid"),
    ],
)
def test_a_parameter_that_is_not_accepted_is_400_with_a_pointer(*, acme, dan, api, team, query, pointer, code):
    answer = api(dan).get(f"{TEAMS}?{query}")

    assert pointers(assert_problem(answer, 400, "invalid_parameter")) == [(pointer, code)]


def test_a_naive_time_in_a_query_is_told_what_is_accepted(acme, dan, api):
    body = api(dan).get(f"{TEAMS}?created_at__gte=2026-11-21T08:30:00").json()

    assert "accepted: RFC 3339 with offset" in body["errors"][0]["detail"]


# --- 401


@pytest.mark.asvs("8.3.1")
@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "not_authenticated"),
        ("", "not_authenticated"),
        ("Bearer", "token_invalid"),
        ("Bearer rubbish", "token_invalid"),
        ("Basic YTpi", "token_invalid"),
    ],
)
def test_nobody_is_401_with_a_code_and_a_challenge(*, acme, dan, api, team, header, code):
    client = api() if header is None else api(HTTP_AUTHORIZATION=header)
    if header is not None:
        client.credentials(HTTP_AUTHORIZATION=header)

    answer = client.patch(f"{TEAMS}{team.pk}/", {"name": "Mine"})

    assert_problem(answer, 401, code)
    assert answer["WWW-Authenticate"] == 'Bearer realm="itsm"'
    assert state_of(acme, team)["name"] == "Blue"


# --- 403 and 404


WRITES = [("post", TEAMS, "create"), ("patch", "ID", "update"), ("delete", "ID", "delete")]


@pytest.mark.parametrize(("method", "url", "action"), WRITES)
def test_a_missing_grant_is_403_and_names_it(*, acme, alice, api, team, method, url, action):
    url = f"{TEAMS}{team.pk}/" if url == "ID" else url
    before = state_of(acme, team)

    body = assert_problem(getattr(api(alice), method)(url, {"name": "Mine"}), 403, "missing_grant")

    assert body["grant"] == f"teams.{action}"
    assert (state_of(acme, team), count_of(acme, Team)) == (before, 1)


def test_whoever_may_not_even_read_is_told_so_whether_the_record_exists_or_not(acme, bob, api, team):
    for pk in (team.pk, new_id()):
        body = assert_problem(api(bob).get(f"{TEAMS}{pk}/"), 403, "missing_grant")
        assert body["grant"] == "teams.read"


@pytest.mark.parametrize("caller", ["mallory", "an agent of globex"])
@pytest.mark.parametrize("method", ["get", "patch", "delete", "restore"])
def test_a_foreign_record_is_404_like_one_that_never_was(*, acme, globex, mallory, api, team, caller, method):
    user = mallory if caller == "mallory" else person(globex, "ann", UserType.AGENT)
    before = state_of(acme, team)
    answers = []
    for pk in (team.pk, new_id()):
        client = api(user)
        url = f"{TEAMS}{pk}/" + ("restore/" if method == "restore" else "")
        call = client.post if method == "restore" else getattr(client, method)
        body = assert_problem(call(url, {}), 404, "not_found")
        answers.append({**body, "request_id": ""})

    assert answers[0] == answers[1]
    assert state_of(acme, team) == before


@pytest.mark.parametrize(
    "url",
    [
        "/api/v1/nothing/",
        "/api/v1/teams",
        "/api/v1/teams/not-an-id/",
        "/api/v1/",
        "/api/",
        "/",
        "/nothing",
        "/%00",
        "/%ff%fe",
        "/api/v1/teams/%2e%2e/",
        "/.env",
    ],
)
def test_an_unknown_address_is_404_as_a_problem_inside_and_outside_of_the_api(db, api, url):
    for method in ("GET", "POST", "PUT"):
        assert_problem(api().generic(method, url), 404, "not_found")


def test_a_wrong_host_is_400_as_a_problem(db, api):
    assert_problem(api().get(TEAMS, HTTP_HOST="evil.example"), 400, "invalid")


# --- 405


@pytest.mark.asvs("4.1.4")
@pytest.mark.parametrize(
    ("url", "allow"),
    [
        (TEAMS, "GET, POST, HEAD, OPTIONS"),
        (f"{TEAMS}ID/", "GET, PATCH, DELETE, HEAD, OPTIONS"),
        (f"{TEAMS}ID/restore/", "POST, OPTIONS"),
        (CURRENT, "GET, PATCH, HEAD, OPTIONS"),
        ("/api/v1/auth/token/", "POST, OPTIONS"),
        ("/api/v1/auth/logout/", "POST, OPTIONS"),
        ("/api/v1/audit/events/", "GET, HEAD, OPTIONS"),
        ("/api/schema/", "GET, HEAD"),
        ("/health/live/", "GET, HEAD"),
        ("/health/ready/", "GET, HEAD"),
    ],
)
def test_another_method_is_405_and_allow_says_which(*, acme, dan, api, team, url, allow):
    client, body = api(dan), '{"name": "x"}'
    for method in ("PUT", "TRACE", "PURGE", "CONNECT"):
        answer = client.generic(method, url.replace("ID", str(team.pk)), body, content_type="application/json")
        assert_problem(answer, 405, "method_not_allowed")
        assert answer["Allow"] == allow
    assert state_of(acme, team)["version"] == 1


def test_the_health_endpoints_take_no_posts_and_show_no_csrf_page(db, api):
    answer = Client(enforce_csrf_checks=True).post("/health/live/")

    assert_problem(answer, 405, "method_not_allowed")


# --- 409


def test_a_duplicate_key_is_409_and_names_the_fields(acme, dan, api, team):
    body = assert_problem(api(dan).post(TEAMS, {"name": "Blue"}), 409, "duplicate")

    assert body["detail"] == "Another record has the same name."
    assert count_of(acme, Team) == 1


def test_a_name_is_free_again_after_deletion_but_then_the_restoration_is_409(acme, dan, api, team):
    api(dan).delete(f"{TEAMS}{team.pk}/")
    assert api(dan).post(TEAMS, {"name": "Blue"}).status_code == 201

    assert_problem(api(dan).post(f"{TEAMS}{team.pk}/restore/"), 409, "duplicate")
    assert state_of(acme, team)["deleted_at"] is not None


def test_the_same_name_next_door_is_no_duplicate(acme, globex, mallory, api, team):
    assert api(mallory).post(TEAMS, {"name": "Blue"}).status_code == 201


def test_restoring_what_is_not_deleted_is_409(acme, dan, api, team):
    assert_problem(api(dan).post(f"{TEAMS}{team.pk}/restore/"), 409, "not_deleted")
    assert state_of(acme, team)["version"] == 1


def test_a_deleted_record_is_404_until_it_is_restored(acme, dan, api, team):
    url = f"{TEAMS}{team.pk}/"
    api(dan).delete(url)
    for answer in (api(dan).get(url), api(dan).patch(url, {"name": "x"}), api(dan).delete(url)):
        assert_problem(answer, 404, "not_found")

    restored = api(dan).post(f"{url}restore/")

    assert (restored.status_code, restored["ETag"], restored.json()["deleted_at"]) == (200, '"3"', None)
    assert api(dan).get(url).json() == restored.json()


def test_what_others_refer_to_is_not_deleted_but_409(acme, dan, api):
    with acme.entered():
        calendar = BusinessCalendarFactory()
        TeamFactory(calendar=calendar)

    body = assert_problem(api(dan).delete(f"{CALENDARS}{calendar.pk}/"), 409, "still_referenced")

    assert body["detail"] == "Still referenced by teams."
    assert count_of(acme, BusinessCalendar) == 1
    with acme.entered():
        assert not Event.objects.filter(name="calendar.deleted").exists()


# --- 412 and 428


def test_a_stale_if_match_is_412_and_says_where_the_record_is_now(acme, dan, api, team):
    api(dan).patch(f"{TEAMS}{team.pk}/", {"name": "Green"})

    body = assert_problem(api(dan).patch(f"{TEAMS}{team.pk}/", {"name": "Red"}, HTTP_IF_MATCH='"1"'), 412, "stale")

    assert body["current_version"] == 2
    assert state_of(acme, team)["name"] == "Green"


@pytest.fixture
def strict_acme(acme):
    """An organization that requires If-Match."""
    with acme.entered():
        Organization.objects.filter(pk=acme.id).update(requires_if_match=True)
    return acme


@pytest.mark.bar(36)
def test_where_the_organization_requires_if_match_its_absence_is_428(strict_acme, dan, api, team):
    url = f"{TEAMS}{team.pk}/"
    before = state_of(strict_acme, team)
    for answer in (
        api(dan).patch(url, {"name": "Green"}),
        api(dan).delete(url),
        api(dan).patch(CURRENT, {"name": "Other"}),
    ):
        assert_problem(answer, 428, "precondition_required")

    assert state_of(strict_acme, team) == before
    assert state_of(strict_acme, strict_acme.organization)["name"] == "Acme"
    assert api(dan).patch(url, {"name": "Green"}, HTTP_IF_MATCH='"1"').status_code == 200
    assert api(dan).delete(url, HTTP_IF_MATCH='"2"').status_code == 204
    assert_problem(api(dan).post(f"{url}restore/"), 428, "precondition_required")
    assert api(dan).post(f"{url}restore/", HTTP_IF_MATCH='"3"').status_code == 200


# --- 413 and 415


@pytest.mark.parametrize("key", [None, "one"])
def test_a_body_above_two_mebibytes_is_413(acme, dan, api, key):
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    body = b'{"name": "' + b"x" * settings.BODY_LIMIT_BYTES + b'"}'

    assert_problem(api(dan).generic("POST", TEAMS, body, content_type="application/json", **headers), 413, "too_large")
    assert count_of(acme, Team) == 0


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/merge-patch+json",
        "application/json; charset=latin-1",
        "application/json; Charset=UTF-16",
        "application/json; charset='utf-7'",
        "",
        "nonsense",
    ],
)
def test_another_media_type_or_charset_is_415_and_says_what_is_accepted(acme, dan, api, media_type):
    body = b'{"name": "Blue"}' if "multipart" not in media_type else b"--x--\r\n"
    answer = api(dan).generic("POST", TEAMS, body, content_type=media_type or " ")

    refusal = assert_problem(answer, 415, "unsupported_media_type")
    assert "application/json" in refusal["detail"] or "utf-8" in refusal["detail"]
    assert count_of(acme, Team) == 0


@pytest.mark.parametrize(
    "media_type", ["application/json", 'APPLICATION/JSON; charset="UTF-8"', "application/json;charset=utf8"]
)
def test_json_in_utf8_is_accepted_however_it_is_spelled(acme, dan, api, media_type):
    assert api(dan).generic("POST", TEAMS, '{"name": "Blü"}', content_type=media_type).json()["name"] == "Blü"


# --- 422


def test_an_idempotency_key_with_another_body_is_422(acme, dan, api):
    assert api(dan).post(TEAMS, {"name": "Blue"}, HTTP_IDEMPOTENCY_KEY="one").status_code == 201

    assert_problem(api(dan).post(TEAMS, {"name": "Red"}, HTTP_IDEMPOTENCY_KEY="one"), 422, "idempotency_key_reused")
    assert count_of(acme, Team) == 1


def test_a_check_constraint_speaks_its_own_words_as_422(acme, dan):
    with acme.entered():
        department = DepartmentFactory()
    with pytest.raises(IntegrityError) as refusal, acme.entered():
        records.change(department, actor=acme.system, at=timezone.now(), values={"parent_id": department.pk})

    problem = problems.as_domain_error(refusal.value)

    assert (problem.status, problem.code) == (422, "domain_rule")
    assert problem.detail == "A department cannot be its own parent."
    with acme.entered():
        assert Department.objects.get().parent_id is None


# --- 503


@pytest.mark.bar(37)
@pytest.mark.parametrize("setting", ["lock_timeout", "statement_timeout"])
def test_a_database_that_refuses_in_time_is_503_with_retry_after(*, fresh_database, acme, dan, api, team, setting):
    client, url = api(dan), f"{TEAMS}{team.pk}/"
    with superuser() as other:
        # In this database alone, which is dropped after the test.
        other.execute(f"ALTER ROLE itsm_app IN DATABASE {connection.settings_dict['NAME']} SET {setting} = '300ms'")
        connection.close()
        other.execute("BEGIN")
        other.execute("SELECT 1 FROM organizations_team WHERE id = %s FOR UPDATE", [team.pk])
        answer = client.patch(url, {"name": "Green"})
        other.execute("ROLLBACK")

    body = assert_problem(answer, 503, "unavailable")
    assert (answer["Retry-After"], body["retry_after"]) == ("5", 5)
    assert state_of(acme, team)["name"] == "Blue"
    assert client.patch(url, {"name": "Green"}).status_code == 200


def test_a_database_that_is_gone_is_503_and_comes_back(fresh_database, acme, dan, api, team):
    client = api(dan)
    assert client.get(TEAMS).status_code == 200
    with superuser() as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'itsm_app' AND datname = current_database()"
        )
    answer = client.get(TEAMS)

    assert_problem(answer, 503, "unavailable")
    connection.close()
    assert client.get(TEAMS).status_code == 200
