"""The verbs of a ticket's life that all kinds share; a kind may put its own in place of one (tickets.kinds)."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, FieldError, Invalid
from apps.core.lifecycle import Phase
from apps.tickets import conversation, kinds, merging, reopening, services
from apps.tickets.assignment import placing
from apps.tickets.choices import HoldReason, Priority, ResolutionCode, Visibility
from apps.tickets.closing import replies
from apps.tickets.models import Ticket
from apps.tickets.priorities import priority_of


def do(ticket: Ticket, verb: str, *, actor: Actor, at: datetime, **given: Any) -> Ticket:
    """The kind's own verb, or the shared one; `verb` as the lifecycle and the address name it."""
    own = kinds.get(ticket.kind).verbs.get(verb)
    done: Ticket = (own or SHARED[verb])(ticket, actor=actor, at=at, **given)
    return done


def claim(ticket: Ticket, *, actor: Actor, at: datetime) -> Ticket:
    """Take it over. Raises Conflict `already_claimed` naming the owner when somebody else has it.

    What a queue offered, and nobody has accepted yet, is nobody's so far: whoever begins first has it.
    """
    locked = services.lock(ticket.pk, actor=actor)
    step = services.check(locked, "claim", actor=actor, at=at, given={})
    claimant = services.somebody_here(actor, f"{kinds.get(locked.kind).resource}.{Action.ASSIGN}")
    is_anothers = locked.assignee_id is not None and locked.assignee_id != actor.id
    if is_anothers and not placing.is_only_offered(locked):
        owner = locked.assignee
        raise Conflict(
            f"{owner} has it.",
            code="already_claimed",
            current_status=locked.status,
            owner=str(locked.assignee_id),
            owner_name=str(owner),
        )
    services.refuse_unassignable(claimant)
    # Whom it was offered to hears that it is theirs no more.
    told: dict[str, Any] = {"users": [str(locked.assignee_id)]} if is_anothers else {}
    return services.move(locked, step, event="claimed", actor=actor, at=at, values={"assignee_id": claimant}, **told)


def assign(ticket: Ticket, *, actor: Actor, at: datetime, note: str = "", **to: UUID | None) -> Ticket:
    """Give it to `team_id`, `assignee_id` or both; null takes it away. A new team without a person is for its queue to give out
    (tickets.assignment), or for whoever claims it.

    A `note` becomes an internal comment. Raises Invalid when neither is named or the person does not work on tickets.
    """
    if not to:
        raise Invalid(errors=[FieldError("/team", "required", "Name a team, an assignee or both.")])
    locked = services.lock(ticket.pk, actor=actor)
    step = services.check(locked, "assign", actor=actor, at=at, given={})
    services.refuse_unassignable(to.get("assignee_id"))
    services.refuse_gone(to, before=locked)
    # Before it goes: another team's ticket may be out of the actor's reach.
    _say(locked, note, Visibility.INTERNAL, actor=actor, at=at)
    values = ownership(locked, **to)
    placed = placing.on_assignment(locked, values, at=at)
    placing.settle(locked, placed, at=at)
    return services.move(
        locked, step, event="assigned", actor=actor, at=at, values={**values, **placed.values}, **placed.told
    )


def ownership(locked: Ticket, **to: UUID | None) -> dict[str, Any]:
    """What changes with another team or person: every change of team is counted, also from and to none."""
    values: dict[str, Any] = dict(to)
    if "team_id" in to and to["team_id"] != locked.team_id:
        values["reassignment_count"] = locked.reassignment_count + 1
        values.setdefault("assignee_id", None)
    return values


def start(ticket: Ticket, *, actor: Actor, at: datetime) -> Ticket:
    """Begin to work on it without taking it over."""
    return services.transition(ticket, "start", event="started", actor=actor, at=at)


