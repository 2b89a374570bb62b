"""Who works on a ticket, and who merely takes part in it: what is internal is for the former, whatever else they may."""

from collections.abc import Iterable
from uuid import UUID

from apps.core.actors import Actor
from apps.core.authorization import Action, Reach, decide, may
from apps.core.errors import Denied
from apps.tickets import kinds
from apps.tickets.models import Ticket

INTERNAL = "internal_comments"


def works_on(actor: Actor, ticket: Ticket) -> bool:
    """Whether the ticket is the actor's by more than having asked for it or watching it.

    An agent of one team is a requester like any other on the tickets of another team.
    """
    return decide(actor, Action.READ, kinds.get(ticket.kind).resource, ticket).reach not in {None, Reach.OWN}


def works_on_each(actor: Actor, tickets: Iterable[Ticket]) -> set[UUID]:
    """Those of the tickets that `works_on` holds of; one by one only where the actor does not read a kind as a whole."""
    whole = kinds_read_whole(actor)
    return {each.pk for each in tickets if each.kind in whole or works_on(actor, each)}


def sees_internal(actor: Actor, ticket: Ticket) -> bool:
    """Whether internal notes and files of this ticket are the actor's to read."""
    return may(actor, Action.READ, INTERNAL) and works_on(actor, ticket)


def require_to_work_on(actor: Actor, ticket: Ticket, grant: str) -> None:
    """Raises Denied naming `grant`, which does not reach a ticket that is only the actor's own."""
    if not works_on(actor, ticket):
        raise Denied(f"This needs the grant {grant} on a ticket that is more than your own.", grant=grant)


def reads_all(actor: Actor, resource: str) -> bool:
    """Whether all records of the organization are the actor's to read."""
    decision = decide(actor, Action.READ, resource)
    return decision.is_allowed and decision.reach is Reach.ORGANIZATION


def kinds_read_whole(actor: Actor) -> list[str]:
    """The kinds all of whose tickets the actor reads."""
    return [kind for kind, resource in kinds.resources().items() if reads_all(actor, resource)]
