"""What waits for somebody, for how long, and why: as lists show it, and as a measure of how far assignment is behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.tickets.assignment import team
from apps.tickets.assignment.choosing import why_not
from apps.tickets.assignment.draining import WAITING_PHASES, wanted_by
from apps.tickets.models import AssignmentQueue, Placement, Ticket


@dataclass(frozen=True, slots=True)
class Age:
    """How many tickets of a team wait, and for how long the oldest has."""

    team_id: UUID
    count: int
    since: datetime
    oldest_seconds: int


def waiting(tickets: "QuerySet[Ticket]") -> Any:
    """Those of the tickets that wait in the queue of a team that gives its work out by itself, with `waiting_since`."""
    automatic = AssignmentQueue.objects.filter(is_active=True, team__deleted_at=None).values("team_id")
    since = Placement.objects.filter(ticket_id=OuterRef("pk")).values("waiting_since")[:1]
    found = tickets.filter(
        team_id__in=automatic, assignee=None, deleted_at=None, phase__in=WAITING_PHASES, merged_into=None
    )
    return found.annotate(waiting_since=Coalesce(Subquery(since), F("opened_at")))


def ages(tickets: "QuerySet[Ticket]", at: datetime) -> list[Age]:
    """By team, the longest wait first."""
    rows = waiting(tickets).order_by().values("team_id").annotate(count=Count("pk"), since=Min("waiting_since"))
    found = [Age(row["team_id"], row["count"], row["since"], seconds(row["since"], at)) for row in rows]
    return sorted(found, key=lambda age: (-age.oldest_seconds, age.team_id))


def seconds(since: datetime, at: datetime) -> int:
    return max(0, int((at - since).total_seconds()))


def reasons(tickets: Sequence[Ticket], at: datetime) -> dict[UUID, dict[str, int]]:
    """Why each of these tickets waits: how many of its team each reason keeps from it. None of them is locked.

    Two queries for each team, one for the placements.
    """
    standing = {row.ticket_id: row for row in Placement.objects.filter(ticket_id__in=[each.pk for each in tickets])}
    wanted = {each.pk: wanted_by(each, standing.get(each.pk)) for each in tickets}
    queues = AssignmentQueue.objects.filter(is_active=True, team_id__in={each.team_id for each in tickets})
    found: dict[UUID, dict[str, int]] = {}
    for queue in queues:
        own = [each for each in tickets if each.team_id == queue.team_id]
        skills = {wish for each in own for wish in wanted[each.pk].skills}
        candidates, terms = team.members(queue, skills, at).candidates, team.terms_of(queue)
        for each in own:
            found[each.pk] = _counted(why_not(candidate, wanted[each.pk], terms) for candidate in candidates)
    return found


def _counted(whys: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for why in whys:
        name = why.value if why is not None else "eligible"
        counts[name] = counts.get(name, 0) + 1
    return counts
