"""Celery: the task base that enters the tenant, and the tick that decides which scheduled job is due."""

import time
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.db import transaction

from apps.core import schedule, tenancy


class TenantTask(Task):  # type: ignore[type-arg]
    """The base of every task: takes `(organization_id, …)` first and runs in that tenant's transaction."""

    abstract = True

    def __call__(self, organization_id: str, *args: Any, **kwargs: Any) -> Any:
        """Raises ValueError when the first argument is not an organization's id, before anything is touched."""
        tenant_id = UUID(organization_id)
        with tenancy.tenant(tenant_id, request_id=self.request.id or "", via="task"), transaction.atomic():
            return super().__call__(organization_id, *args, **kwargs)


class SelfTenantTask(Task):  # type: ignore[type-arg]
    """Takes `(organization_id, id)` too, but enters the tenant in the service it calls, in more than one transaction."""

    abstract = True


class PlatformTask(Task):  # type: ignore[type-arg]
    """Works outside any tenant, on the platform's own tables; enters tenants one by one where it must."""

    abstract = True


# Ticks that piled up while no worker ran come all at once; each would queue the same due times again.
TICK_REST_SECONDS = 2.0
_rests_until = 0.0


@shared_task(name="core.tick", base=PlatformTask)
def tick() -> list[str]:
    """Queue each job whose latest due time nobody has taken. Beat calls this; two beats do no harm."""
    global _rests_until  # noqa: PLW0603 - each worker process rests for itself
    if time.monotonic() < _rests_until:
        return []
    _rests_until = time.monotonic() + TICK_REST_SECONDS
    queued = []
    for name, due_at in schedule.untaken():
        run_job.apply_async((name, due_at.isoformat()))
        queued.append(name)
    return queued


@shared_task(name="core.run_job", base=PlatformTask)
def run_job(name: str, due_at: str) -> str:
    """Run one due time of one job, if nobody else did."""
    return schedule.run(name, datetime.fromisoformat(due_at))
