"""Create a ticket, change it, move it through its life: the sentences that every practice's verbs are made of."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any
from uuid import UUID

from django.apps import apps

from apps.cmdb.models import ConfigurationItem, Service
from apps.core import events, records
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, Denied, FieldError, Invalid, NotFound
from apps.core.lifecycle import Lifecycle, Phase, Transition
from apps.organizations.models import Team
from apps.organizations.numbers import next_number
from apps.tickets import custom_fields, kinds, search, tagging
from apps.tickets.assignment import placing
from apps.tickets.models import Category, Ticket
from apps.tickets.priorities import priority_of
from apps.users.models import User, UserType

FINISHED = (Phase.CLOSED, Phase.CANCELLED)
# Set by verbs of their own, or by the platform.
OWNERSHIP = ("team_id", "assignee_id")
# A change of one of these asks the matrix again.
RATED_BY = ("impact", "urgency")
SEARCHED = ("title", "description")
_THERE = {"deleted_at": (None, "deleted", "It is deleted; accepted: one that is there.")}
_ACTIVE = {"is_active": (True, "inactive", "It is not in use any more; accepted: an active one.")}
# What can be named, and when it can be named anew: column, what it must hold, what is wrong otherwise.
IN_USE: Mapping[str, tuple[Any, Mapping[str, tuple[Any, str, str]]]] = {
    "team_id": (Team, _THERE),
    "category_id": (Category, _ACTIVE),
    "service_id": (Service, {**_THERE, **_ACTIVE}),
    "configuration_item_id": (ConfigurationItem, _THERE),
    "requester_id": (User, {**_THERE, **_ACTIVE}),
}


def create(
    kind_name: str,
    *,
    actor: Actor,
    at: datetime,
    values: Mapping[str, Any],
    number: str = "",
    carried: Mapping[str, Any] | None = None,
) -> Any:
    """Open a ticket of one kind at `at` (UTC) and return the kind's own row.

    `values` are those of the base row and of the kind's. `number` is for imports that keep theirs. `carried` are custom
    fields as another ticket has them, in place of given ones, complete or not. Raises Denied, Invalid.
    """
    kind = kinds.get(kind_name)
    require(actor, Action.CREATE, kind.resource)
    given = _checked(kind, values, actor=actor, at=at, carried=carried)
    row = _made(kind, given, actor=actor, at=at, number=number)
    require(actor, Action.CREATE, kind.resource, row)
    placed = placing.on_creation(row, at=at)
    for name, value in placed.values.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    if placed.queue is not None:
        placing.settle(row, placed, at=at)
    search.write(row)
    shown = records.plain(row, _named(row, given | placed.values)).items()
    told = {name: (None, value) for name, value in shown if value not in (None, "", [], {})}
    events.record(f"{kind_name}.created", row, actor=actor, at=at, changes=told, number=row.number, **placed.told)
    if placed.is_behind:
        # Those before it were served meanwhile, and perhaps it was too.
        row.refresh_from_db()
    return row


def _checked(
    kind: kinds.TicketKind, values: Mapping[str, Any], *, actor: Actor, at: datetime, carried: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The values of a new ticket with those that nobody named, `carried` custom fields as they are. Raises Denied, Invalid."""
    given = dict(values)
    if any(given.get(name) is not None for name in OWNERSHIP):
        require(actor, Action.ASSIGN, kind.resource)
        refuse_unassignable(given.get("assignee_id"))
    if carried is None:
        # What comes out of another ticket is about what that one was about.
        refuse_gone(given)
    if given.get("requester_id") is None:
        given["requester_id"] = _requester(actor)
    if carried is None:
        carried = custom_fields.complete(kind.name, given.get("custom_fields") or {}, actor=actor)
    given["custom_fields"] = dict(carried)
    given["tags"] = tagging.known(given.get("tags") or [], actor=actor, at=at)
    return {"impact": 3, "urgency": 3, **given}


def _made(kind: kinds.TicketKind, given: Mapping[str, Any], *, actor: Actor, at: datetime, number: str) -> Any:
    """The kind's row, not stored yet, with its number taken."""
    model: Any = apps.get_model(kind.model)
    status = kind.lifecycle.initial
    return model(
        organization_id=actor.organization_id,
        tenant=actor.organization_id,
        kind=kind.name,
        number=number or next_number(actor.organization_id, kind.prefix),
        status=status,
        phase=kind.lifecycle.phases[status],
        priority=priority_of(kind.name, given["impact"], given["urgency"]),
        opened_by_id=actor.local_id,
        opened_at=at,
        created_at=at,
        updated_at=at,
        reassignment_count=0,
        **given,
    )


