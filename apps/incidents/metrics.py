"""What one incident's handling measures: from its row, its facts and its comments, in the same few queries however long it lived.

Definitions, as reports will use them: acknowledged is from opening to an agent's first act; responded to the first public
answer; resolved to the last resolution, and once without the time that it waited for its requester. Resolved at first
contact is what one agent's word solved: at most one public answer, never from team to team, never asked back, not reopened.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from apps.audit.models import Event
from apps.incidents.models import Incident
from apps.tickets.choices import HoldReason, Visibility
from apps.tickets.models import Comment
from apps.users.models import UserType


@dataclass(frozen=True, slots=True)
class Metrics:
    """Seconds by the wall; None for what has not happened. `on_hold` is by reason, until now where it still waits."""

    acknowledged_seconds: int | None
    responded_seconds: int | None
    resolved_seconds: int | None
    resolved_without_requester_seconds: int | None
    on_hold: Mapping[str, int]
    reassignment_count: int
    reopen_count: int
    is_first_contact_resolution: bool | None


def measure(incident: Incident, *, at: datetime) -> Metrics:
    """As known at `at` (UTC)."""
    facts = _facts(incident)
    on_hold = _on_hold(facts, until=at)
    resolved = _since_opening(incident, incident.resolved_at)
    waited = on_hold.get(HoldReason.AWAITING_REQUESTER, 0)
    return Metrics(
        acknowledged_seconds=_since_opening(incident, incident.acknowledged_at),
        responded_seconds=_since_opening(incident, incident.responded_at),
        resolved_seconds=resolved,
        resolved_without_requester_seconds=None if resolved is None else max(resolved - waited, 0),
        on_hold=on_hold,
        reassignment_count=incident.reassignment_count,
        reopen_count=incident.reopen_count,
        is_first_contact_resolution=_is_first_contact(incident, facts, on_hold) if resolved is not None else None,
    )


def _facts(incident: Incident) -> list[Event]:
    """Those that changed what it waits for or whose team it is, in order."""
    told = Event.objects.filter(subject_id=incident.pk, changes__has_any_keys=["hold_reason", "team"])
    return list(told.order_by("at", "id").only("at", "changes"))


def _since_opening(incident: Incident, moment: datetime | None) -> int | None:
    return None if moment is None else round((moment - incident.opened_at).total_seconds())


def _on_hold(facts: Iterable[Event], *, until: datetime) -> dict[str, int]:
    """Seconds by reason. Each change of the reason ends one wait and may begin another; the last may still go on."""
    waited: dict[str, float] = defaultdict(float)
    reason, since = "", until
    for fact in facts:
        if "hold_reason" not in fact.changes:
            continue
        if reason:
            waited[reason] += (fact.at - since).total_seconds()
        reason, since = fact.changes["hold_reason"][1], fact.at
    if reason:
        waited[reason] += (until - since).total_seconds()
    return {name: round(seconds) for name, seconds in sorted(waited.items())}


def _is_first_contact(incident: Incident, facts: Iterable[Event], on_hold: Mapping[str, int]) -> bool:
    # The first team is where it belongs, not a reassignment.
    is_passed_on = any(all(fact.changes["team"]) for fact in facts if "team" in fact.changes)
    is_asked_back = HoldReason.AWAITING_REQUESTER in on_hold
    if incident.reopen_count or is_passed_on or is_asked_back:
        return False
    answers = Comment.objects.alive().filter(ticket_id=incident.pk, visibility=Visibility.PUBLIC, is_automatic=False)
    by_agents = answers.exclude(author_id=incident.requester_id).exclude(author__user_type=UserType.END_USER)
    return by_agents.filter(author_id__isnull=False).count() <= 1
