"""Scheduled work about service levels: one idempotent sweep under several names, so that none of them is missed for long."""

from datetime import datetime

from apps.core.schedule import Every, database_now, scheduled
from apps.organizations.services import for_each_organization
from apps.sla import moving, sweeping
from apps.sla.escalation import climbing


@scheduled("sla.sweep", Every(30))
def sweep(due_at: datetime) -> None:
    """What makes a level prompt."""
    sweeping.sweep(database_now())


@scheduled("sla.breaches", Every(300))
def breaches(due_at: datetime) -> None:
    """The timetable's, should the prompt one be missing; and what a withdrawal left running is ended."""
    now = database_now()
    try:
        sweeping.sweep(now)
    finally:
        for_each_organization("sla", lambda actor: moving.cancel_left_over(actor, at=now))


@scheduled("sla.escalations", Every(600))
def escalations(due_at: datetime) -> None:
    """As `breaches`."""
    sweeping.sweep(database_now())


@scheduled("sla.warnings", Every(900))
def warnings(due_at: datetime) -> None:
    """As `breaches`."""
    sweeping.sweep(database_now())


@scheduled("sla.climb", Every(20))
def climb(due_at: datetime) -> None:
    """Steps of chains that are due, and notices that were kept."""
    climbing.climb(database_now())