def hold(
    ticket: Ticket, *, actor: Actor, at: datetime, reason: str, comment: str = "", until: datetime | None = None
) -> Ticket:
    """Let it wait. Who waits for the requester says publicly for what; what is scheduled says until when (UTC)."""
    errors = []
    if reason == HoldReason.AWAITING_REQUESTER and not comment.strip() and not events.is_lacking("comment"):
        errors.append(FieldError("/comment", "required", "Tell the requester what you wait for."))
    if reason == HoldReason.SCHEDULED and until is None:
        errors.append(FieldError("/until", "required", "Say until when it is scheduled."))
    if until is not None and until <= at:
        errors.append(FieldError("/until", "out_of_range", "It has passed; accepted: a later instant."))
    if errors:
        raise Invalid(errors=errors)
    values = {"hold_reason": reason, "hold_until": until}
    held = services.transition(
        ticket, "hold", event="put_on_hold", actor=actor, at=at, given={"reason": reason}, values=values, reason=reason
    )
    is_public = reason == HoldReason.AWAITING_REQUESTER
    _say(held, comment, Visibility.PUBLIC if is_public else Visibility.INTERNAL, actor=actor, at=at)
    return held


def resume(ticket: Ticket, *, actor: Actor, at: datetime, comment: str = "", **told: Any) -> Ticket:
    """It waits no more. The comment is internal; `told` is what else the fact says."""
    resumed = services.transition(ticket, "resume", event="resumed", actor=actor, at=at, **told)
    _say(resumed, comment, Visibility.INTERNAL, actor=actor, at=at)
    return resumed


def resolve(
    ticket: Ticket, *, actor: Actor, at: datetime, resolution_code: str, resolution_notes: str, **told: Any
) -> Ticket:
    """Resolve at `at` (UTC); `told` is what else the fact says. Raises Denied, IllegalTransition, Invalid."""
    values = {"resolution_code": resolution_code, "resolution_notes": resolution_notes, "resolved_at": at}
    return services.transition(
        ticket, "resolve", event="resolved", actor=actor, at=at, given=values, values=values, **told
    )


def close(ticket: Ticket, *, actor: Actor, at: datetime, comment: str = "", **told: Any) -> Ticket:
    """Close what is resolved; the requester does it by confirming. The comment is public, `told` what else the fact says."""
    closed = services.transition(ticket, "close", event="closed", actor=actor, at=at, values={"closed_at": at}, **told)
    _say(closed, comment, Visibility.PUBLIC, actor=actor, at=at)
    return closed


def reopen(ticket: Ticket, *, actor: Actor, at: datetime, reason: str) -> Ticket:
    """It is not solved. What was noted as its resolution stays in the history alone.

    A requester who says so while the platform closes it is heard as if it were still resolved.
    """
    locked = services.lock(ticket.pk, actor=actor)
    is_requester = actor.local_id is not None and actor.local_id == locked.requester_id
    by = actor
    if is_requester and replies.was_on_the_way(locked, at=at):
        by = Actor.system(locked.organization_id, replies.PART)
    step = services.check(locked, "reopen", actor=by, at=at, given={"reason": reason})
    return reopening.reopen(locked, step, actor=actor, at=at, reason=reason)


def cancel(ticket: Ticket, *, actor: Actor, at: datetime, reason: str) -> Ticket:
    """It is not wanted any more."""
    return services.transition(
        ticket,
        "cancel",
        event="cancelled",
        actor=actor,
        at=at,
        given={"reason": reason},
        values={"closed_at": at},
        reason=reason,
    )


