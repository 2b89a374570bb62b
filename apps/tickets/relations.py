"""How tickets hang together: links of seven types, and the parent, which is a link and a column of the child."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import events, turns
from apps.core.actors import Actor
from apps.core.authorization import Action, may, require
from apps.core.errors import Conflict, FieldError, Invalid, NotFound
from apps.tickets import kinds, services
from apps.tickets.choices import LinkType
from apps.tickets.models import Link, Ticket

# How the other ticket tells the same link.
INVERSE: Mapping[str, str] = {
    LinkType.DUPLICATES: "duplicated_by",
    LinkType.RELATES_TO: LinkType.RELATES_TO,
    LinkType.CAUSED_BY: LinkType.CAUSES,
    LinkType.CAUSES: LinkType.CAUSED_BY,
    LinkType.BLOCKS: "blocked_by",
    LinkType.PARENT_OF: "child_of",
    LinkType.FOLLOW_UP_OF: "followed_up_by",
}
# Whoever follows one of these upwards must come to an end.
ACYCLIC = (LinkType.PARENT_OF, LinkType.BLOCKS)
# Everything above a ticket by links of one type. UNION drops what was met already, so it ends whatever it meets.
ABOVE = """
WITH RECURSIVE above (id) AS (
    SELECT ticket_id FROM tickets_link
    WHERE organization_id = %(organization)s AND to_id = %(ticket)s AND link_type = %(type)s
    UNION
    SELECT l.ticket_id FROM tickets_link l JOIN above a ON l.to_id = a.id
    WHERE l.organization_id = %(organization)s AND l.link_type = %(type)s
)
SELECT 1 FROM above WHERE id = %(sought)s
"""
# Tickets and all their parents, from the highest down. No chain is a circle, but whatever it is, it is followed to an end.
LOCK_DOWN = """
WITH RECURSIVE above (id, parent_id, start, steps) AS (
    SELECT id, parent_id, id, 0 FROM tickets_ticket WHERE organization_id = %(organization)s AND id = ANY(%(tickets)s)
    UNION ALL
    SELECT t.id, t.parent_id, a.start, a.steps + 1 FROM above a
    JOIN tickets_ticket t ON t.organization_id = %(organization)s AND t.id = a.parent_id
    WHERE a.steps < 1000
), heights AS (
    SELECT id, max(steps) OVER (PARTITION BY start) - steps AS depth FROM above
), ordered AS (
    SELECT id, max(depth) AS depth FROM heights GROUP BY id
)
SELECT t.id FROM tickets_ticket t JOIN ordered USING (id)
WHERE t.organization_id = %(organization)s ORDER BY ordered.depth, t.id FOR UPDATE OF t
"""


def lock_web(organization_id: UUID) -> None:
    """Let one link that must close no circle be made at a time, until the transaction ends.

    Two links between four different tickets can close a circle that neither sees. Taken before any ticket is locked.
    """
    turns.take(f"links:{organization_id}")


def lock_down(ids: Iterable[UUID], *, organization_id: UUID) -> None:
    """Lock tickets and everything above them, the highest first and equally high ones in the order of their ids.

    What happens to a parent locks its children after it, so whoever needs several tickets comes down their families as
    well: then none can hold what another needs who holds what it waits for. Taken before any of them is locked alone.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK_DOWN, {"organization": organization_id, "tickets": list(set(ids))})


def lock_all(ids: Iterable[UUID], *, actor: Actor) -> dict[UUID, Ticket]:
    """The base rows that the actor may see, locked as `lock_down` does it."""
    lock_down(ids, organization_id=actor.organization_id)
    return {row.pk: row for row in Ticket.objects.visible_to(actor).alive().filter(pk__in=set(ids))}


def lock_to_hang(child_ids: Iterable[UUID], parent_id: UUID, *, actor: Actor) -> dict[UUID, Ticket]:
    """Everything that it takes to hang tickets below another one, in its order: the web, then the tickets."""
    lock_web(actor.organization_id)
    return lock_all((*child_ids, parent_id), actor=actor)


