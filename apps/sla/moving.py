"""Timers of many tickets at once: to a new version of their policy, or to their end with it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import events
from apps.core.actors import Actor
from apps.sla import library, recording, situation
from apps.sla.book import Book, Choice, VersionRule
from apps.sla.choices import LIVE, EndReason
from apps.sla.clock import whole
from apps.sla.engine import Change, Evaluation, Held, SpansOf
from apps.sla.evaluating import spans_of
from apps.sla.events import MIGRATED
from apps.sla.models import Policy, PolicyVersion, Timer
from apps.sla.situation import Situation
from apps.tickets.models import Ticket


def cancel_timers(policy_id: UUID, *, reason: EndReason, actor: Actor, at: datetime) -> int:
    """End every live timer of a policy without a result. Says how many."""
    count = 0
    live = Timer.objects.filter(stage__in=LIVE, version__policy_id=policy_id)
    for ticket in _locked(live.values_list("ticket_id", flat=True)):
        now = situation.read(ticket.organization_id, ticket.pk)
        held = now.held()
        ended = given_up(held, policy_id, reason, at=at)
        _write(ticket, now, held, ended, at=at)
        count += len(ended)
    return count


def cancel_left_over(actor: Actor, *, at: datetime) -> int:
    """End what a ticket that was opened during a withdrawal began under the withdrawn policy. Says how many."""
    withdrawn = Policy.objects.filter(is_active=False).values_list("pk", flat=True)
    return sum(cancel_timers(pk, reason=EndReason.WITHDRAWN, actor=actor, at=at) for pk in withdrawn)


def migrate(version: PolicyVersion, *, actor: Actor, at: datetime, limit: int, after: UUID | None = None) -> list[UUID]:
    """Measure the open tickets of a policy by this version, as if it had been there from their start; `limit` of them.

    Returns the tickets that were moved, in order: the next call goes on `after` the last. What the version no longer matches
    is cancelled as unmatched.
    """
    moved = []
    for ticket in _locked(list(tickets_to_move(version, after=after)[:limit])):
        _migrate_one(ticket, version, actor=actor, at=at)
        moved.append(ticket.pk)
    return moved


def tickets_to_move(version: PolicyVersion, *, after: UUID | None = None) -> Any:
    """The ids of the tickets with live timers of other versions of the policy, in order."""
    timers = Timer.objects.filter(stage__in=LIVE, version__policy_id=version.policy_id).exclude(version_id=version.pk)
    if after is not None:
        timers = timers.filter(ticket_id__gt=after)
    return timers.order_by("ticket_id").values_list("ticket_id", flat=True).distinct()


def _migrate_one(ticket: Ticket, version: PolicyVersion, *, actor: Actor, at: datetime) -> None:
    now = situation.read(ticket.organization_id, ticket.pk)
    held = now.held()
    rule = library.compiled([version])[0]
    if not any(_is_of_another(each, rule) for each in held):
        return
    fact = events.record(
        MIGRATED,
        ticket,
        actor=actor,
        at=at,
        policy=str(version.policy_id),
        policy_version=str(version.pk),
        number=version.number,
    )
    _write(ticket, now, held, remeasured(now, held, rule, at=at, event_id=fact.id), at=at)


def remeasured(
    now: Situation, held: Iterable[Held], rule: VersionRule, *, at: datetime, event_id: UUID | None = None
) -> list[Held]:
    """The timers of a ticket that its measuring by `rule` changes or makes, by today's calendars; nothing is written."""
    wanted = [target.calendar_id for target in rule.targets_for(now.facts).values() if target.calendar_id is not None]
    book = Book(calendars=library.current_hours(wanted))
    return migrated(now, held, rule, book, spans_of, at=at, event_id=event_id)


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
    targets = rule.targets_for(now.facts)
    change = Change(
        at=at,
        before=now.facts,
        after=now.facts,
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


def given_up(held: Iterable[Held], policy_id: UUID, reason: EndReason, *, at: datetime) -> list[Held]:
    """The live timers of a policy, ended. In memory alone."""
    ended = [each for each in held if each.is_live and each.version.policy_id == policy_id]
    for each in ended:
        each.clock.cancel(whole(at), reason)
    return ended


def _locked(ids: Iterable[UUID]) -> Iterable[Ticket]:
    """One after the other in the order of their ids, as every lock of several tickets of one height is taken."""
    for pk in sorted(set(ids)):
        ticket = Ticket.objects.select_for_update(of=("self",)).filter(pk=pk).first()
        if ticket is not None:
            yield ticket


def _write(
    ticket: Ticket, now: situation.Situation, held: Iterable[Held], touched: Iterable[Held], *, at: datetime
) -> None:
    writing = recording.Writing(now.organization_id)
    current = {each.key: each for each in held}
    for each in touched:
        firings = recording.tell(each, ticket, at=at, is_historic=False)
        writing.take(each, ticket.pk, firings)
        current[each.key] = each
    due_at = recording.nearest(current.values())
    if due_at != now.due_at:
        writing.due(ticket.pk, due_at)
    writing.send()
