"""Long work asked for by an API token: it does no more than that token may, and nothing once the token is over."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch
from apps.core import export_files, jobs
from apps.core.models import Job, JobState
from apps.users import api_tokens
from apps.users.models import ApiToken, RoleAssignment, User
from apps.users.rights import actor_by_token
from tests.conftest import Api, signed_in_now
from tests.core.expectations import assert_problem

IMPORT, EXPORTS = "/api/v1/users/import/", "/api/v1/exports/"
# Everything that the role of a new person gives, for whoever creates one may give no more than they hold; no users:update.
CREATING = ("users:create", "tickets:*", "absences:*", "*:read")
pytestmark = pytest.mark.usefixtures("fresh_database")


def token_of(acme, owner, *scopes):
    """The row of a new token, and a client that signs in by it."""
    at = timezone.now()
    with acme.entered():
        row, text = api_tokens.create(
            actor=signed_in_now(owner), at=at, owner=owner, name="CI", scopes=scopes, expires_at=at + timedelta(days=1)
        )
    client = Api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return row, client


def asked_to_import(client, text) -> Job:
    answer = client.post(IMPORT, {"csv": text})
    assert answer.status_code == 202, answer.content
    return Job(pk=answer.json()["id"])


def asked_to_export(acme, token) -> Job:
    """As a view would that accepts tokens."""
    at = timezone.now()
    with acme.entered():
        token.user = User.objects.get(pk=token.user_id)
        given = {"resource": "sites", "filters": {}, "format": "csv", "file": export_files.new_name("csv")}
        return jobs.request(export_files.KIND, actor=actor_by_token(token, at=at), at=at, parameters=given)


def done(acme, job) -> Job:
    with acme.entered():
        dispatch = Dispatch.objects.get(consumer="core.jobs", done_at=None)
    assert services.deliver(acme.id, dispatch.pk) == "done"
    with acme.entered():
        return Job.objects.get(pk=job.pk)


def codes(job):
    return [error["code"] for error in job.errors]


def change(acme, token, **values):
    with acme.entered():
        ApiToken.objects.filter(pk=token.pk).update(**values)


@pytest.mark.asvs("8.3.3")
def test_a_token_that_may_only_create_makes_no_import_change_people(acme, dan, alice):
    token, client = token_of(acme, dan, *CREATING)
    text = f"email,full_name\n{alice.email},Renamed\nnew@acme.example,Somebody New\n"
    job = done(acme, asked_to_import(client, text))

    with acme.entered():
        assert User.objects.get(pk=alice.pk).full_name == alice.full_name
        assert User.objects.filter(email="new@acme.example").exists()
    assert (job.requested_by_id, job.requested_by_token_id) == (dan.pk, token.pk)
    assert (job.result["created"], job.result["updated"], job.result["failed"]) == (1, 0, 1)
    assert [(error["row"], error["code"]) for error in job.errors] == [(2, "missing_grant")]


def test_a_token_gives_no_role_beyond_its_scopes_by_a_job_either(acme, dan, alice):
    _, client = token_of(acme, dan, "users:create")
    text = f"email,full_name\n{alice.email},Renamed\nnew@acme.example,Somebody New\n"
    job = done(acme, asked_to_import(client, text))

    assert (job.result["created"], job.result["updated"], codes(job)) == (0, 0, ["missing_grant", "missing_grant"])
    with acme.entered():
        assert not User.objects.filter(email="new@acme.example").exists()


def test_a_token_that_may_update_too_does(acme, dan, alice):
    _, client = token_of(acme, dan, "users:create", "users:update")
    job = done(acme, asked_to_import(client, f"email,full_name\n{alice.email},Renamed\n"))

    assert (job.result["updated"], job.errors) == (1, [])


def test_the_owners_rights_of_the_moment_bound_it_as_well(acme, dan, alice):
    _, client = token_of(acme, dan, "users:*")
    job = asked_to_import(client, f"email,full_name\n{alice.email},Renamed\n")
    with acme.entered():
        RoleAssignment.objects.filter(user=dan).delete()

    assert codes(done(acme, job)) == ["missing_grant"]


@pytest.mark.asvs("8.3.2")
@pytest.mark.parametrize("end", ["revoked", "expired", "gone"])
def test_what_was_asked_for_by_a_token_that_is_over_is_not_done_and_says_why(acme, dan, end):
    token, client = token_of(acme, dan, "users:*")
    job = asked_to_import(client, "email,full_name\nnew@acme.example,Somebody New\n")
    if end == "revoked":
        with acme.entered():
            api_tokens.revoke(
                ApiToken.objects.select_for_update().get(pk=token.pk), actor=dan.as_actor(), at=timezone.now()
            )
    elif end == "expired":
        change(acme, token, expires_at=timezone.now())
    else:
        with acme.entered():
            ApiToken.objects.filter(pk=token.pk).delete()
    job = done(acme, job)

    assert (job.state, codes(job)) == (JobState.FAILED, ["token_expired" if end == "expired" else "token_revoked"])
    assert "API token" in job.errors[0]["detail"]
    with acme.entered():
        assert not User.objects.filter(email="new@acme.example").exists()


def test_what_a_person_asked_for_outlives_their_tokens(acme, dan, alice, api):
    token, _ = token_of(acme, dan, "users:*")
    job = asked_to_import(api(dan), f"email,full_name\n{alice.email},Renamed\n")
    change(acme, token, revoked_at=timezone.now())
    job = done(acme, job)

    assert (job.requested_by_token_id, job.state, job.result["updated"]) == (None, JobState.DONE, 1)


def test_a_token_asks_for_the_files_that_its_scopes_let_out_and_watches_its_own_jobs(acme, dan, api):
    given = {"resource": "sites", "format": "csv"}
    _, reading = token_of(acme, dan, "sites:read")
    assert_problem(reading.post(EXPORTS, given), 403, "missing_grant")

    _, exporting = token_of(acme, dan, "sites:*")
    accepted = exporting.post(EXPORTS, given)
    assert accepted.status_code == 202
    assert exporting.get(accepted["Location"]).status_code == 200

    # Neither another token of the same owner nor the owner's own work.
    assert reading.get(accepted["Location"]).status_code == 404
    own = api(dan).post(EXPORTS, given)
    assert exporting.get(own["Location"]).status_code == 404
    assert [row["id"] for row in exporting.get("/api/v1/jobs/").json()["results"]] == [accepted.json()["id"]]


@pytest.mark.parametrize("scopes, status", [(["sites:read"], 403), (["sites:read", "sites:export"], 200)])
def test_a_list_as_a_file_takes_the_scope_to_export(acme, dan, scopes, status):
    _, client = token_of(acme, dan, *scopes)
    assert client.get("/api/v1/sites/", {"format": "csv"}).status_code == status


def test_an_export_is_written_neither_beyond_the_scopes_nor_after_the_end(acme, dan, settings, tmp_path):
    exports = settings.STORAGES["exports"]
    options = {**exports["OPTIONS"], "location": tmp_path}
    settings.STORAGES = {**settings.STORAGES, "exports": {**exports, "OPTIONS": options}}
    reading, _ = token_of(acme, dan, "sites:read")
    exporting, _ = token_of(acme, dan, "sites:*")

    assert codes(done(acme, asked_to_export(acme, reading))) == ["missing_grant"]
    job = asked_to_export(acme, exporting)
    change(acme, exporting, revoked_at=timezone.now())
    assert codes(done(acme, job)) == ["token_revoked"]
    assert list(tmp_path.iterdir()) == []
    change(acme, exporting, revoked_at=None)
    assert done(acme, asked_to_export(acme, exporting)).state == JobState.DONE
    assert len(list(tmp_path.iterdir())) == 1
