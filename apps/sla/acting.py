"""What a level that fired does to its ticket, after the commit and once: in the transaction that marks the delivery."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from apps.audit.models import Event
from apps.core.actors import Actor
from apps.core.errors import DomainError, NotFound
from apps.sla.models import Level
from apps.tickets import services, verbs
from apps.tickets.models import Ticket


def carry_out(event: Event) -> None:
    """Every action of the level that concerns the ticket itself; people are told by whoever listens to the same event.

    A ticket that was finished or deleted meanwhile, or whose state allows it no more, is left alone.
    """
    level = Level.objects.filter(pk=event.data["level"]).first()
    actions = [action for action in level.actions if action.get("do") in DO] if level is not None else []
    if not actions:
        return
    actor = Actor.system(event.organization_id, "sla")
    try:
        ticket = services.lock(event.subject_id, actor=actor)
    except NotFound:
        return
    for action in actions:
        if ticket.is_open:
            DO[action["do"]](ticket, action, event, actor)


def _raise_priority(ticket: Ticket, action: Mapping[str, Any], event: Event, actor: Actor) -> None:
    """By one, never above the highest."""
    if ticket.priority > 1:
        reason = f"{_words(event)} has passed"
        verbs.do(
            ticket, "override-priority", actor=actor, at=event.recorded_at, priority=ticket.priority - 1, reason=reason
        )


def _reassign(ticket: Ticket, action: Mapping[str, Any], event: Event, actor: Actor) -> None:
    team_id = UUID(action["team"])
    if ticket.team_id == team_id:
        return
    try:
        verbs.do(
            ticket,
            "escalate",
            actor=actor,
            at=event.recorded_at,
            to="functional",
            team_id=team_id,
            reason=_words(event),
        )
    except DomainError:
        # A team that was deleted since the version was published.
        return


def _words(event: Event) -> str:
    percent, metric = event.data.get("percent"), str(event.data.get("metric", "")).replace("_", " ")
    return f"{percent} % of the {metric} target" if percent is not None else f"a level of the {metric} target"


# What is done to the ticket itself.
DO: Mapping[str, Callable[[Ticket, Mapping[str, Any], Event, Actor], None]] = {
    "raise_priority": _raise_priority,
    "reassign": _reassign,
}
