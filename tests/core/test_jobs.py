"""A job runs once with the rights its requester has then, tells how far it is, and ends visibly."""

import pytest
from django.db import transaction
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch, Event
from apps.audit.relay import Relay
from apps.core import jobs, tenancy
from apps.core.errors import DomainError
from apps.core.models import Job, JobState
from apps.users.models import User
from apps.users.rights import actor_for
from tests.core.racing import at_once

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


def fail_for_good(acme, dispatch):
    for left in range(services.MAX_ATTEMPTS, 0, -1):
        with acme.entered():
            Dispatch.objects.filter(pk=dispatch.pk).update(next_at=timezone.now())
        assert services.deliver(acme.id, dispatch.pk) == ("dead" if left == 1 else "failed")


def test_a_job_that_no_attempt_is_left_for_fails_and_a_replay_runs_it_again(fresh_database, acme, dan, kind):
    broken = [True]

    def work(job, actor):
        if broken:
            raise RuntimeError("a disk was full")
        return {"counted": 4}

    kind(work)
    job, dispatch = requested(acme, dan)

    fail_for_good(acme, dispatch)

    with acme.entered():
        job.refresh_from_db()
        assert (job.state, [error["code"] for error in job.errors]) == (JobState.FAILED, ["gave_up"])
        assert [event.data["state"] for event in Event.objects.filter(name="job.finished")] == ["failed"]
        broken.clear()
        services.replay(Dispatch.objects.get(pk=dispatch.pk), actor=acme.system, at=timezone.now())
    assert services.deliver(acme.id, dispatch.pk) == "done"
    with acme.entered():
        job.refresh_from_db()
    assert (job.state, job.errors, job.result) == (JobState.DONE, [], {"counted": 4})


def test_a_run_that_another_one_overtook_writes_nothing_more(fresh_database, acme, dan, kind):
    """The second begins while the first, taken for dead, is in the middle of its work, on a connection of its own."""
    runs = []

    def work(job, actor):
        runs.append(job.fence)
        if len(runs) == 1:
            with acme.entered():
                event = Event.objects.get(name="job.requested")
            at_once([lambda: second(event)])
            with transaction.atomic():
                jobs.advance(job, done=1, total=4)
        return {"run": job.fence}

    def second(event):
        with tenancy.tenant(acme.id):
            jobs.run(event)

    kind(work)
    job, dispatch = requested(acme, dan)

    services.deliver(acme.id, dispatch.pk)

    with acme.entered():
        job.refresh_from_db()
        assert Event.objects.filter(name="job.finished").count() == 1
    assert (runs, job.state, job.done, job.result) == ([1, 2], JobState.DONE, 0, {"run": 2})


def test_long_work_waits_for_a_worker_while_the_broker_is_away(fresh_database, acme, dan, kind):
    kind(lambda job, actor: {})
    _, dispatch = requested(acme, dan)
    relay = Relay()
    relay.rest_broker(OSError("away"))

    relay.hand_over(acme.id, dispatch.pk)

    with acme.entered():
        dispatch.refresh_from_db()
    assert (dispatch.attempts, dispatch.state) == (0, "waiting")
    assert services.deliver(acme.id, dispatch.pk) == "done"
