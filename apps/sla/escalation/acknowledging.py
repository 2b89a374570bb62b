"""Somebody has it in hand: said so, took it over, or answered. Chains end, and none begins until it is anybody's again."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor, ActorKind
from apps.core.authorization import Action, require
from apps.core.errors import Conflict
from apps.core.models import new_id
from apps.sla.choices import RunEnd
from apps.sla.escalation import chains
from apps.sla.events import ACKNOWLEDGED
from apps.sla.models import Acknowledgement
from apps.tickets import kinds, rights, services
from apps.tickets.choices import Visibility, Voice
from apps.tickets.models import Ticket
from apps.users.rights import actor_now

NOTE = f"""
INSERT INTO {Acknowledgement._meta.db_table} (id, organization_id, ticket_id, user_id, at, because)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (organization_id, ticket_id) DO NOTHING
"""  # noqa: S608 - our table


def acknowledge(ticket: Ticket, *, actor: Actor, at: datetime) -> Ticket:
    """Say that one comes to it, without taking it over. Saying it twice changes nothing.

    Raises Denied, also for whoever only asked for it or watches it, and Conflict `finished` for what is over.
    """
    locked = services.lock(ticket.pk, actor=actor)
    resource = kinds.get(locked.kind).resource
    require(actor, Action.UPDATE, resource, locked)
    rights.require_to_work_on(actor, locked, f"{resource}.{Action.UPDATE}")
    if not locked.is_open:
        raise Conflict(f"It is {locked.status}; nobody is called to it.", code="finished", current_status=locked.status)
    if _note(locked, actor.local_id, at, "acknowledged") or chains.live(locked.pk):
        events.record(ACKNOWLEDGED, locked, actor=actor, at=at)
        _stop(locked, actor=actor, at=at)
    return locked


def follow(event: Event) -> None:
    """What an agent does to a ticket says that they have it in hand."""
    if event.is_historic or not _is_in_hand(event):
        return
    past = event.name.partition(".")[2]
    at_home = event.actor_id if "operator_of" not in event.data else None
    _note(event.subject, at_home, event.at, past)
    _stop(event.subject, actor=_who(event), at=event.at)


def _is_in_hand(event: Event) -> bool:
    """A comment only where the requester reads it, and it is the desk's. What the platform does by itself, for time that has come,
    a parent or the requester's reply, shows that nobody came.
    """
    if event.actor_kind == ActorKind.SYSTEM or event.actor_id is None:
        return False
    if event.name.endswith(".commented"):
        return bool(event.data.get("visibility") == Visibility.PUBLIC and event.data.get("voice") == Voice.DESK)
    if event.actor_id != event.subject.requester_id:
        return True
    actor = actor_now(event.organization_id, event.actor_id, at=event.recorded_at, home_id=event.organization_id)
    return actor is not None and rights.works_on(actor, event.subject)


def _note(ticket: Any, user_id: UUID | None, at: datetime, because: str) -> bool:
    """Whether it is news. One statement: every claim and every answer pays it."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE, [new_id(), ticket.organization_id, ticket.pk, user_id, at, because])
        return bool(cursor.rowcount)


def _stop(ticket: Any, *, actor: Actor, at: datetime) -> None:
    chains.end(chains.live(ticket.pk), ticket, RunEnd.ACKNOWLEDGED, at=at, actor=actor)


def _who(event: Event) -> Actor:
    """As the fact names them: a chain that ends is told by its name, and asks for no right."""
    return Actor(ActorKind.USER, event.organization_id, event.actor_id, event.actor_label)
