"""A policy that promises no more: new tickets at once, and what runs by it is ended by a worker in batches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.core import jobs
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.models import Job
from apps.sla import moving, policies
from apps.sla.models import Policy, PolicyVersion

RESOURCE, KIND = "sla", "sla_withdrawal"


def withdraw(policy: Policy, *, actor: Actor, at: datetime) -> Job | None:
    """Of a locked policy; the job that ends its live timers, or None where there are none. Raises Denied."""
    if not policies.withdraw(policy, actor=actor, at=at):
        return None
    last = policy.versions.exclude(published_at=None).latest("number").number
    total = moving.tickets_of(_versions(policy.pk, last)).count()
    return jobs.request(KIND, actor=actor, at=at, parameters={"policy": str(policy.pk), "last": last}, total=total)


@jobs.kind(KIND)
def run(job: Job, actor: Actor) -> Mapping[str, Any]:
    """Batch by batch; a second run finds what is left. What was promised again meanwhile goes on. Raises Denied."""
    policy_id, after = UUID(job.parameters["policy"]), None
    while True:
        with transaction.atomic():
            require(actor, Action.CONFIGURE, RESOURCE)
            versions = _versions(policy_id, job.parameters["last"])
            batch = moving.end_timers(policy_id, versions, actor=actor, at=timezone.now(), after=after)
            if not batch:
                return {"tickets": job.done}
            after = batch[-1]
            jobs.advance(job, done=job.done + len(batch))


def _versions(policy_id: UUID, last: int) -> list[UUID]:
    """Those that were published until the withdrawal; a draft that is published after it has a higher number."""
    return list(PolicyVersion.objects.filter(policy_id=policy_id, number__lte=last).values_list("pk", flat=True))
