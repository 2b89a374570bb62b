"""Who is told of a ticket, and not too often: one notice for a person and a ticket in five minutes; what comes between is told with
the next one.

Telling is an event, which channels deliver. Whoever calls holds the ticket's lock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core import events
from apps.core.actors import Actor
from apps.sla.events import NOTIFIED, PAGED
from apps.sla.models import Acknowledgement, Notice

REST = timedelta(minutes=5)
NOTICE, PAGE = "notice", "page"
EVENTS: Mapping[str, str] = {NOTICE: NOTIFIED, PAGE: PAGED}


@dataclass(frozen=True, slots=True)
class Word:
    """What one person is to hear: how, why in a sentence, and whether it is pointless once somebody has the ticket in hand."""

    how: str
    why: str
    is_of_chain: bool = False
    # Not before: people are not woken for what can wait until they open.
    not_before: datetime | None = None

    def as_held(self) -> dict[str, Any]:
        return {"how": self.how, "why": self.why, "is_of_chain": self.is_of_chain}


def tell(ticket: Any, words: Mapping[UUID, Word], *, at: datetime, actor: Actor) -> set[UUID]:
    """Tell these people at `at` (UTC), or keep it for them until they may be told. Returns who is told now."""
    rows = {row.user_id: row for row in Notice.objects.filter(ticket_id=ticket.pk, user_id__in=words)}
    now: list[Notice] = []
    for user_id, word in words.items():
        row = rows.get(user_id) or Notice(organization_id=ticket.organization_id, ticket_id=ticket.pk, user_id=user_id)
        row.held = [*row.held, word.as_held()]
        when = max(filter(None, (at, row.told_at and row.told_at + REST, word.not_before)))
        row.next_at = min(filter(None, (when, row.next_at)))
        if row.next_at <= at:
            now.append(row)
        else:
            row.save()
    _say(ticket, now, at=at, actor=actor)
    return {row.user_id for row in now}


def release(ticket: Any, *, at: datetime, actor: Actor) -> int:
    """Tell what was kept and is due on a locked ticket; what nobody needs to hear any more is dropped. How many people were told."""
    rows = list(Notice.objects.filter(ticket_id=ticket.pk, next_at__lte=at).order_by("user_id"))
    if not rows:
        return 0
    is_in_hand = Acknowledgement.objects.filter(ticket_id=ticket.pk).exists()
    for row in rows:
        row.held = [word for word in row.held if ticket.is_open and not (word["is_of_chain"] and is_in_hand)]
    for row in rows:
        if not row.held:
            row.next_at = None
            row.save()
    return _say(ticket, [row for row in rows if row.held], at=at, actor=actor)


def _say(ticket: Any, rows: Iterable[Notice], *, at: datetime, actor: Actor) -> int:
    """One event for each way to tell; a page says everything that was kept beside it."""
    told: dict[str, list[dict[str, Any]]] = {}
    count = 0
    for row in rows:
        how = PAGE if any(word["how"] == PAGE for word in row.held) else NOTICE
        why = list(dict.fromkeys(word["why"] for word in row.held))
        told.setdefault(how, []).append({"user": str(row.user_id), "why": why})
        row.told_at, row.next_at, row.held = at, None, []
        row.save()
        count += 1
    for how, people in sorted(told.items()):
        events.record(EVENTS[how], ticket, actor=actor, at=at, to=people, users=[person["user"] for person in people])
    return count
