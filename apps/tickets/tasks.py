"""Nightly work about tickets."""

from datetime import datetime, time
from uuid import UUID

from apps.core.actors import Actor
from apps.core.schedule import DailyAt, scheduled
from apps.organizations.services import for_each_organization
from apps.tickets import attachment_files, attachments


@scheduled("tickets.sweep_attachments", DailyAt(time(3, 0)))
def sweep_attachments(due_at: datetime) -> None:
    """Remove files that no row names, older than a day: what a crash left between storing and writing down.

    The storage may be another server, so it is listed and emptied in no transaction.
    """
    organizations: list[UUID] = []
    for_each_organization("sweep_attachments", lambda actor: organizations.append(actor.organization_id))
    found = {each: list(attachment_files.abandoned(each, at=due_at)) for each in organizations}
    gone: list[str] = []

    def ask(actor: Actor) -> None:
        gone.extend(attachments.orphans(actor.organization_id, found.get(actor.organization_id, [])))

    for_each_organization("sweep_attachments", ask)
    for key in gone:
        attachment_files.remove(key)
