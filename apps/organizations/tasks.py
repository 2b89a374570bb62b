"""Nightly work that visits every organization."""

from datetime import datetime, time, timedelta

from apps.core import export_files, idempotency
from apps.core.models import Job, JobTick
from apps.core.schedule import DailyAt, Every, scheduled
from apps.organizations.services import for_each_organization

TICKS_KEPT = timedelta(days=7)


@scheduled("core.forget_expired", DailyAt(time(2, 0)))
def forget_expired(due_at: datetime) -> None:
    """Delete idempotency keys older than a day, and the record of job ticks older than a week."""
    JobTick.objects.filter(due_at__lt=due_at - TICKS_KEPT).delete()
    for_each_organization("forget_expired", lambda actor: idempotency.forget_expired(actor.organization_id, at=due_at))


@scheduled("core.forget_exports", Every(3600))
def forget_exports(due_at: datetime) -> None:
    """Delete the files of exports older than a day. Files may lie on another server, so in no transaction."""
    expired: list[Job] = []
    for_each_organization(
        "forget_exports", lambda actor: expired.extend(export_files.expired(actor.organization_id, at=due_at))
    )
    gone = [job.pk for job in expired if export_files.is_deleted(job)]
    for_each_organization("forget_exports", lambda actor: export_files.forget(actor.organization_id, gone))
