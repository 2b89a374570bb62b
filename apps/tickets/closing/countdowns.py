"""The row that says when to look at a ticket again: begun, moved and removed with the facts of its ticket, under its lock."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.lifecycle import Phase
from apps.tickets.choices import Doing, HoldReason, Purpose
from apps.tickets.closing import plan, terms
from apps.tickets.closing.plan import Standing, Step
from apps.tickets.closing.terms import Terms
from apps.tickets.models import Countdown, Ticket

# What of a ticket decides.
COLUMNS = ("id", "organization_id", "phase", "hold_reason", "hold_until", "is_major", "deleted_at")
WRITTEN = ("purpose", "since", "given", "last_given_at", "recalled_at", "due_at", "counted_by")


def purpose_of(ticket: Ticket) -> Purpose | None:
    """What time is waited for on a ticket as it stands; None: it waits for people."""
    if ticket.phase == Phase.RESOLVED:
        return Purpose.CLOSING
    if ticket.phase != Phase.PENDING:
        return None
    if ticket.hold_reason == HoldReason.AWAITING_REQUESTER:
        return Purpose.ASKING
    return Purpose.UNTIL if ticket.hold_until is not None else None


def begin(ticket: Ticket, *, at: datetime) -> None:
    """Count from `at` (UTC), in place of whatever was counted on the locked ticket; or no more."""
    purpose = purpose_of(ticket)
    if purpose is None:
        end(ticket.pk)
        return
    row = Countdown(organization_id=ticket.organization_id, ticket_id=ticket.pk, purpose=purpose, since=at)
    _count(row, ticket, terms.current())
    Countdown.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["organization_id", "ticket_id"], update_fields=list(WRITTEN)
    )


def end(ticket_id: UUID) -> None:
    """Time does nothing to it any more."""
    Countdown.objects.filter(ticket_id=ticket_id).delete()


def ask_anew(ticket_id: UUID, *, at: datetime) -> None:
    """The desk asked once more: its requester has as long as from the first question."""
    row = Countdown.objects.filter(ticket_id=ticket_id, purpose=Purpose.ASKING).select_related("ticket").first()
    if row is None or row.since >= at:
        return
    row.since, row.given, row.last_given_at = at, 0, None
    recount(row, row.ticket)


def look_again(ticket_id: UUID) -> None:
    """Something else about the locked ticket decides now: it became a major incident, is one no more, or is deleted."""
    row = Countdown.objects.filter(ticket_id=ticket_id).select_related("ticket").first()
    if row is not None:
        recount(row, row.ticket)


def come_back(ticket: Ticket, *, at: datetime) -> None:
    """The locked ticket is there again: what was said before it was hidden is said once more, so that nobody is ended unheard."""
    row = Countdown.objects.filter(ticket_id=ticket.pk).first()
    if row is None:
        begin(ticket, at=at)
        return
    if row.purpose != Purpose.UNTIL:
        row.given, row.last_given_at = 0, None
        steps = coming(row, ticket, terms.current())
        if not any(step.doing in plan.NOTICES and step.doing is not Doing.RECALL for step in steps):
            # Nobody is told anything more, so its being there again is what they hear: as long before the end.
            row.given, row.last_given_at = 1, at
    recount(row, ticket)


def standing_of(row: Countdown, ticket: Ticket) -> Standing:
    return Standing(
        purpose=row.purpose,
        since=row.since,
        given=row.given,
        last_given_at=row.last_given_at,
        recalled_at=row.recalled_at,
        hold_reason=ticket.hold_reason,
        hold_until=ticket.hold_until,
        is_exempt=ticket.is_major,
    )


def coming(row: Countdown, ticket: Ticket, by: Terms) -> list[Step]:
    """What time will do to the ticket, in order."""
    return [] if ticket.is_deleted else plan.coming(standing_of(row, ticket), by)


def foretold(row: Countdown, ticket: Ticket, by: Terms) -> list[Step]:
    """The same, as it will come to pass: what others hang below is not resolved before it is looked at again."""
    steps = coming(row, ticket, by)
    looked_at = row.due_at
    if looked_at is None or row.counted_by != by.stamp:
        # What other terms counted says nothing about these.
        return steps
    told = [replace(step, at=max(step.at, looked_at)) if step.doing is Doing.RESOLVE else step for step in steps]
    return sorted(told, key=lambda step: (step.at, step.doing not in plan.NOTICES))


def put_off(row: Countdown, ticket: Ticket, *, until: datetime) -> None:
    """Look at what is not resolved yet once more `until` (UTC), or when anything else is due before."""
    now = terms.current()
    others = [step.at for step in coming(row, ticket, now) if step.doing is not Doing.RESOLVE]
    row.due_at, row.counted_by = min([until, *others]), now.stamp
    row.save(update_fields=["due_at", "counted_by"])


def recount(row: Countdown, ticket: Ticket) -> None:
    """Write down when it is the ticket's turn, by the terms in force."""
    _count(row, ticket, terms.current())
    row.save(update_fields=WRITTEN)


def recount_stale(most: int) -> int:
    """Count anew what was counted by other terms, in the caller's transaction. Returns how many, at most `most`.

    What a ticket's own transaction has in hand is counted there.
    """
    now, rows = terms.current(), list[Countdown]()
    for narrowed in stale_rows():
        locked = narrowed.select_related("ticket").select_for_update(of=("self",), skip_locked=True)
        rows += locked[: most - len(rows)]
    for row in rows:
        _count(row, row.ticket, now)
    _update(rows)
    return len(rows)


def stale_rows() -> tuple[Any, Any]:
    """Counted by other terms than those in force: two ranges rather than one inequality, because an index finds those."""
    counted, now = Countdown.objects.exclude(purpose=Purpose.UNTIL), terms.current()
    return counted.filter(counted_by__lt=now.stamp), counted.filter(counted_by__gt=now.stamp)


def _update(rows: Iterable[Countdown]) -> None:
    Countdown.objects.bulk_update(rows, ["due_at", "counted_by"])


def _count(row: Countdown, ticket: Ticket, by: Terms) -> None:
    row.due_at = min((step.at for step in coming(row, ticket, by)), default=None)
    row.counted_by = by.stamp
