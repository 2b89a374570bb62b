"""What a level that fired does to its ticket, after the commit and once: in the transaction that marks the delivery."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import structlog

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import NotFound
from apps.organizations.models import Team
from apps.sla.events import ACTION_REFUSED
from apps.sla.models import Level
from apps.tickets import services, verbs
from apps.tickets.models import Ticket

log = structlog.get_logger(__name__)


def carry_out(event: Event) -> None:
    """Every action of the level that concerns the ticket itself; people are told by whoever listens to the same event.

    A ticket that was finished or deleted meanwhile is left alone; a team that is gone is told on the ticket. Any other refusal is
    raised, so that the delivery fails where people see it, and is tried again.
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
    if not Team.objects.alive().filter(pk=team_id).exists():
        _refuse(ticket, action, event, actor)
        return
    verbs.do(
        ticket,
        "escalate",
        actor=actor,
        at=event.recorded_at,
        to="functional",
        team_id=team_id,
        reason=_words(event),
    )


def _refuse(ticket: Ticket, action: Mapping[str, Any], event: Event, actor: Actor) -> None:
    """The team was deleted since the version was published: said to those who run the platform and on the ticket."""
    log.warning("sla_action_refused", ticket=str(ticket.pk), level=event.data["level"], team=action["team"])
    data = {name: event.data.get(name) for name in ("timer", "metric", "level", "percent", "offset_seconds")}
    events.record(ACTION_REFUSED, ticket, actor=actor, at=event.recorded_at, team=action["team"], reason="gone", **data)


def _words(event: Event) -> str:
    percent, metric = event.data.get("percent"), str(event.data.get("metric", "")).replace("_", " ")
    return f"{percent} % of the {metric} target" if percent is not None else f"a level of the {metric} target"


# What is done to the ticket itself.
DO: Mapping[str, Callable[[Ticket, Mapping[str, Any], Event, Actor], None]] = {
    "raise_priority": _raise_priority,
    "reassign": _reassign,
}
