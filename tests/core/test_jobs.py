"""A job runs once with the rights its requester has then, tells how far it is, and ends visibly."""

import pytest
from django.db import transaction
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch, Event
from apps.core import jobs
from apps.core.errors import DomainError
from apps.core.models import Job, JobState
from apps.users.models import User
from apps.users.rights import actor_for

KIND = "tests.count"


@pytest.fixture
def kind(monkeypatch):
    """Registers the work of a test; gone afterwards."""

    def register(work):
        monkeypatch.setitem(jobs._kinds, KIND, work)

    return register


def requested(acme, by) -> tuple[Job, Dispatch]:
    with acme.entered():
        actor = actor_for(User.objects.get(pk=by.pk), at=timezone.now())
        job = jobs.request(KIND, actor=actor, at=timezone.now(), parameters={"upto": 4})
        return job, Dispatch.objects.get(consumer="core.jobs")


def test_a_job_is_done_by_the_person_who_asked(fresh_database, acme, dan, kind):
    actors = []

    def work(job, actor):
        actors.append(actor)
        with transaction.atomic():
            jobs.advance(job, done=4, total=4)
        return {"counted": 4}

    kind(work)
    job, dispatch = requested(acme, dan)

    assert services.deliver(acme.id, dispatch.pk) == "done"

    with acme.entered():
        job.refresh_from_db()
        finished = Event.objects.get(name="job.finished")
    assert (job.state, job.progress, job.result, job.errors) == (JobState.DONE, 100, {"counted": 4}, [])
    assert (finished.subject_id, finished.data["state"]) == (job.pk, "done")
    assert [actor.id for actor in actors] == [dan.pk]


def test_a_refusal_fails_the_job_for_good_and_says_why(fresh_database, acme, dan, kind):
    def work(job, actor):
        raise DomainError("There is nothing to count.", code="nothing")

    kind(work)
    job, dispatch = requested(acme, dan)

    assert services.deliver(acme.id, dispatch.pk) == "done"

    with acme.entered():
        job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.errors == [{"row": None, "code": "nothing", "detail": "There is nothing to count."}]


def test_somebody_deactivated_meanwhile_gets_nothing_done(fresh_database, acme, dan, kind):
    done = []
    kind(lambda job, actor: done.append(job) or {})
    job, dispatch = requested(acme, dan)
    with acme.entered():
        User.objects.filter(pk=dan.pk).update(is_active=False)

    services.deliver(acme.id, dispatch.pk)

    with acme.entered():
        job.refresh_from_db()
    assert (job.state, done) == (JobState.FAILED, [])


def test_an_accident_is_tried_again_and_then_done(fresh_database, acme, dan, kind):
    tries = []

    def work(job, actor):
        tries.append(job.pk)
        if len(tries) == 1:
            raise RuntimeError("a disk was full")
        return {}

    kind(work)
    job, dispatch = requested(acme, dan)

    assert services.deliver(acme.id, dispatch.pk) == "failed"
    with acme.entered():
        job.refresh_from_db()
        assert job.state == JobState.RUNNING
        Dispatch.objects.filter(pk=dispatch.pk).update(next_at=timezone.now())
    assert services.deliver(acme.id, dispatch.pk) == "done"

    with acme.entered():
        job.refresh_from_db()
    assert (job.state, len(tries)) == (JobState.DONE, 2)


def test_an_unknown_kind_cannot_be_requested(acme):
    with acme.entered(), pytest.raises(LookupError):
        jobs.request("no.such", actor=acme.system, at=timezone.now(), parameters={})
