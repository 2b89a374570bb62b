"""Work about tickets that time brings."""

from datetime import datetime, time
from uuid import UUID

import structlog

from apps.core.actors import Actor
from apps.core.schedule import DailyAt, Every, database_now, scheduled
from apps.organizations.services import for_each_organization
from apps.tickets import attachment_files, attachments
from apps.tickets.assignment import sweeping
from apps.tickets.choices import Purpose
from apps.tickets.closing import sweeping as closing

log = structlog.get_logger(__name__)


@scheduled("tickets.sweep_attachments", DailyAt(time(3, 0)))
def sweep_attachments(due_at: datetime) -> None:
    """Remove files that no row names, older than a day: what a crash left between storing and writing down.

    The storage may be another server, so it is listed and emptied in no transaction.
    """
    organizations: list[UUID] = []
    for_each_organization("sweep_attachments", lambda actor: organizations.append(actor.organization_id))
    found = {each: attachment_files.keys(each) for each in organizations}
    orphans: list[str] = []

    def ask(actor: Actor) -> None:
        orphans.extend(attachments.orphans(actor.organization_id, found.get(actor.organization_id, [])))

    for_each_organization("sweep_attachments", ask)
    for key in orphans:
        if attachment_files.is_abandoned(key, at=due_at):
            attachment_files.remove(key)


@scheduled("tickets.assign", Every(60))
def assign(due_at: datetime) -> None:
    """Pass on what nobody accepted or whose person is gone, and give out what waits."""
    swept = sweeping.sweep(database_now())
    if swept.passed_on or swept.given:
        log.info("assignment_swept", passed_on=swept.passed_on, given=swept.given)


@scheduled("tickets.resume_scheduled", Every(60))
def resume_scheduled(due_at: datetime) -> None:
    """Go on with what was scheduled until now, and tell owners that the time has come of what waits for somebody else."""
    closing.sweep(Purpose.UNTIL, database_now)


@scheduled("tickets.hold_reminders", Every(3600))
def hold_reminders(due_at: datetime) -> None:
    """Remind requesters whose answer is waited for, and resolve what they did not answer."""
    closing.sweep(Purpose.ASKING, database_now)


@scheduled("tickets.auto_close", Every(3600))
def auto_close(due_at: datetime) -> None:
    """Tell requesters that what was resolved will be closed, and close it."""
    closing.sweep(Purpose.CLOSING, database_now)
