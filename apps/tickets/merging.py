"""Tickets that turn out to be one, several, or of another kind: merge and unmerge, split, convert."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, may, require
from apps.core.errors import Conflict, FieldError, Invalid
from apps.tickets import custom_fields, kinds, relations, rights, services
from apps.tickets.choices import LinkType, Visibility
from apps.tickets.models import Comment, Merge, Ticket, Watcher

# What a merge takes away from the absorbed ticket, and its undoing puts back to the letter.
KEPT = ("status", "hold_reason", "hold_until", "closed_at")
# What a ticket that comes out of another takes over. Not who has it: whoever will work on it claims it.
SHARED = (
    "impact", "urgency", "category_id", "service_id", "configuration_item_id", "requester_id", "team_id", "source",
)  # fmt: skip


def merge(ticket: Ticket, *, actor: Actor, at: datetime, into_id: UUID) -> Ticket:
    """Cancel `ticket` in favour of another of its kind, whose watchers its requester and watchers become.

    Its children, links and words stay with it. Raises Denied, Invalid for what cannot be merged into, IllegalTransition,
    and Conflict `merged` when either is merged already, `finished` when the other one is over.
    """
    if into_id == ticket.pk:
        raise Invalid(errors=[FieldError("/into", "self", "It cannot absorb itself; accepted: another ticket.")])
    locked, survivor = relations.lock_both(ticket.pk, into_id, pointer="/into", actor=actor)
    _refuse_merged(locked)
    step = services.check(locked, "merge", actor=actor, at=at, given={"into": into_id})
    require(actor, Action.UPDATE, kinds.get(survivor.kind).resource, survivor)
    if survivor.kind != locked.kind:
        detail = f"It is no {locked.kind}; accepted: a ticket of the same kind."
        raise Invalid(errors=[FieldError("/into", "different_kind", detail)])
    _refuse_merged(survivor)
    if survivor.phase in services.FINISHED:
        raise Conflict(f"{survivor.number} is {survivor.status}.", code="finished", current_status=survivor.status)
    before = {name: _plain(getattr(locked, name)) for name in KEPT}
    Merge.objects.create(
        organization_id=locked.organization_id,
        ticket=locked,
        into=survivor,
        merged_by_id=actor.local_id,
        merged_at=at,
        before={**before, "watchers": [str(pk) for pk in _let_watch(survivor, _people_of([locked.pk]), at=at)]},
    )
    values = {"merged_into_id": survivor.pk, "closed_at": at}
    merged = services.move(
        locked,
        step,
        event="merged",
        actor=actor,
        at=at,
        values=values,
        other=str(survivor.pk),
        other_number=survivor.number,
    )
    _tell(survivor, "absorbed", locked, actor=actor, at=at)
    return merged


def unmerge(ticket: Ticket, *, actor: Actor, at: datetime) -> Ticket:
    """Put a merged ticket back as it was, and take from the other one the watchers that the merge gave it.

    Raises Denied, IllegalTransition for what is not merged.
    """
    rows = relations.lock_merge(ticket.pk, actor=actor)
    locked = services.lock(ticket.pk, actor=actor)
    step = services.check(locked, "unmerge", actor=actor, at=at, given={})
    survivor = next((row for row in rows.values() if row.pk == locked.merged_into_id), None)
    if survivor is None:
        raise Conflict(
            "It was merged anew just now; read it again.",
            code="merged",
            current_status=locked.status,
            into=str(locked.merged_into_id),
        )
    row = Merge.objects.get(ticket=locked, undone_at=None)
    _take_back_watchers(row)
    row.undone_at = at
    row.save(update_fields=["undone_at"])
    back = {name: _read(name, row.before[name]) for name in KEPT if name != "status"}
    values = {**back, "merged_into_id": None}
    unmerged = services.move(
        locked,
        step,
        to=row.before["status"],
        event="unmerged",
        actor=actor,
        at=at,
        values=values,
        other=str(survivor.pk),
        other_number=survivor.number,
    )
    _tell(survivor, "released", locked, actor=actor, at=at)
    return unmerged


def split(ticket: Ticket, *, actor: Actor, at: datetime, comment_id: UUID, title: str) -> Any:
    """Make a comment a ticket of its own, of the same kind; the new row is returned.

    It is for the same requester, unless the comment is internal: then for the actor, so that nobody reads by it what was
    not for them. Raises Denied, Invalid for a comment that is not on this ticket or not the actor's to see.
    """
    locked = services.lock(ticket.pk, actor=actor)
    given = {"comment": comment_id, "title": title}
    services.check(locked, "split", actor=actor, at=at, given=given)
    comment = Comment.objects.alive().filter(pk=comment_id, ticket=locked).first()
    is_internal = comment is not None and comment.visibility == Visibility.INTERNAL
    if comment is None or (is_internal and not rights.sees_internal(actor, locked)):
        raise Invalid(errors=[FieldError("/comment", "does_not_exist", f"{comment_id} does not exist.")])
    values = taken_over(locked, locked.kind, actor=actor) | {"title": title, "description": comment.body}
    if is_internal:
        values["requester_id"] = actor.local_id
    made = services.create(
        locked.kind, actor=actor, at=at, values=values, carried=custom_fields.carried(locked, locked.kind)
    )
    relations.tie(made, LinkType.RELATES_TO, locked, at=at)
    _tell(locked, "split", made, actor=actor, at=at, comment=str(comment.pk), visibility=comment.visibility)
    return made


def convert(ticket: Ticket, *, actor: Actor, at: datetime, to: str) -> Any:
    """Cancel it in favour of a new ticket of another kind, which follows it up; the new row is returned.

    Words, files and history stay here, a link away. Raises Denied, Invalid for what is no such kind, IllegalTransition,
    and Conflict `same_kind`.
    """
    accepted = [kind.name for kind in kinds.every() if kind.is_convertible]
    if to not in accepted:
        detail = f"Nothing that it could become; accepted: {', '.join(accepted)}."
        raise Invalid(errors=[FieldError("/to", "invalid_choice", detail)])
    locked = services.lock(ticket.pk, actor=actor)
    step = services.check(locked, "convert", actor=actor, at=at, given={"to": to})
    if to == locked.kind:
        raise Conflict(f"It is a ticket of the kind {to} already.", code="same_kind")
    words = {name: getattr(locked, name) for name in ("title", "description", "tags")}
    values = taken_over(locked, to, actor=actor) | words
    made = services.create(to, actor=actor, at=at, values=values, carried=custom_fields.carried(locked, to))
    _let_watch(made, _people_of([locked.pk]), at=at)
    relations.tie(made, LinkType.FOLLOW_UP_OF, locked, at=at)
    told = {"other": str(made.pk), "other_number": made.number}
    services.move(locked, step, event="converted", actor=actor, at=at, values={"closed_at": at}, **told)
    return made


def taken_over(ticket: Ticket, kind: str, *, actor: Actor) -> dict[str, Any]:
    """What a ticket that comes out of another has of it; the team only where the actor may give tickets of its kind away."""
    values = {name: getattr(ticket, name) for name in SHARED}
    if not may(actor, Action.ASSIGN, kinds.get(kind).resource):
        del values["team_id"]
    return values


def _refuse_merged(ticket: Ticket) -> None:
    if ticket.merged_into_id is not None:
        raise Conflict(
            f"{ticket.number} was merged into another.",
            code="merged",
            current_status=ticket.status,
            into=str(ticket.merged_into_id),
        )


def _people_of(tickets: Iterable[UUID]) -> set[UUID]:
    """Requesters and watchers."""
    rows = Ticket.objects.filter(pk__in=tickets)
    return {
        *rows.values_list("requester_id", flat=True),
        *Watcher.objects.filter(ticket__in=rows).values_list("user_id", flat=True),
    }


def _let_watch(ticket: Ticket, people: set[UUID], *, at: datetime) -> list[UUID]:
    """Those of `people` who follow the locked ticket only from now on."""
    gained = sorted(people - _people_of([ticket.pk]))
    Watcher.objects.bulk_create(
        Watcher(organization_id=ticket.organization_id, ticket_id=ticket.pk, user_id=pk, created_at=at) for pk in gained
    )
    return gained


def _take_back_watchers(row: Merge) -> None:
    """Whoever another merge into the same ticket would have brought stays, and goes when that one is undone."""
    leaving = {UUID(pk) for pk in row.before["watchers"]}
    others = Merge.objects.filter(into_id=row.into_id, undone_at=None).exclude(pk=row.pk).order_by("merged_at", "pk")
    for other in others:
        staying = sorted(leaving & _people_of([other.ticket_id]))
        if staying:
            other.before["watchers"] += [str(pk) for pk in staying]
            other.save(update_fields=["before"])
            leaving -= set(staying)
    Watcher.objects.filter(ticket_id=row.into_id, user_id__in=leaving).delete()


def _tell(ticket: Ticket, past: str, other: Ticket, *, actor: Actor, at: datetime, **data: Any) -> None:
    events.record(
        f"{ticket.kind}.{past}", ticket, actor=actor, at=at, other=str(other.pk), other_number=other.number, **data
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _read(name: str, kept: Any) -> Any:
    return datetime.fromisoformat(kept) if kept and name.endswith(("_at", "_until")) else kept
