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
    """What one person is to hear: how, why in a sentence, and until when there is a point in it.

    What is kept is dropped once the ticket is over, unless it tells of that, and of a chain once somebody has it in hand.
    """

    how: str
    why: str
    is_of_chain: bool = False
    # Not before: people are not woken for what can wait until they open.
    not_before: datetime | None = None
    is_of_end: bool = False

    def as_held(self) -> dict[str, Any]:
        not_before = self.not_before.isoformat() if self.not_before else None
        held = {"how": self.how, "why": self.why, "is_of_chain": self.is_of_chain, "not_before": not_before}
        return {**held, "is_of_end": self.is_of_end}


def tell(ticket: Any, words: Mapping[UUID, Word], *, at: datetime, actor: Actor) -> set[UUID]:
    """Tell these people at `at` (UTC), or keep it for them until they may be told. Returns who is told now."""
    rows = {row.user_id: row for row in Notice.objects.filter(ticket_id=ticket.pk, user_id__in=words)}
    now: list[Notice] = []
    for user_id, word in words.items():
        row = rows.get(user_id) or Notice(organization_id=ticket.organization_id, ticket_id=ticket.pk, user_id=user_id)
        row.held = [*row.held, word.as_held()]
        row.next_at = _next_at(row, at)
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
        still_so = [word for word in row.held if ticket.is_open or word.get("is_of_end")]
        row.held = [word for word in still_so if not (word["is_of_chain"] and is_in_hand)]
    ready: list[Notice] = []
    for row in rows:
        row.next_at = _next_at(row, at) if row.held else None
        if row.next_at is not None and row.next_at <= at:
            ready.append(row)
        else:
            row.save()
    return _say(ticket, ready, at=at, actor=actor)


def _may_be_told(word: Mapping[str, Any], at: datetime) -> bool:
    not_before = word.get("not_before")
    return not_before is None or datetime.fromisoformat(not_before) <= at


def _next_at(row: Notice, at: datetime) -> datetime:
    """When the first of the words that are kept may be told: `at` (UTC), or later."""
    waiting = [word.get("not_before") for word in row.held]
    first = at if None in waiting else min(datetime.fromisoformat(each) for each in waiting)
    return max(filter(None, (at, row.told_at and row.told_at + REST, first)))


def _say(ticket: Any, rows: Iterable[Notice], *, at: datetime, actor: Actor) -> int:
    """One event for each way to tell, of what may be told; a page says everything that was kept beside it."""
    told: dict[str, list[dict[str, Any]]] = {}
    count = 0
    for row in rows:
        words = [word for word in row.held if _may_be_told(word, at)]
        how = PAGE if any(word["how"] == PAGE for word in words) else NOTICE
        if how == PAGE:
            words = row.held
        why = list(dict.fromkeys(word["why"] for word in words))
        told.setdefault(how, []).append({"user": str(row.user_id), "why": why})
        row.held = [word for word in row.held if word not in words]
        row.told_at = at
        row.next_at = _next_at(row, at) if row.held else None
        row.save()
        count += 1
    for how, people in sorted(told.items()):
        events.record(EVENTS[how], ticket, actor=actor, at=at, to=people, users=[person["user"] for person in people])
    return count