def escalate(
    ticket: Ticket, *, actor: Actor, at: datetime, to: str, reason: str, team_id: UUID | None = None
) -> Ticket:
    """Functionally, to another team; hierarchically, to those who answer for this one: they are told of it.

    Naming a team takes the right to assign, either way. Raises Denied, IllegalTransition, Invalid.
    """
    if to == "functional" and team_id is None:
        raise Invalid(errors=[FieldError("/team", "required", "A functional escalation names the team it goes to.")])
    locked = services.lock(ticket.pk, actor=actor)
    step = services.check(locked, "escalate", actor=actor, at=at, given={"to": to, "reason": reason})
    if team_id is not None:
        # Whatever it is called, it gives the ticket away.
        require(actor, Action.ASSIGN, kinds.get(locked.kind).resource, locked)
    values = ownership(locked, team_id=team_id) if team_id is not None else {}
    services.refuse_gone(values, before=locked)
    told: dict[str, Any] = {}
    if values:
        placed = placing.on_assignment(locked, values, at=at)
        placing.settle(locked, placed, at=at)
        values, told = {**values, **placed.values}, placed.told
    return services.move(
        locked, step, event="escalated", actor=actor, at=at, values=values, to_whom=to, reason=reason, **told
    )


def override_priority(ticket: Ticket, *, actor: Actor, at: datetime, priority: int | None, reason: str = "") -> Ticket:
    """Set the priority by hand, with the reason; None gives it back to the matrix. Raises Invalid without a reason."""
    if priority is not None and not reason.strip():
        raise Invalid(errors=[FieldError("/reason", "required", "Say why the matrix is not right here.")])
    if priority is not None and priority not in Priority.values:
        raise Invalid(errors=[FieldError("/priority", "out_of_range", "Accepted: 1, 2, 3, 4, 5, null.")])
    locked = services.lock(ticket.pk, actor=actor)
    step = services.check(locked, "override-priority", actor=actor, at=at, given={})
    found = priority_of(locked.kind, locked.impact, locked.urgency) if priority is None else priority
    values = {"priority": found, "priority_override_reason": reason if priority is not None else ""}
    return services.move(locked, step, event="priority_overridden", actor=actor, at=at, values=values)


def restate(
    ticket: Ticket,
    *,
    actor: Actor,
    at: datetime,
    resolution_code: str = "",
    resolution_notes: str = "",
    values: Mapping[str, Any] = MappingProxyType({}),
) -> Ticket:
    """What another system's history says again of a resolved or closed ticket: the last time of it counts.

    `values` are other columns that changed with it, whose work it is among them. For imports alone; nobody reaches it by an
    address. Raises Invalid, and Conflict for a ticket that is neither.
    """
    locked = services.lock(ticket.pk, actor=actor)
    to = {name: values[name] for name in services.OWNERSHIP if name in values}
    services.refuse_unassignable(to.get("assignee_id"))
    changed = {**services.completed(locked, values, actor=actor, at=at), **ownership(locked, **to)}
    if locked.phase == Phase.RESOLVED:
        changed["resolved_at"] = at
        if resolution_code:
            changed["resolution_code"] = ResolutionCode(resolution_code).value
        if resolution_notes:
            changed["resolution_notes"] = resolution_notes
        return services.write(locked, changed, event=f"{locked.kind}.resolution_restated", actor=actor, at=at)
    if locked.phase == Phase.CLOSED:
        changed["closed_at"] = at
        return services.write(locked, changed, event=f"{locked.kind}.closure_restated", actor=actor, at=at)
    raise Conflict("It is neither resolved nor closed.", code="illegal_transition", current_status=locked.status)


def _say(ticket: Ticket, body: str, visibility: str, *, actor: Actor, at: datetime) -> None:
    if body.strip():
        conversation.add_comment(ticket, actor=actor, at=at, body=body, visibility=visibility, is_of_verb=True)


SHARED: dict[str, kinds.Verb] = {
    "claim": claim,
    "assign": assign,
    "start": start,
    "hold": hold,
    "resume": resume,
    "resolve": resolve,
    "close": close,
    "reopen": reopen,
    "cancel": cancel,
    "escalate": escalate,
    "override-priority": override_priority,
    "merge": merging.merge,
    "unmerge": merging.unmerge,
    # These two return the new ticket.
    "split": merging.split,
    "convert": merging.convert,
}