def _requester(actor: Actor) -> UUID:
    if actor.local_id is None:
        raise Invalid(
            errors=[FieldError("/requester", "required", "Say for whom; the caller is nobody of this organization.")]
        )
    return actor.local_id


def somebody_here(actor: Actor, grant: str) -> UUID:
    """The id of a person of this organization, for what is done as oneself. Raises Denied for an operator and the platform."""
    if actor.local_id is None:
        raise Denied("This is for people of the organization; the caller is nobody of it.", grant=grant)
    return actor.local_id


def _named(row: Ticket, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values by field name, as records.plain wants them."""
    return {row._meta.get_field(name.removesuffix("_id")).name: value for name, value in values.items()}


_held: ContextVar[Ticket | None] = ContextVar("held", default=None)


@contextmanager
def holding(ticket: Ticket) -> Iterator[None]:
    """Verbs in the block take this row as it is instead of reading it again: it was made in this transaction, so it is ours.

    For histories of many verbs; whoever else changes the row in the block has to change this instance.
    """
    token = _held.set(ticket)
    try:
        yield
    finally:
        _held.reset(token)


def lock(pk: UUID, *, actor: Actor) -> Ticket:
    """The base row, locked until the transaction ends. Raises NotFound for what is not the actor's to see, or deleted."""
    held = _held.get()
    if held is not None and held.pk == pk:
        return held
    ticket: Ticket | None = (
        Ticket.objects.visible_to(actor).alive().select_for_update(of=("self",)).filter(pk=pk).first()
    )
    if ticket is None:
        raise NotFound
    return ticket


def change(
    ticket: Ticket,
    *,
    actor: Actor,
    at: datetime,
    values: Mapping[str, Any],
    beside: events.Changes | None = None,
) -> Ticket:
    """Change fields of the base row; the priority follows impact and urgency unless somebody set it by hand.

    `beside` is what changes with them in the kind's own row, and belongs to the same fact. Raises
    Denied, Invalid, and Conflict `finished` for a ticket that is closed or cancelled.
    """
    locked = lock(ticket.pk, actor=actor)
    kind = kinds.get(locked.kind)
    require(actor, Action.UPDATE, kind.resource, locked)
    if locked.phase in FINISHED:
        raise Conflict(
            f"It is {locked.status}; reopen it before you change it.", code="finished", current_status=locked.status
        )
    given = completed(locked, values, actor=actor, at=at)
    before = [getattr(locked, name) for name in SEARCHED]
    write(locked, given, event=f"{locked.kind}.updated", actor=actor, at=at, beside=beside)
    if before != [getattr(locked, name) for name in SEARCHED]:
        search.write(locked)
    return locked


def completed(locked: Ticket, values: Mapping[str, Any], *, actor: Actor, at: datetime) -> dict[str, Any]:
    """The values that change, checked, with what follows from them; ownership has its own verbs. Raises Invalid."""
    given = {name: value for name, value in values.items() if name not in OWNERSHIP}
    if "requester_id" in given and given["requester_id"] is None:
        raise Invalid(
            errors=[FieldError("/requester", "null", "A ticket has a requester; accepted: the id of a person.")]
        )
    refuse_gone(given, before=locked)
    if "custom_fields" in given:
        given["custom_fields"] = custom_fields.merge(locked, given["custom_fields"], actor=actor)
    if "tags" in given:
        given["tags"] = tagging.known(given["tags"], actor=actor, at=at)
    rated = {name: given.get(name, getattr(locked, name)) for name in RATED_BY}
    if not locked.is_overridden and any(rated[name] != getattr(locked, name) for name in RATED_BY):
        given["priority"] = priority_of(locked.kind, rated["impact"], rated["urgency"])
    return given


def transition(
    ticket: Ticket,
    verb: str,
    *,
    event: str,
    actor: Actor,
    at: datetime,
    given: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    **data: Any,
) -> Ticket:
    """Do `verb` of the kind's lifecycle with the locked ticket, and record `<kind>.<event>`.

    `given` is what the verb requires, `values` what changes beside the status, `data` what else the fact tells. Raises
    Denied, IllegalTransition, Invalid, NotFound.
    """
    locked = lock(ticket.pk, actor=actor)
    step = check(locked, verb, actor=actor, at=at, given=given or {})
    return move(locked, step, event=event, actor=actor, at=at, values=values or {}, **data)


def check(locked: Ticket, verb: str, *, actor: Actor, at: datetime, given: Mapping[str, Any]) -> Transition:
    """The step, if it may be taken now. Raises IllegalTransition also for a kind that has no such verb."""
    lifecycle: Lifecycle = kinds.get(locked.kind).lifecycle
    if verb not in lifecycle.transitions:
        raise Conflict(f"No {locked.kind} can {verb}.", code="illegal_transition", current_status=locked.status)
    return lifecycle.check(locked, verb, actor=actor, at=at, given=given)


def move(
    locked: Ticket,
    step: Transition,
    *,
    event: str,
    actor: Actor,
    at: datetime,
    values: Mapping[str, Any],
    to: str = "",
    **data: Any,
) -> Ticket:
    """Take a checked step, to `to` where the table leaves it open; what held it is forgotten when it no longer waits."""
    lifecycle: Lifecycle = kinds.get(locked.kind).lifecycle
    status = to or step.target_from(locked.status)
    phase = lifecycle.phases[status]
    released = {} if phase == Phase.PENDING else {"hold_reason": "", "hold_until": None}
    changed = {**released, "status": status, "phase": phase, **values}
    return write(locked, changed, event=f"{locked.kind}.{event}", actor=actor, at=at, is_fact=True, **data)


def write(
    locked: Ticket,
    values: Mapping[str, Any],
    *,
    event: str,
    actor: Actor,
    at: datetime,
    is_fact: bool = False,
    beside: events.Changes | None = None,
    **data: Any,
) -> Ticket:
    """Write what differs into the locked base row and record it; nothing differs, nothing happens, unless it is a fact anyhow."""
    named = _named(locked, values)
    before = records.plain(locked, named)
    for name, value in values.items():
        setattr(locked, name, value)
    after = records.plain(locked, named)
    differing = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
    if not differing and not beside and not is_fact:
        return locked
    locked.version += 1
    locked.updated_at = at
    locked.save_base_row([*differing, "version", "updated_at"])
    events.record(event, locked, actor=actor, at=at, changes={**differing, **(beside or {})}, **data)
    return locked


def refuse_unassignable(assignee_id: UUID | None, *, pointer: str = "/assignee") -> None:
    """Work goes to people who do it. Raises Invalid for an end user, or for somebody who cannot sign in (history aside)."""
    if assignee_id is None:
        return
    # Of so many columns only these: it is asked for every assignment.
    person = User.objects.filter(pk=assignee_id).values_list("user_type", "is_active", "deleted_at")[:1]
    user_type, is_active, deleted_at = next(iter(person), (UserType.END_USER, False, None))
    if user_type == UserType.END_USER:
        raise Invalid(errors=[FieldError(pointer, "not_assignable", "Not somebody who works on tickets.")])
    if not (is_active and deleted_at is None) and not events.is_historic():
        raise Invalid(errors=[FieldError(pointer, "not_assignable", "This account is deactivated or deleted.")])


def refuse_gone(values: Mapping[str, Any], *, before: Any = None) -> None:
    """What is named anew must be there and in use; what `before` names already may outlive it, and so may history.

    Raises Invalid with all that is wrong.
    """
    if events.is_historic():
        return
    new = {name: pk for name, pk in values.items() if pk is not None and pk != getattr(before, name, None)}
    errors = []
    for name, (model, conditions) in IN_USE.items():
        if name not in new:
            continue
        found = model.objects.filter(pk=new[name]).values(*conditions).first()
        for column, (wanted, code, detail) in conditions.items():
            if found is not None and found[column] != wanted:
                errors.append(FieldError(f"/{name.removesuffix('_id')}", code, detail))
                break
    if errors:
        raise Invalid(errors=errors)


def delete(ticket: Ticket, *, actor: Actor, at: datetime) -> Ticket:
    """Hide it; number, history and references stay. Raises Denied, Conflict."""
    locked = _lock_also_deleted(ticket.pk, actor=actor)
    if locked.is_deleted:
        raise Conflict("It is deleted already.", code="already_deleted")
    return write(locked, {"deleted_at": at}, event=f"{locked.kind}.deleted", actor=actor, at=at)


def restore(ticket: Ticket, *, actor: Actor, at: datetime) -> Ticket:
    """Bring it back as it was. Raises Denied, Conflict."""
    locked = _lock_also_deleted(ticket.pk, actor=actor)
    if not locked.is_deleted:
        raise Conflict("It is not deleted.", code="not_deleted")
    return write(locked, {"deleted_at": None}, event=f"{locked.kind}.restored", actor=actor, at=at)


def _lock_also_deleted(pk: UUID, *, actor: Actor) -> Ticket:
    locked: Ticket = records.lock(Ticket, pk, actor=actor)
    resource = kinds.get(locked.kind).resource
    require(actor, Action.DELETE, resource, locked)
    return locked
