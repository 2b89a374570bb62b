"""What a major incident was: who led it, what happened, how long it took, and whether everybody was told in time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

from apps.audit.models import Event
from apps.core.actors import Actor
from apps.incidents.events import MAJOR_ACCEPTED, MAJOR_DEMOTED, MAJOR_PROPOSED
from apps.incidents.models import Incident
from apps.tickets import timeline
from apps.tickets.choices import Visibility
from apps.tickets.models import Comment, Ticket
from apps.users.models import UserType

# The newest facts of one that never ends.
MOST_FACTS = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """Durations in seconds by the wall, None for what has not happened; `timeline` oldest first."""

    proposed_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    proposed_to_accepted_seconds: int | None
    accepted_to_ended_seconds: int | None
    updates_given: int
    updates_missed: int
    children_count: int
    timeline: Sequence[Mapping[str, Any]]


def write(incident: Incident, *, actor: Actor, at: datetime) -> Report:
    """As known at `at` (UTC), for the eyes of `actor`. Of one that was accepted twice, the last time counts."""
    accepted = _last(incident, MAJOR_ACCEPTED)
    proposed = _last(incident, MAJOR_PROPOSED)
    ended = _end(incident, accepted)
    updates = _updates(incident, accepted, ended or at)
    return Report(
        proposed_at=proposed,
        accepted_at=accepted,
        ended_at=ended,
        proposed_to_accepted_seconds=_between(proposed, accepted),
        accepted_to_ended_seconds=_between(accepted, ended),
        updates_given=len(updates),
        updates_missed=_missed(incident, accepted, updates, ended or at),
        children_count=Ticket.objects.visible_to(actor).alive().filter(parent_id=incident.pk).count(),
        timeline=_timeline(incident, actor),
    )


def missed(instants: Sequence[datetime], interval: timedelta) -> int:
    """How many updates were due and not given: whoever waits for two intervals missed one, and then another.

    `instants` are the beginning, each update, and the end. Given at the very second it was due, none is missed.
    """
    gaps = (later - earlier for earlier, later in pairwise(instants))
    return sum(max(ceil(gap / interval) - 1, 0) for gap in gaps)


def _missed(incident: Incident, accepted: datetime | None, updates: Iterable[datetime], until: datetime) -> int:
    if accepted is None or incident.update_interval_minutes is None:
        return 0
    return missed([accepted, *updates, until], timedelta(minutes=incident.update_interval_minutes))


def _last(incident: Incident, name: str) -> datetime | None:
    facts = Event.objects.filter(subject_id=incident.pk, name=name).order_by("-at", "-id")
    moment: datetime | None = facts.values_list("at", flat=True).first()
    return moment


def _end(incident: Incident, accepted: datetime | None) -> datetime | None:
    """Resolved, or found to be none."""
    if accepted is None or incident.resolved_at is not None:
        return incident.resolved_at if accepted else None
    return None if incident.is_major else _last(incident, MAJOR_DEMOTED)


def _between(begin: datetime | None, end: datetime | None) -> int | None:
    return None if begin is None or end is None else round((end - begin).total_seconds())


def _updates(incident: Incident, accepted: datetime | None, until: datetime) -> list[datetime]:
    """When those who work on it said something publicly."""
    if accepted is None:
        return []
    said = Comment.objects.alive().filter(ticket_id=incident.pk, visibility=Visibility.PUBLIC, is_automatic=False)
    by_agents = said.filter(author_id__isnull=False).exclude(author__user_type=UserType.END_USER)
    within = by_agents.filter(created_at__gt=accepted, created_at__lte=until)
    return list(within.order_by("created_at", "id").values_list("created_at", flat=True))


def _timeline(incident: Incident, actor: Actor) -> list[dict[str, Any]]:
    newest = timeline.facts(incident, actor).order_by("-at", "-id")[:MOST_FACTS]
    return timeline.told(list(newest)[::-1], incident, actor)
