"""A published version for open tickets too: long work, done by a worker in batches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.core import events, jobs
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict
from apps.core.models import Job
from apps.sla import moving
from apps.sla.choices import VersionState
from apps.sla.models import PolicyVersion

RESOURCE, KIND = "sla", "sla_migration"
BATCH = 100


def request(version: PolicyVersion, *, actor: Actor, at: datetime) -> Job:
    """Ask for it, in the caller's transaction."""
    total = moving.tickets_to_move(version).count()
    return jobs.request(KIND, actor=actor, at=at, parameters={"version": str(version.pk)}, total=total)


@jobs.kind(KIND)
def run(job: Job, actor: Actor) -> Mapping[str, Any]:
    """Batch by batch; a second run finds what is left. Raises Denied, Conflict once another version was published."""
    moved: list[UUID] = []
    while True:
        with transaction.atomic():
            version = _version(job, actor)
            batch = moving.migrate(
                version, actor=actor, at=timezone.now(), limit=BATCH, after=moved[-1] if moved else None
            )
            moved += batch
            if not batch:
                at, tickets = timezone.now(), job.done
                events.record(
                    "sla_policy.migrated",
                    version.policy,
                    actor=actor,
                    at=at,
                    policy_version=str(version.pk),
                    number=version.number,
                    tickets=tickets,
                )
                return {"tickets": tickets}
            jobs.advance(job, done=job.done + len(batch))


def _version(job: Job, actor: Actor) -> PolicyVersion:
    require(actor, Action.CONFIGURE, RESOURCE)
    version: PolicyVersion = PolicyVersion.objects.select_related("policy").get(pk=job.parameters["version"])
    if version.state != VersionState.PUBLISHED or not version.policy.is_active:
        detail = "Another version was published meanwhile, or the policy withdrawn; its own migration goes on."
        raise Conflict(detail, code="superseded")
    return version
