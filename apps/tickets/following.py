"""A new ticket for what comes back after its ticket was closed for good."""

from datetime import datetime
from typing import Any

from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.lifecycle import Phase
from apps.tickets import custom_fields, merging, relations, rights, services
from apps.tickets.choices import LinkType
from apps.tickets.models import Ticket


def follow_up(ticket: Ticket, *, actor: Actor, at: datetime, title: str = "", description: str = "") -> Any:
    """Open a ticket of the same kind with what the closed one was about, linked to it; the new row is returned.

    It is for the same requester, unless a mere watcher asks: then for them. Raises Denied, and Conflict `not_closed` for what
    can still be reopened by whoever has it in hand.
    """
    locked = services.lock(ticket.pk, actor=actor)
    if locked.phase != Phase.CLOSED:
        refusal = f"It is {locked.status}; only what is closed is followed up."
        raise Conflict(refusal, code="not_closed", current_status=locked.status)
    values = merging.taken_over(locked, locked.kind, actor=actor)
    values |= {"title": title or locked.title, "description": description or locked.description}
    if actor.local_id != locked.requester_id and not rights.works_on(actor, locked):
        values["requester_id"] = actor.local_id
    made = services.create(
        locked.kind, actor=actor, at=at, values=values, carried=custom_fields.carried(locked, locked.kind)
    )
    relations.tie(made, LinkType.FOLLOW_UP_OF, locked, at=at)
    told = {"other": str(made.pk), "other_number": made.number}
    events.record(f"{locked.kind}.followed_up", locked, actor=actor, at=at, **told)
    return made