def lock_merge(ticket_id: UUID, *, actor: Actor) -> dict[UUID, Ticket]:
    """A ticket and the one that it was merged into, locked as `lock_down` does it.

    The other one also where it is deleted, or not the actor's to see: the merge is this ticket's.
    """
    everything = Ticket.objects.in_tenant(actor.organization_id)
    into = everything.filter(pk=ticket_id).values_list("merged_into_id", flat=True)
    ids = [pk for pk in (ticket_id, *into) if pk is not None]
    lock_down(ids, organization_id=actor.organization_id)
    return {row.pk: row for row in everything.filter(pk__in=ids)}


def link(ticket: Ticket, *, actor: Actor, at: datetime, link_type: str, to_id: UUID) -> Link:
    """`ticket` <link_type> the other one. Raises Denied, Invalid, and Conflict `duplicate`, `has_parent`, `cycle`, `finished`."""
    if to_id == ticket.pk:
        raise Invalid(errors=[FieldError("/to", "self", "It cannot be linked to itself; accepted: another ticket.")])
    if link_type in ACYCLIC:
        lock_web(actor.organization_id)
    locked, other = lock_both(ticket.pk, to_id, pointer="/to", actor=actor)
    _require_update(locked, actor=actor)
    _refuse_duplicate(locked, link_type, other)
    if link_type == LinkType.PARENT_OF:
        return _adopt(locked, other, actor=actor, at=at)
    if link_type in ACYCLIC:
        _refuse_cycle(locked, link_type, other)
    return _link(locked, link_type, other, actor=actor, at=at)


def unlink(row: Link, *, actor: Actor, at: datetime) -> None:
    """Remove a link; whose parent it told has none any more. Raises Denied, NotFound."""
    if row.link_type in ACYCLIC:
        lock_web(actor.organization_id)
    lock_down((row.ticket_id, row.to_id), organization_id=actor.organization_id)
    ends = Ticket.objects.in_tenant(actor.organization_id).filter(pk__in=(row.ticket_id, row.to_id))
    locked = {end.pk: end for end in ends}
    if not Link.objects.visible_to(actor).filter(pk=row.pk).exists():
        raise NotFound
    ticket, other = locked[row.ticket_id], locked[row.to_id]
    if not may(actor, Action.UPDATE, kinds.get(ticket.kind).resource, ticket):
        # Either end will do.
        _require_update(other, actor=actor)
    if row.link_type == LinkType.PARENT_OF:
        _require_update(other, actor=actor)
        _orphan(other, actor=actor, at=at)
    else:
        row.delete()
        tell(ticket, "unlinked", row.link_type, other, actor=actor, at=at)
        tell(other, "unlinked", INVERSE[row.link_type], ticket, actor=actor, at=at)


def set_parent(child: Ticket, *, parent_id: UUID | None, actor: Actor, at: datetime) -> Ticket:
    """Hang `child` below another ticket, or below none; the child's base row is returned as it was written.

    Raises Denied, Invalid for a parent that is not the actor's to see or is the child itself, and Conflict `cycle` or
    `finished`. The link that tells of the parent follows.
    """
    if parent_id is None:
        # Closes no circle, so it needs not wait for other links; a reopened child is locked when it comes here.
        locked = services.lock(child.pk, actor=actor)
        _require_update(locked, actor=actor)
        return _orphan(locked, actor=actor, at=at)
    lock_web(actor.organization_id)
    if parent_id == child.pk:
        raise Invalid(errors=[FieldError("/parent", "self", "It cannot be its own parent; accepted: another ticket.")])
    locked, parent = lock_both(child.pk, parent_id, pointer="/parent", actor=actor)
    if locked.parent_id != parent.pk:
        _require_update(locked, actor=actor)
        _orphan(locked, actor=actor, at=at)
        _adopt(parent, locked, actor=actor, at=at)
    return locked


