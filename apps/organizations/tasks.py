"""Nightly work that visits every organization."""

from datetime import datetime, time, timedelta

from apps.core import idempotency
from apps.core.models import JobTick
from apps.core.schedule import DailyAt, scheduled
from apps.organizations.services import for_each_organization

TICKS_KEPT = timedelta(days=7)


@scheduled("core.forget_expired", DailyAt(time(2, 0)))
def forget_expired(due_at: datetime) -> None:
    """Delete idempotency keys older than a day, and the record of job ticks older than a week."""
    JobTick.objects.filter(due_at__lt=due_at - TICKS_KEPT).delete()
    for_each_organization("forget_expired", lambda actor: idempotency.forget_expired(actor.organization_id, at=due_at))
