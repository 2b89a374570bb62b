"""Jobs: long work that somebody asked for, done by a worker, watched through its row.

A kind of job is registered with the function that does it. The function runs in the requester's tenant and in no
transaction; it commits batch by batch through `transaction.atomic`, tells how far it is, and may be run again after a crash:
it begins where `job.done` says it was, or does again what does no harm twice. A run that another one has overtaken stops at
its next `advance`, which undoes the transaction it stands in.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.core.models import Job, JobState

log = structlog.get_logger(__name__)

REQUESTED = events.declare("job.requested", "Somebody asked for long work: an import, an export.")
FINISHED = events.declare("job.finished", "A job ended: done, or failed for good.")
# As long as Celery lets a task live, less what it takes to write the end down.
LIMIT_SECONDS = 290
MAX_ERRORS = 1000

GAVE_UP = "gave_up"

Work = Callable[[Job, Actor], Mapping[str, Any]]
_kinds: dict[str, Work] = {}
# (organization, user, at, the user's own organization, the API token they asked by)
FindActor = Callable[[UUID, UUID, datetime, UUID, UUID | None], Actor]
_find_actor: list[FindActor] = []


class Superseded(Exception):
    """Another run of the job has begun, or it was given up: nothing more of this run is written."""


def kind(name: str) -> Callable[[Work], Work]:
    """Register what does jobs of this kind. It returns the job's result; a DomainError it raises fails the job for good."""

    def register(work: Work) -> Work:
        if name in _kinds:
            raise ValueError(f"two kinds of job are called {name}")
        _kinds[name] = work
        return work

    return register


def install_actor_finder(find: FindActor) -> None:
    """How to find a person, or their API token, with the rights held when the job runs. Raises Denied."""
    _find_actor[:] = [find]


def request(
    name: str, *, actor: Actor, at: datetime, parameters: Mapping[str, Any], total: int = 0, **data: Any
) -> Job:
    """Queue a job of a registered kind in the caller's transaction; `data` goes into its event.

    Raises LookupError for an unknown kind.
    """
    is_at_home = actor.home_organization_id in {None, actor.organization_id}
    if name not in _kinds:
        raise LookupError(f"no kind of job is called {name}")
    job: Job = Job.objects.create(
        organization_id=actor.organization_id,
        kind=name,
        requested_by_id=actor.id,
        requested_from_id=None if is_at_home else actor.home_organization_id,
        requested_by_token_id=actor.token_id,
        parameters=dict(parameters),
        total=total,
        created_at=at,
    )
    events.record(REQUESTED, job, actor=actor, at=at, kind=name, **data)
    return job


def give_up(event: events.Fact) -> None:
    """Fail a job that no attempt is left for, in the caller's transaction. A replay of its delivery runs it again."""
    job: Job = Job.objects.select_for_update().get(pk=event.subject_id)
    if job.state in {JobState.DONE, JobState.FAILED}:
        return
    job.fence += 1
    job.save(update_fields=["fence"])
    detail = "It was tried several times and never came to an end; ask for it again, or tell the platform's operator."
    error = {"row": None, "code": GAVE_UP, "detail": detail}
    _end(job, JobState.FAILED, result=job.result, errors=[error, *job.errors])


@events.outward(REQUESTED, consumer="core.jobs", limit_seconds=LIMIT_SECONDS, on_dead=give_up)
def run(event: events.Fact) -> None:
    """Do the job that was requested, with the rights that the requester, or the API token they asked by, holds now."""
    at = timezone.now()
    with transaction.atomic():
        job: Job = Job.objects.select_for_update().get(pk=event.subject_id)
        was_given_up = job.state == JobState.FAILED and any(error["code"] == GAVE_UP for error in job.errors)
        if job.state in {JobState.DONE, JobState.FAILED} and not was_given_up:
            return
        job.state, job.started_at, job.finished_at = JobState.RUNNING, job.started_at or at, None
        job.errors = [error for error in job.errors if error["code"] != GAVE_UP]
        job.fence += 1
        job.save(update_fields=["state", "started_at", "finished_at", "errors", "fence"])
    try:
        _work(job, at)
    except Superseded:
        log.warning("job_superseded", job=str(job.pk), fence=job.fence)


def _work(job: Job, at: datetime) -> None:
    try:
        with transaction.atomic():
            actor = _actor_of(job, at)
        result = _kinds[job.kind](job, actor)
    except DomainError as refusal:
        _finish(job, JobState.FAILED, errors=[{"row": None, "code": refusal.code, "detail": refusal.detail}])
        return
    _finish(job, JobState.DONE, result=result)


def advance(job: Job, *, done: int, total: int | None = None, errors: Sequence[Mapping[str, Any]] = ()) -> None:
    """Write down how far it is, in the transaction of the work that got there. At most MAX_ERRORS errors are kept.

    Raises Superseded.
    """
    total = job.total if total is None else total
    write(job, done=done, total=total, errors=[*job.errors, *errors][:MAX_ERRORS])


def write(job: Job, **values: Any) -> None:
    """Set columns of a job that this run still owns. Raises Superseded."""
    if not Job.objects.filter(pk=job.pk, fence=job.fence).update(**values):
        raise Superseded
    for name, value in values.items():
        setattr(job, name, value)


def _actor_of(job: Job, at: datetime) -> Actor:
    if job.requested_by_id is None:
        return Actor.system(job.organization_id, "jobs")
    home = job.requested_from_id or job.organization_id
    return _find_actor[0](job.organization_id, job.requested_by_id, at, home, job.requested_by_token_id)


def _finish(
    job: Job, state: JobState, *, result: Mapping[str, Any] | None = None, errors: Sequence[Mapping[str, Any]] = ()
) -> None:
    with transaction.atomic():
        _end(job, state, result=result or {}, errors=[*job.errors, *errors])


def _end(job: Job, state: JobState, *, result: Mapping[str, Any], errors: Sequence[Mapping[str, Any]]) -> None:
    at = timezone.now()
    write(job, state=state, finished_at=at, result=dict(result), errors=list(errors)[:MAX_ERRORS])
    system = Actor.system(job.organization_id, "jobs")
    events.record(FINISHED, job, actor=system, at=at, kind=job.kind, state=str(state))