def _adopt(parent: Ticket, child: Ticket, *, actor: Actor, at: datetime) -> Link:
    _require_update(child, actor=actor)
    if child.parent_id is not None:
        raise Conflict(
            f"{child.number} has a parent already; take it away first.",
            code="has_parent",
            parent=str(child.parent_id),
        )
    for end in (parent, child):
        if end.phase in services.FINISHED:
            raise Conflict(f"{end.number} is {end.status}.", code="finished", current_status=end.status)
    kinds.get(child.kind).refuse_parent(child)
    _refuse_cycle(parent, LinkType.PARENT_OF, child)
    row: Link = tie(parent, LinkType.PARENT_OF, child, at=at)
    tell(parent, "linked", LinkType.PARENT_OF, child, actor=actor, at=at)
    services.write(
        child,
        {"parent_id": parent.pk},
        event=f"{child.kind}.linked",
        actor=actor,
        at=at,
        **_told(INVERSE[LinkType.PARENT_OF], parent),
    )
    return row


def _orphan(child: Ticket, *, actor: Actor, at: datetime) -> Ticket:
    if child.parent_id is None:
        return child
    parent: Ticket = Ticket.objects.in_tenant(child.organization_id).get(pk=child.parent_id)
    Link.objects.in_tenant(child.organization_id).filter(to_id=child.pk, link_type=LinkType.PARENT_OF).delete()
    tell(parent, "unlinked", LinkType.PARENT_OF, child, actor=actor, at=at)
    told = _told(INVERSE[LinkType.PARENT_OF], parent)
    return services.write(child, {"parent_id": None}, event=f"{child.kind}.unlinked", actor=actor, at=at, **told)


def _link(ticket: Ticket, link_type: str, other: Ticket, *, actor: Actor, at: datetime) -> Link:
    row = tie(ticket, link_type, other, at=at)
    tell(ticket, "linked", link_type, other, actor=actor, at=at)
    tell(other, "linked", INVERSE[link_type], ticket, actor=actor, at=at)
    return row


def tie(ticket: Ticket, link_type: str, other: Ticket, *, at: datetime) -> Link:
    """A link that another fact tells of."""
    row: Link = Link.objects.create(
        organization_id=ticket.organization_id,
        ticket_id=ticket.pk,
        link_type=link_type,
        to_id=other.pk,
        created_at=at,
        updated_at=at,
    )
    return row


def lock_both(ticket_id: UUID, other_id: UUID, *, pointer: str, actor: Actor) -> tuple[Ticket, Ticket]:
    """A ticket and the one that the input names at `pointer`. Raises NotFound for the first, Invalid for the other one."""
    locked = lock_all((ticket_id, other_id), actor=actor)
    if ticket_id not in locked:
        raise NotFound
    if other_id not in locked:
        raise Invalid(errors=[FieldError(pointer, "does_not_exist", f"{other_id} does not exist.")])
    return locked[ticket_id], locked[other_id]


def _require_update(ticket: Ticket, *, actor: Actor) -> None:
    require(actor, Action.UPDATE, kinds.get(ticket.kind).resource, ticket)


def _refuse_duplicate(ticket: Ticket, link_type: str, other: Ticket) -> None:
    """Told from either end, it is the same link."""
    rows = Link.objects.in_tenant(ticket.organization_id)
    same = rows.filter(ticket_id=ticket.pk, link_type=link_type, to_id=other.pk)
    if INVERSE[link_type] in LinkType.values:
        same = same | rows.filter(ticket_id=other.pk, link_type=INVERSE[link_type], to_id=ticket.pk)
    if same.exists():
        raise Conflict("They are linked like this already.", code="duplicate")


def _refuse_cycle(ticket: Ticket, link_type: str, other: Ticket) -> None:
    asked: dict[str, Any] = {
        "organization": ticket.organization_id,
        "ticket": ticket.pk,
        "type": link_type,
        "sought": other.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(ABOVE, asked)
        if cursor.fetchone() is not None:
            raise Conflict(
                f"{other.number} stands above {ticket.number} already: {link_type} would go round in a circle.",
                code="cycle",
            )


def tell(ticket: Ticket, past: str, word: str, other: Ticket, *, actor: Actor, at: datetime) -> None:
    """Record on a ticket how it is linked to the other one, in the word of its own end."""
    events.record(f"{ticket.kind}.{past}", ticket, actor=actor, at=at, **_told(word, other))


def _told(word: str, other: Ticket) -> dict[str, Any]:
    return {"link_type": str(word), "other": str(other.pk), "other_number": other.number}
