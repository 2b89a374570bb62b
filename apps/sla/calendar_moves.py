"""A calendar's new hours for open timers too (S27): from then on. What was counted by the old ones stays as it was."""

from collections.abc import Collection, Iterable, Mapping
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
from apps.organizations.calendars import hours_of
from apps.organizations.models import BusinessCalendar, CalendarVersion
from apps.sla import moving, recording, situation
from apps.sla.book import Hours
from apps.sla.choices import LIVE
from apps.sla.clock import Cause, whole
from apps.sla.engine import Held
from apps.sla.events import CALENDAR_CHANGED
from apps.sla.models import Timer
from apps.sla.situation import Situation

RESOURCE, KIND = "sla", "sla_calendar_migration"
BECAUSE = "calendar_changed"


def request(calendar: BusinessCalendar, *, actor: Actor, at: datetime) -> Job:
    """Ask for the calendar's current version for all open timers, in the caller's transaction. Raises Denied."""
    require(actor, Action.CONFIGURE, RESOURCE)
    version = calendar.current
    total = tickets_to_move(calendar, version.pk).count()
    return jobs.request(KIND, actor=actor, at=at, parameters={"version": str(version.pk)}, total=total)


def tickets_to_move(calendar: BusinessCalendar, version_id: UUID | None, *, after: UUID | None = None) -> Any:
    """The ids of the tickets with live timers by other versions of the calendar, in order."""
    timers = Timer.objects.filter(stage__in=LIVE, calendar_version__calendar_id=calendar.pk)
    return moving.tickets_with(timers.exclude(calendar_version_id=version_id) if version_id else timers, after)


@jobs.kind(KIND)
def run(job: Job, actor: Actor) -> Mapping[str, Any]:
    """Batch by batch; a second run finds what is left. Raises Denied, Conflict once the calendar has newer hours."""
    after: UUID | None = None
    while True:
        with transaction.atomic():
            require(actor, Action.CONFIGURE, RESOURCE)
            version, at = _current(UUID(job.parameters["version"])), timezone.now()
            batch = migrate(version, actor=actor, at=at, after=after)
            if not batch:
                told: dict[str, Any] = {
                    "calendar_version": str(version.pk),
                    "number": version.number,
                    "tickets": job.done,
                }
                events.record("calendar.migrated", version.calendar, actor=actor, at=at, **told)
                return {"tickets": job.done}
            after = batch[-1]
            jobs.advance(job, done=job.done + len(batch))


def _current(version_id: UUID) -> CalendarVersion:
    version: CalendarVersion = CalendarVersion.objects.select_related("calendar").get(pk=version_id)
    if version.calendar.current.pk != version.pk:
        raise Conflict("The calendar was changed again meanwhile; accepted: another migration.", code="superseded")
    return version


def migrate(
    version: CalendarVersion, *, actor: Actor, at: datetime, limit: int = moving.BATCH, after: UUID | None = None
) -> list[UUID]:
    """Let the open timers of the version's calendar go on by it, on `limit` tickets, each told by a fact.

    Returns the tickets in order: the next call goes on `after` the last.
    """
    tickets = moving.locked(tickets_to_move(version.calendar, version.pk, after=after)[:limit])
    earlier = versions_before(version.calendar, version.pk)
    hours = Hours(version.pk, hours_of(version))
    writing = recording.Writing(actor.organization_id)
    for ticket in tickets:
        now = situation.read(ticket.organization_id, ticket.pk)
        held = now.held()
        old = sorted({str(each.calendar_version_id) for each in held if _counts_by(each, earlier)})
        if old:
            told: dict[str, Any] = {"calendar_version": str(version.pk), "number": version.number, "earlier": old}
            fact = events.record(
                CALENDAR_CHANGED, ticket, actor=actor, at=at, calendar=str(version.calendar_id), **told
            )
            touched = moved(now, held, earlier, hours, at=at, event_id=fact.id)
            moving.take(writing, ticket, now, held, touched, at=at)
    writing.send()
    return [ticket.pk for ticket in tickets]


def versions_before(calendar: BusinessCalendar, version_id: UUID | None) -> set[UUID]:
    """All versions of the calendar but this one."""
    return set(calendar.versions.values_list("pk", flat=True)) - {version_id}


def moved(
    now: Situation,
    held: Iterable[Held],
    earlier: Collection[UUID],
    hours: Hours,
    *,
    at: datetime,
    event_id: UUID | None,
) -> list[Held]:
    """The ticket's live timers by one of the `earlier` versions, as they go on by these hours. In memory alone."""
    cause = Cause(BECAUSE, event_id, now.facts["team"], now.owner_id)
    found = [each for each in held if _counts_by(each, earlier)]
    for each in found:
        each.clock.go_on_by(hours.open, hours.version_id, whole(at), cause)
    return found


def _counts_by(held: Held, versions: Collection[UUID]) -> bool:
    return held.is_live and held.calendar_version_id in versions
