"""Timers of many tickets at once: to a new version of their policy, or to their end with it. Batch by batch, each a transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import events
from apps.core.actors import Actor
from apps.sla import library, recording, situation
from apps.sla.book import Book, Choice, VersionRule
from apps.sla.choices import LIVE, EndReason
from apps.sla.clock import Span, whole
from apps.sla.engine import Change, Evaluation, Held, SpansOf
from apps.sla.evaluating import spans_of_all
from apps.sla.events import MIGRATED, WITHDRAWN
from apps.sla.models import PolicyVersion, Timer
from apps.sla.situation import Situation
from apps.tickets.models import Ticket

# Tickets in one transaction: whoever wants one of them waits no longer than that takes.
BATCH = 100


def end_timers(
    policy_id: UUID,
    versions: Collection[UUID],
    *,
    actor: Actor,
    at: datetime,
    limit: int = BATCH,
    after: UUID | None = None,
) -> list[UUID]:
    """End the live timers of these versions of a withdrawn policy without a result, on `limit` tickets, each told by a fact.

    Returns the tickets in order: the next call goes on `after` the last.
    """
    tickets = locked(tickets_of(versions, after=after)[:limit])
    writing = recording.Writing(actor.organization_id)
    for ticket in tickets:
        now = situation.read(ticket.organization_id, ticket.pk)
        held = now.held()
        ended = given_up(held, versions, EndReason.WITHDRAWN, at=at)
        if ended:
            told: dict[str, Any] = {
                "policy": str(policy_id),
                "policy_versions": sorted({str(each.version.id) for each in ended}),
            }
            events.record(WITHDRAWN, ticket, actor=actor, at=at, **told)
            take(writing, ticket, now, held, ended, at=at)
    writing.send()
    return [ticket.pk for ticket in tickets]


def tickets_of(versions: Collection[UUID], *, after: UUID | None = None) -> Any:
    """The ids of the tickets with live timers of these versions, in order."""
    return tickets_with(Timer.objects.filter(stage__in=LIVE, version_id__in=versions), after)


def cancel_left_over(actor: Actor, *, at: datetime) -> int:
    """End what withdrawn policies left running: on a ticket that was opened at that moment, or by a job that died.

    One batch, in the caller's transaction; the next run goes on. Says on how many tickets.
    """
    rows = PolicyVersion.objects.filter(policy__is_active=False)
    withdrawn: dict[UUID, list[UUID]] = {}
    for pk, policy_id in rows.values_list("pk", "policy_id"):
        withdrawn.setdefault(policy_id, []).append(pk)
    count = 0
    for policy_id, versions in withdrawn.items():
        if count < BATCH:
            count += len(end_timers(policy_id, versions, actor=actor, at=at, limit=BATCH - count))
    return count


def migrate(version: PolicyVersion, *, actor: Actor, at: datetime, limit: int, after: UUID | None = None) -> list[UUID]:
    """Measure the open tickets of a policy by this version, as if it had been there from their start; `limit` of them.

    Returns the tickets that were moved, in order: the next call goes on `after` the last. What the version no longer matches
    is cancelled as unmatched.
    """
    tickets = locked(tickets_to_move(version, after=after)[:limit])
    rule = library.compiled([version])[0]
    read = []
    for ticket in tickets:
        now = situation.read(ticket.organization_id, ticket.pk)
        read.append((ticket, now, now.held()))
    spans, book = spans_moved([held for _, _, held in read], rule), book_of(rule)
    writing = recording.Writing(actor.organization_id)
    for ticket, now, held in read:
        if any(_is_of_another(each, rule) for each in held):
            told: dict[str, Any] = {
                "policy": str(rule.policy_id),
                "policy_version": str(rule.id),
                "number": version.number,
            }
            fact = events.record(MIGRATED, ticket, actor=actor, at=at, **told)
            touched = migrated(now, held, rule, book, spans, at=at, event_id=fact.id)
            take(writing, ticket, now, held, touched, at=at)
    writing.send()
    return [ticket.pk for ticket in tickets]


def tickets_to_move(version: PolicyVersion, *, after: UUID | None = None) -> Any:
    """The ids of the tickets with live timers of other versions of the policy, in order."""
    timers = Timer.objects.filter(stage__in=LIVE, version__policy_id=version.policy_id).exclude(version_id=version.pk)
    return tickets_with(timers, after)


def tickets_with(timers: Any, after: UUID | None) -> Any:
    """The ids of the tickets of these timers, in order."""
    if after is not None:
        timers = timers.filter(ticket_id__gt=after)
    return timers.order_by("ticket_id").values_list("ticket_id", flat=True).distinct()


def book_of(rule: VersionRule) -> Book:
    """Today's calendars of all targets of a version, read once for many tickets."""
    wanted = [target.calendar_id for targets in rule.targets.values() for target in targets]
    return Book(calendars=library.current_hours(each for each in wanted if each is not None))


def spans_moved(held: Iterable[Iterable[Held]], rule: VersionRule) -> SpansOf:
    """The stretches of the timers that a migration to this version moves, read at once for many tickets."""
    found: Mapping[UUID, Sequence[Span]] = spans_of_all(
        each for of_ticket in held for each in of_ticket if _is_of_another(each, rule)
    )
    return lambda each: found.get(each.id, ())


def migrated(
    now: Situation,
    held: Iterable[Held],
    rule: VersionRule,
    book: Book,
    spans: SpansOf,
    *,
    at: datetime,
    event_id: UUID | None,
) -> list[Held]:
    """What becomes of a ticket's timers by another version of their policy; `book` has its calendars. In memory alone."""
    facts = now.noted
    targets = rule.targets_for(facts)
    change = Change(
        at=at,
        before=facts,
        after=facts,
        opened_at=now.opened_at,
        created_at=now.created_at,
        because="migrated",
        event_id=event_id,
        owner_id=now.owner_id,
    )
    evaluation = Evaluation(change, book, {each.key: each for each in held}, spans)
    for each in held:
        if not _is_of_another(each, rule):
            continue
        target = targets.get(each.metric)
        if target is None:
            evaluation.give_up(each, EndReason.UNMATCHED)
        else:
            evaluation.carry(each, Choice(rule, target, book.hours(target)), whole(at))
    return evaluation.touched


def _is_of_another(held: Held, rule: VersionRule) -> bool:
    return held.is_live and held.version.policy_id == rule.policy_id and held.version.id != rule.id


def given_up(held: Iterable[Held], versions: Collection[UUID], reason: EndReason, *, at: datetime) -> list[Held]:
    """The live timers of these versions, ended. In memory alone."""
    ended = [each for each in held if each.is_live and each.version.id in versions]
    for each in ended:
        each.clock.cancel(whole(at), reason)
    return ended


def locked(ids: Iterable[UUID]) -> list[Ticket]:
    """In the order of their ids, as every lock of several tickets of one height is taken."""
    return list(Ticket.objects.select_for_update(of=("self",)).filter(pk__in=list(ids)).order_by("pk"))


def take(
    writing: recording.Writing,
    ticket: Ticket,
    now: Situation,
    held: Iterable[Held],
    touched: Iterable[Held],
    *,
    at: datetime,
) -> None:
    """Note what became of a ticket's timers, with the levels that they passed and the nearest deadline."""
    current = {each.key: each for each in held}
    for each in touched:
        firings = recording.tell(each, ticket, at=at, is_historic=False)
        writing.take(each, ticket.pk, firings)
        current[each.key] = each
    due_at = recording.nearest(current.values())
    if due_at != now.due_at:
        writing.due(ticket.pk, due_at)
