"""Refusals inside one request, and in the admin, are told as those of the API are; and no question answers past a grant."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection

from apps.audit.models import Event
from apps.core.models import DenialCount
from apps.users.models import Role, UserType
from tests.conftest import person
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.factories import JobFactory, SiteFactory
from tests.users.test_admin_people import grant, limited_admin
from tests.users.test_admin_sign_in import signed_in
from tests.users.test_api_tokens import by, made


def denials(acme):
    with acme.entered():
        return [event.data for event in Event.objects.filter(name="access.denied").order_by("recorded_at")]


def test_each_row_of_a_bulk_request_that_is_refused_is_told_up_to_the_limit(acme, dan, api, settings):
    settings.ACCESS_DENIED_PER_MINUTE = 2
    ids = [str(uuid4()) for _ in range(4)]
    answer = api(dan).post("/api/v1/teams/bulk/", {"ids": ids, "action": "delete"})

    assert [row["status"] for row in answer.json()["results"]] == [404] * 4
    told = denials(acme)
    assert [(event["status"], event["record"]) for event in told] == [(404, {"pk": pk}) for pk in ids[:2]]


@pytest.mark.usefixtures("fresh_database")
def test_two_connections_that_are_refused_at_once_share_one_limit_and_no_refusal_is_lost(acme, dan, api, settings):
    settings.ACCESS_DENIED_PER_MINUTE = 3
    clients = [api(dan), api(dan)]

    def burst(client):
        return [client.get(f"/api/v1/teams/{uuid4()}/").status_code for _ in range(5)]

    within_one_minute()
    assert at_once([lambda client=client: burst(client) for client in clients]) == [[404] * 5] * 2

    assert len(denials(acme)) == 3
    with acme.entered():
        counted = DenialCount.objects.get(actor_id=dan.pk)
        assert (counted.seen, counted.untold) == (10, 7)
        # As if a minute had gone by.
        DenialCount.objects.update(minute=counted.minute - timedelta(minutes=1))
    clients[0].get(f"/api/v1/teams/{uuid4()}/")
    assert [event.get("untold") for event in denials(acme)] == [None, None, None, 7]


def within_one_minute():
    """Begin far enough from the minute's end: the limit is counted by the database's minutes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(second FROM statement_timestamp())")
        second = float(cursor.fetchone()[0])
    if second > 45:
        time.sleep(61 - second)


def test_a_page_of_the_admin_that_is_refused_is_told_once(acme):
    limited = limited_admin(acme, grant("users", "read"))
    browser = signed_in(limited)

    assert browser.get("/admin/users/user/").status_code == 200
    assert denials(acme) == []
    assert browser.get("/admin/users/role/").status_code == 403
    (told,) = denials(acme)
    assert (told["status"], told["reason"], told["method"]) == (403, "missing_grant", "GET")
    with acme.entered():
        event = Event.objects.get(name="access.denied")
    assert (event.actor_id, event.via) == (limited.pk, "admin")


def test_explain_answers_about_no_record_that_the_caller_may_not_read(acme, dan, api):
    with acme.entered():
        site = SiteFactory()
    auditor = person(acme, "otto", UserType.END_USER)
    role = (
        api(dan)
        .post("/api/v1/roles/", {"name": "Rights", "grants": [grant("roles", "read"), grant("roles", "update")]})
        .json()["id"]
    )
    api(dan).post("/api/v1/role-assignments/", {"role": role, "user": str(auditor.pk)})
    question = {"user": str(dan.pk), "resource": "sites", "action": "read"}

    for pk in (site.pk, uuid4()):
        refused = api(auditor).get("/api/v1/auth/permissions/explain/", {**question, "object": str(pk)})
        assert_problem(refused, 404, "not_found")
    assert api(dan).get("/api/v1/auth/permissions/explain/", {**question, "object": str(site.pk)}).status_code == 200

    # Nor does changing roles let them lower how the more powerful prove themselves.
    with acme.entered():
        admin = Role.objects.get(key="admin")
    assert_problem(api(auditor).patch(f"/api/v1/roles/{admin.pk}/", {"requires_mfa": True}), 403, "missing_grant")
    assert api(dan).patch(f"/api/v1/roles/{admin.pk}/", {"requires_mfa": True}).status_code == 200
    assert_problem(api(auditor).patch(f"/api/v1/roles/{admin.pk}/", {"requires_mfa": False}), 403, "missing_grant")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("auth/api-tokens/", 200), ("service-accounts/", 200), ("auth/sessions/", 400)],
)
def test_a_list_is_a_file_only_where_a_grant_lets_it_out(acme, dan, alice, api, path, expected):
    assert api(dan).get(f"/api/v1/{path}", {"format": "csv"}).status_code == expected
    assert api(alice).get(f"/api/v1/{path}", {"format": "csv"}).status_code == (403 if expected == 200 else 400)


def test_a_token_watches_the_work_of_its_owner_alone(acme, dan, alice, api):
    program = by(api, made(api, dan, scopes=["sites:*", "audit:*"])["token"])
    with acme.entered():
        SiteFactory()
        other = JobFactory(requested_by_id=alice.pk)
    asked = program.post("/api/v1/exports/", {"resource": "sites"})

    assert asked.status_code == 202
    assert program.get(asked["Location"]).status_code == 200
    assert [job["id"] for job in program.get("/api/v1/jobs/").json()["results"]] == [asked.json()["id"]]
    assert_problem(program.get(f"/api/v1/jobs/{other.pk}/"), 404, "not_found")
    assert_problem(program.get(f"/api/v1/exports/{asked.json()['id']}/download/"), 409, "export_not_ready")
    refused = program.post("/api/v1/exports/", {"resource": "teams"})
    assert assert_problem(refused, 403, "missing_grant")["grant"] == "teams.export"
