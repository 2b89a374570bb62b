"""Whoever asked for a job watches it; nobody else does, but for those who read what people do."""

from uuid import uuid4

import pytest
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch
from apps.core import jobs
from apps.core.models import Job, JobState
from apps.organizations.models import Organization
from apps.organizations.services import suspend
from apps.users.models import User, UserType
from apps.users.rights import actor_for, operator_in
from tests.conftest import Tenant
from tests.core.expectations import assert_problem
from tests.factories import JobFactory

KIND = "tests.watched"
FIELDS = {
    "id", "kind", "state", "progress", "total", "done", "errors", "result", "created_at", "started_at", "finished_at",
}  # fmt: skip


@pytest.fixture
def job_of_bob(acme, bob):
    with acme.entered():
        return JobFactory(requested_by_id=bob.pk, kind=KIND, total=200, done=50, state=JobState.RUNNING)


def test_the_requester_watches_their_job(api, bob, job_of_bob):
    answer = api(bob).get(f"/api/v1/jobs/{job_of_bob.pk}/")

    assert answer.status_code == 200
    assert set(answer.json()) == FIELDS
    assert {name: answer.json()[name] for name in ("kind", "state", "progress", "total", "done", "errors", "result")} == {
        "kind": KIND, "state": "running", "progress": 25, "total": 200, "done": 50, "errors": [], "result": {},
    }  # fmt: skip
    assert [row["id"] for row in api(bob).get("/api/v1/jobs/").json()["results"]] == [str(job_of_bob.pk)]


def test_an_administrator_sees_everybodys(api, dan, job_of_bob):
    assert api(dan).get(f"/api/v1/jobs/{job_of_bob.pk}/").status_code == 200
    assert len(api(dan).get("/api/v1/jobs/").json()["results"]) == 1


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_a_colleague_cannot_tell_whether_it_exists(api, request, job_of_bob, who):
    client = api(request.getfixturevalue(who))
    there, nowhere = (client.get(f"/api/v1/jobs/{pk}/") for pk in (job_of_bob.pk, uuid4()))

    assert_problem(there, 404, "not_found")
    assert there.json()["detail"] == nowhere.json()["detail"]
    assert client.get("/api/v1/jobs/").json()["results"] == []


def test_nor_can_mallory_or_a_stranger(api, mallory, job_of_bob):
    assert api(mallory).get(f"/api/v1/jobs/{job_of_bob.pk}/").status_code == 404
    assert api(mallory).get("/api/v1/jobs/").json()["results"] == []
    assert api().get("/api/v1/jobs/").status_code == 401


def test_jobs_are_found_by_state_and_kind(api, acme, bob, job_of_bob):
    with acme.entered():
        JobFactory(requested_by_id=bob.pk, kind="tests.other")
    found = api(bob).get("/api/v1/jobs/?state=running").json()["results"]

    assert [row["kind"] for row in found] == [KIND]
    assert len(api(bob).get("/api/v1/jobs/?kind=tests.other").json()["results"]) == 1


@pytest.mark.parametrize("method", ["post", "patch", "delete"])
def test_nobody_writes_a_job(api, dan, job_of_bob, method):
    for url in ("/api/v1/jobs/", f"/api/v1/jobs/{job_of_bob.pk}/"):
        assert_problem(getattr(api(dan), method)(url), 405, "method_not_allowed")


# --- an operator's job, which runs in an organization that is not theirs


@pytest.fixture
def asked(acme, operator, monkeypatch):
    """Olga's job in acme, and the actors that its work met."""
    met = []
    monkeypatch.setitem(jobs._kinds, KIND, lambda job, actor: met.append(actor) or {})
    with acme.entered():
        job = jobs.request(KIND, actor=operator_in(acme.id, operator), at=timezone.now(), parameters={})
        return job, Dispatch.objects.get(consumer="core.jobs"), met


def run(acme, asked):
    job, dispatch, met = asked
    assert services.deliver(acme.id, dispatch.pk) == "done"
    with acme.entered():
        job.refresh_from_db()
    return job, met


@pytest.mark.usefixtures("fresh_database")
def test_an_operators_job_runs_with_an_operators_rights(acme, operator, asked):
    job, (actor,) = run(acme, asked)

    assert job.state == JobState.DONE
    assert (actor.id, actor.organization_id, actor.home_organization_id) == (
        operator.pk,
        acme.id,
        operator.organization_id,
    )
    assert actor.authorizer.decide("update", "sites").is_allowed


@pytest.mark.asvs("8.3.3")
@pytest.mark.usefixtures("fresh_database")
@pytest.mark.parametrize("loss", ["deactivated", "no administrator", "home is no operator", "home is suspended"])
def test_who_is_no_operator_any_more_gets_nothing_done(acme, operator, asked, loss):
    home = Tenant(Organization(pk=operator.organization_id))
    with home.entered():
        people, homes = User.objects.filter(pk=operator.pk), Organization.objects.filter(pk=home.id)
        if loss == "deactivated":
            people.update(is_active=False)
        elif loss == "no administrator":
            people.update(user_type=UserType.AGENT)
        elif loss == "home is no operator":
            homes.update(is_operator=False)
        else:
            suspend(homes.get(), actor=home.system, at=timezone.now(), reason="test")
    job, met = run(acme, asked)

    assert (job.state, met) == (JobState.FAILED, [])
    assert job.errors[0]["code"] == "missing_grant"


@pytest.mark.usefixtures("fresh_database")
def test_an_operator_watches_their_job_where_they_asked_for_it(api, acme, globex, operator, asked):
    job, _, _ = asked

    assert api(operator, HTTP_X_ORGANIZATION="acme").get(f"/api/v1/jobs/{job.pk}/").status_code == 200
    assert api(operator, HTTP_X_ORGANIZATION="globex").get(f"/api/v1/jobs/{job.pk}/").status_code == 404


def test_a_person_of_the_organization_is_found_at_home(acme, dan, monkeypatch):
    monkeypatch.setitem(jobs._kinds, KIND, lambda job, actor: {})
    with acme.entered():
        actor = actor_for(User.objects.get(pk=dan.pk), at=timezone.now())
        job = jobs.request(KIND, actor=actor, at=timezone.now(), parameters={})

        assert Job.objects.get(pk=job.pk).requested_from_id is None
        assert jobs._actor_of(job, timezone.now()).id == dan.pk
