"""Who follows a ticket: sees it like its requester, and hears of it."""

from datetime import datetime
from uuid import UUID

from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, may, require
from apps.core.errors import Conflict, FieldError, Invalid
from apps.tickets import kinds, services
from apps.tickets.models import Ticket, Watcher
from apps.users.models import User


def watch(ticket: Ticket, *, actor: Actor, at: datetime, user_id: UUID) -> Watcher:
    """Let somebody follow a ticket. Raises Denied, Conflict `already_watching`, Invalid.

    Who works on it lets anybody of the organization, its requester too: it is theirs to show. A watcher adds nobody else.
    """
    locked = services.lock(ticket.pk, actor=actor)
    _require(locked, user_id, actor=actor)
    person = User.objects.in_tenant(locked.organization_id).filter(pk=user_id).first()
    if person is None or not person.may_sign_in:
        detail = "Not somebody who may sign in; accepted: a person of the organization."
        raise Invalid(errors=[FieldError("/user", "not_active", detail)])
    if Watcher.objects.filter(ticket_id=locked.pk, user_id=user_id).exists():
        raise Conflict("They watch it already.", code="already_watching")
    watcher: Watcher = Watcher.objects.create(
        organization_id=locked.organization_id, ticket=locked, user=person, created_at=at
    )
    events.record(f"{locked.kind}.watched", locked, actor=actor, at=at, user=str(user_id))
    return watcher


def unwatch(watcher: Watcher, *, actor: Actor, at: datetime) -> None:
    """Who may add somebody may remove them; everybody may remove themselves. Raises Denied."""
    locked = services.lock(watcher.ticket_id, actor=actor)
    _require(locked, watcher.user_id, actor=actor)
    watcher.delete()
    events.record(f"{locked.kind}.unwatched", locked, actor=actor, at=at, user=str(watcher.user_id))


def _require(ticket: Ticket, user_id: UUID, *, actor: Actor) -> None:
    resource = kinds.get(ticket.kind).resource
    is_theirs = actor.id is not None and actor.id in {user_id, ticket.requester_id}
    if is_theirs and may(actor, Action.PARTICIPATE, resource, ticket):
        return
    require(actor, Action.UPDATE, resource, ticket)
