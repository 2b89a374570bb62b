"""What a major incident was: who led it, what happened, how long it took, and whether everybody was told in time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.audit.models import Event
from apps.core.actors import Actor
from apps.incidents.choices import HandoverOutcome, LeadRole, UpdateOutcome
from apps.incidents.events import MAJOR_ACCEPTED, MAJOR_DEMOTED, MAJOR_PROPOSED
from apps.incidents.models import Handover, Incident, MajorUpdate
from apps.incidents.update_clock import begun
from apps.tickets import timeline
from apps.tickets.models import Ticket
from apps.users.models import User

# The newest facts of one that never ends.
MOST_FACTS = 1000


@dataclass(frozen=True, slots=True)
class Term:
    """That somebody had a role, from when until when; `until` of None: still, or to the end."""

    role: str
    user_id: UUID | None
    name: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Update:
    """One promised update. `ended_at` is when it was given, or when nobody waited for it any more; late by so many seconds."""

    promised_at: datetime
    due_at: datetime
    interval_minutes: int
    outcome: str
    ended_at: datetime | None
    given_by_id: UUID | None
    given_by: str
    late_seconds: int
    intervals_missed: int

    @property
    def is_late(self) -> bool:
        return self.late_seconds > 0


@dataclass(frozen=True, slots=True)
class Report:
    """Durations in seconds by the wall, None for what has not happened; `timeline` oldest first."""

    opened_at: datetime
    proposed_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    opened_to_accepted_seconds: int | None
    proposed_to_accepted_seconds: int | None
    accepted_to_first_update_seconds: int | None
    accepted_to_ended_seconds: int | None
    opened_to_ended_seconds: int | None
    updates_given: int
    updates_on_time: int
    updates_late: int
    updates_missed: int
    children_count: int
    roles: Sequence[Term]
    updates: Sequence[Update]
    timeline: Sequence[Mapping[str, Any]]


def write(incident: Incident, *, actor: Actor, at: datetime) -> Report:
    """As known at `at` (UTC), for the eyes of `actor`. Of one that was accepted twice, the last time counts."""
    accepted = _last(incident, MAJOR_ACCEPTED)
    proposed = _last(incident, MAJOR_PROPOSED)
    ended = _end(incident, accepted)
    promised = updates(incident, since=accepted, at=at)
    given = [each for each in promised if each.outcome == UpdateOutcome.GIVEN]
    return Report(
        opened_at=incident.opened_at,
        proposed_at=proposed,
        accepted_at=accepted,
        ended_at=ended,
        opened_to_accepted_seconds=_between(incident.opened_at, accepted),
        proposed_to_accepted_seconds=_between(proposed, accepted),
        accepted_to_first_update_seconds=_between(accepted, given[0].ended_at if given else None),
        accepted_to_ended_seconds=_between(accepted, ended),
        opened_to_ended_seconds=_between(incident.opened_at, ended),
        updates_given=len(given),
        updates_on_time=sum(not each.is_late for each in given),
        updates_late=sum(each.is_late for each in given),
        updates_missed=sum(each.intervals_missed for each in promised),
        children_count=Ticket.objects.visible_to(actor).alive().filter(parent_id=incident.pk).count(),
        roles=terms(incident, since=accepted, until=ended),
        updates=promised,
        timeline=_timeline(incident, actor),
    )


def updates(incident: Incident, *, since: datetime | None, at: datetime) -> list[Update]:
    """Everything that was promised since it was accepted, the oldest first; what is awaited is late as of `at` (UTC)."""
    if since is None:
        return []
    rows = MajorUpdate.objects.filter(incident_id=incident.pk, promised_at__gte=since).select_related("given_by")
    return [_update(row, at) for row in rows.order_by("promised_at", "id")]


def _update(row: MajorUpdate, at: datetime) -> Update:
    until, interval = row.ended_at or at, timedelta(minutes=row.interval_minutes)
    return Update(
        promised_at=row.promised_at,
        due_at=row.due_at,
        interval_minutes=row.interval_minutes,
        outcome=row.outcome,
        ended_at=row.ended_at,
        given_by_id=row.given_by_id,
        given_by=str(row.given_by) if row.given_by is not None else "",
        late_seconds=max(0, int((until - row.due_at).total_seconds())),
        intervals_missed=begun(row.due_at, interval, until),
    )


def terms(incident: Incident, *, since: datetime | None, until: datetime | None) -> list[Term]:
    """Who led it and who spoke, one after the other, from its acceptance to its end."""
    if since is None:
        return []
    taken = Handover.objects.filter(Q(outcome=HandoverOutcome.TAKEN), incident_id=incident.pk, ended_at__gte=since)
    handed = list(taken.order_by("ended_at", "id"))
    held = [each.holder_id for each in handed] + [incident.commander_id, incident.communications_lead_id]
    names = {user.pk: str(user) for user in User.objects.filter(pk__in=[each for each in held if each is not None])}
    return [term for role in LeadRole for term in _terms_of(incident, role, handed, names, begin=since, until=until)]


def _terms_of(
    incident: Incident,
    role: LeadRole,
    handed: Iterable[Handover],
    names: Mapping[UUID, str],
    *,
    begin: datetime,
    until: datetime | None,
) -> Iterable[Term]:
    since = begin
    for each in handed:
        if each.role == role and each.ended_at is not None:
            yield Term(role.value, each.holder_id, names.get(each.holder_id or UUID(int=0), ""), since, each.ended_at)
            since = each.ended_at
    holder: UUID | None = getattr(incident, f"{role.value}_id")
    if holder is not None:
        yield Term(role.value, holder, names.get(holder, ""), since, until)


def _last(incident: Incident, name: str) -> datetime | None:
    facts = Event.objects.filter(subject_id=incident.pk, name=name).order_by("-at", "-id")
    moment: datetime | None = facts.values_list("at", flat=True).first()
    return moment


def _end(incident: Incident, accepted: datetime | None) -> datetime | None:
    """Resolved, ended without a solution (cancelled, merged), or found to be none."""
    if accepted is None:
        return None
    over_at = incident.resolved_at or incident.closed_at
    return over_at if over_at is not None or incident.is_major else _last(incident, MAJOR_DEMOTED)


def _between(begin: datetime | None, end: datetime | None) -> int | None:
    return None if begin is None or end is None else round((end - begin).total_seconds())


def _timeline(incident: Incident, actor: Actor) -> list[dict[str, Any]]:
    newest = timeline.facts(incident, actor).order_by("-at", "-id")[:MOST_FACTS]
    return timeline.told(list(newest)[::-1], incident, actor)
