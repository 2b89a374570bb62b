"""What time does, done: each step by the platform, under the ticket's lock, after a last look at whether it is still due."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from apps.core import events
from apps.core.actors import Actor
from apps.tickets import kinds, verbs
from apps.tickets.choices import Doing, Purpose, ResolutionCode
from apps.tickets.closing import countdowns, plan, terms
from apps.tickets.closing.plan import Step
from apps.tickets.closing.terms import worded
from apps.tickets.closing.words import NO_ANSWER, NO_OBJECTION, TIME_HAS_COME
from apps.tickets.models import Countdown, Ticket

PART = "closing"
# What others hang below is not ended because one person is silent; it is looked at again then.
AGAIN = timedelta(days=1)


class Result(Enum):
    """What became of one attempt: a step was taken, none was due any more, or somebody else has the ticket in hand."""

    TAKEN = "taken"
    NOT_DUE = "not_due"
    BUSY = "busy"


def take(ticket_id: UUID, purpose: str, *, at: datetime) -> Result:
    """Do what is due on one ticket at `at` (UTC), in the caller's transaction.

    A reply, a reopening, any change that has the ticket's lock goes first; what it leaves behind decides.
    """
    rows = Ticket.objects.select_for_update(of=("self",), skip_locked=True).alive()
    ticket = rows.filter(pk=ticket_id).first()
    if ticket is None:
        return Result.BUSY
    row = Countdown.objects.filter(ticket_id=ticket_id, purpose=purpose).first()
    if row is None:
        return Result.NOT_DUE
    if countdowns.purpose_of(ticket) != purpose:
        countdowns.begin(ticket, at=at)
        return Result.NOT_DUE
    step = plan.due(countdowns.coming(row, ticket, terms.current()), at)
    if step is None:
        countdowns.recount(row, ticket)
        return Result.NOT_DUE
    # Not before what was done to it last, however the clocks stand.
    moment = max(at, ticket.updated_at)
    return DEEDS[step.doing](Turn(ticket, row, step, Actor.system(ticket.organization_id, PART), moment))


@dataclass(frozen=True, slots=True)
class Turn:
    """A locked ticket whose step is due: who takes it, and when."""

    ticket: Ticket
    row: Countdown
    step: Step
    actor: Actor
    at: datetime

    @property
    def days(self) -> str:
        return worded(self.step.days, self.step.unit)

    def do(self, verb: str, because: str, **given: Any) -> Result:
        """The kind's own verb, with the reason in its fact."""
        told = {"because": because, "days": self.step.days, "unit": self.step.unit}
        verbs.do(self.ticket, verb, actor=self.actor, at=self.at, **given, **told)
        return Result.TAKEN

    def tell(self, past: str, *, ends: str = "", **told: Any) -> Result:
        """Remember it and record it in one transaction, so once; channels deliver the fact to its `users`."""
        if self.step.doing is Doing.RECALL and self.row.purpose == Purpose.ASKING:
            self.row.recalled_at = self.at
        else:
            self.row.given, self.row.last_given_at = self.step.number, self.at
        countdowns.recount(self.row, self.ticket)
        coming = countdowns.coming(self.row, self.ticket, terms.current())
        last = [step.at for step in coming if step.doing not in plan.NOTICES]
        told |= {"number": self.step.number, "days": self.step.days, "unit": self.step.unit}
        if ends:
            told[ends] = last[0].isoformat() if last else None
        name = f"{kinds.get(self.ticket.kind).name}.{past}"
        events.record(name, self.ticket, actor=self.actor, at=self.at, **told)
        return Result.TAKEN


def _resume(turn: Turn) -> Result:
    return turn.do("resume", TIME_HAS_COME)


def _resolve(turn: Turn) -> Result:
    if Ticket.objects.alive().open().filter(parent_id=turn.ticket.pk).exists():
        countdowns.put_off(turn.row, turn.ticket, until=turn.at + AGAIN)
        return Result.NOT_DUE
    code, notes = ResolutionCode.NO_RESOLUTION_PROVIDED.value, f"No answer within {turn.days}."
    return turn.do("resolve", NO_ANSWER, resolution_code=code, resolution_notes=notes)


def _close(turn: Turn) -> Result:
    return turn.do("close", NO_OBJECTION)


def _remind(turn: Turn) -> Result:
    asked = {"of": len(terms.current().remind_after), "users": [str(turn.ticket.requester_id)]}
    return turn.tell("reminded", ends="resolves_at", **asked)


def _warn(turn: Turn) -> Result:
    return turn.tell("closing_announced", ends="closes_at", users=[str(turn.ticket.requester_id)])


def _recall(turn: Turn) -> Result:
    """What it waits for is not here by itself: only its owner knows whether to go on."""
    owner = turn.ticket.assignee_id
    return turn.tell("hold_due", reason=turn.ticket.hold_reason, users=[str(owner)] if owner else [])


DEEDS: Mapping[Doing, Callable[[Turn], Result]] = {
    Doing.RESUME: _resume,
    Doing.RECALL: _recall,
    Doing.REMIND: _remind,
    Doing.RESOLVE: _resolve,
    Doing.WARN: _warn,
    Doing.CLOSE: _close,
}
