"""Open again what seemed to be over."""

from datetime import datetime
from typing import Any

from apps.core.actors import Actor
from apps.core.lifecycle import Transition
from apps.tickets import services
from apps.tickets.assignment import placing
from apps.tickets.models import Ticket


def reopen(locked: Ticket, step: Transition, *, actor: Actor, at: datetime, **told: Any) -> Ticket:
    """Take the checked step at `at` (UTC): counted, without its resolution, with its last owner where they are there."""
    values: dict[str, Any] = {
        "resolution_code": "",
        "resolution_notes": "",
        "resolved_at": None,
        "closed_at": None,
        "reopen_count": locked.reopen_count + 1,
        "last_reopened_at": at,
        "last_reopened_by_id": actor.local_id,
    }
    placed = placing.on_reopening(locked, at=at)
    placing.settle(locked, placed, at=at)
    values |= placed.values
    return services.move(locked, step, event="reopened", actor=actor, at=at, values=values, **told, **placed.told)
