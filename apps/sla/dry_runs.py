"""What a policy's version, or a calendar's, would do to open timers: worked out by the engine that would do it, and not written."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.organizations.calendars import OpenHours, hours_of
from apps.organizations.models import BusinessCalendar
from apps.sla import calendar_moves, library, situation
from apps.sla.book import Hours
from apps.sla.choices import Stage
from apps.sla.clock import State, whole
from apps.sla.engine import Held
from apps.sla.models import PolicyVersion
from apps.sla.moving import book_of, migrated, spans_moved, tickets_to_move
from apps.sla.situation import Situation
from apps.tickets.models import Ticket

RESOURCE = "sla"
# Of tickets in one run: each costs one query.
MOST_TICKETS = 500
Read = tuple[Situation, list[Held]]
Move = Callable[[Sequence[Read]], Iterator[list[Held]]]


class Effect(StrEnum):
    """What happens to a timer.

    unbreached: it was missed, and its new deadline lies ahead; that it was missed stays written down. cancelled: the version has
    no target for it.
    """

    UNCHANGED = "unchanged"
    MOVED = "moved"
    BREACHED = "breached"
    UNBREACHED = "unbreached"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Moved:
    """One timer, before and after. Without a deadline it is paused, or cancelled."""

    timer_id: UUID
    ticket_id: UUID
    number: str
    agreement: str
    metric: str
    effect: Effect
    due_at: datetime | None
    new_due_at: datetime | None
    is_breached: bool
    is_breached_then: bool


@dataclass(frozen=True, slots=True)
class DryRun:
    """`tickets` have timers of other versions; `looked_at` of them were measured, the oldest first.

    `version_id` is None for hours that are not written yet.
    """

    version_id: UUID | None
    tickets: int
    looked_at: int
    counts: dict[str, int]
    moved: list[Moved]

    @property
    def is_complete(self) -> bool:
        return self.looked_at == self.tickets


def dry_run(version: PolicyVersion, *, actor: Actor, at: datetime, limit: int = MOST_TICKETS) -> DryRun:
    """As if the version were published at `at` (UTC) for open tickets too. Raises Denied.

    Counts every timer of up to `limit` tickets; lists those whose deadline, breach or end would be another, of tickets that
    the actor sees.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    rule = library.compiled([version])[0]

    def move(read: Sequence[Read]) -> Iterator[list[Held]]:
        spans, book = spans_moved([held for _, held in read], rule), book_of(rule)
        for now, held in read:
            yield migrated(now, held, rule, book, spans, at=at, event_id=None)

    return _tried(tickets_to_move(version), move, version.pk, actor=actor, at=at, limit=limit)


def dry_run_of_calendar(
    calendar: BusinessCalendar, hours: OpenHours | None, *, actor: Actor, at: datetime, limit: int = MOST_TICKETS
) -> DryRun:
    """As if all open timers of the calendar went on by these hours from `at` (UTC) on; None: by its current version's.

    Counts and lists as `dry_run`. Raises Denied.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    current = calendar.current
    version_id = current.pk if hours is None else None
    wanted = Hours(version_id, hours_of(current) if hours is None else hours)
    earlier = calendar_moves.versions_before(calendar, version_id)

    def move(read: Sequence[Read]) -> Iterator[list[Held]]:
        for now, held in read:
            yield calendar_moves.moved(now, held, earlier, wanted, at=at, event_id=None)

    waiting = calendar_moves.tickets_to_move(calendar, version_id)
    return _tried(waiting, move, version_id, actor=actor, at=at, limit=limit)


def _tried(waiting: Any, move: Move, version_id: UUID | None, *, actor: Actor, at: datetime, limit: int) -> DryRun:
    ids = list(waiting[:limit])
    numbers = dict(Ticket.objects.visible_to(actor).alive().filter(pk__in=ids).values_list("pk", "number"))
    counts = {effect.value: 0 for effect in Effect}
    moved = []
    read = [(now, now.held()) for now in (situation.read(actor.organization_id, ticket_id) for ticket_id in ids)]
    # The engine changes what it is given.
    before = {each.id: replace(each.clock.state) for _, held in read for each in held}
    for ticket_id, touched in zip(ids, move(read), strict=True):
        for each in _moves(ticket_id, numbers.get(ticket_id, ""), before, touched, at):
            counts[each.effect] += 1
            if each.number and each.effect is not Effect.UNCHANGED:
                moved.append(each)
    return DryRun(version_id, waiting.count() if len(ids) == limit else len(ids), len(ids), counts, moved)


def _moves(
    ticket_id: UUID, number: str, before: Mapping[UUID, State], touched: Iterable[Held], at: datetime
) -> Iterator[Moved]:
    touched = list(touched)
    successors = {held.replaces_id: held for held in touched if held.is_new}
    for held in touched:
        if held.is_new:
            continue
        goes_on = held if held.is_live else successors.get(held.id)
        old, new = before[held.id], None if goes_on is None else goes_on.clock.state
        yield Moved(
            timer_id=held.id,
            ticket_id=ticket_id,
            number=number,
            agreement=held.agreement,
            metric=held.metric,
            effect=_effect(old, new, whole(at)),
            due_at=old.due_at,
            new_due_at=None if new is None else new.due_at,
            is_breached=_is_late(old, whole(at)),
            is_breached_then=new is not None and _is_late(new, whole(at)),
        )


def _effect(old: State, new: State | None, at: datetime) -> Effect:
    if new is None:
        return Effect.CANCELLED
    if not _is_late(old, at) and _is_late(new, at):
        return Effect.BREACHED
    if _is_late(old, at) and _is_ahead(new, at) and not _is_ahead(old, at):
        return Effect.UNBREACHED
    # What is paused has no deadline, and is told by what is left; of what runs that says only when it was settled last.
    is_paused = old.due_at is None and new.due_at is None
    is_same = old.left_seconds == new.left_seconds if is_paused else old.due_at == new.due_at
    return Effect.UNCHANGED if is_same else Effect.MOVED


def _is_late(state: State, at: datetime) -> bool:
    return state.breached_at is not None or (state.due_at is not None and state.due_at < at)


def _is_ahead(state: State, at: datetime) -> bool:
    """Whether there is time left, as the target says; a breach that was told does not matter."""
    if state.stage is Stage.PAUSED or state.due_at is None:
        return state.left_seconds > 0
    return state.due_at >= at
