"""The life of an incident as the contract tells it, written down a second time: what the table in the product is held against."""

from datetime import timedelta
from typing import Any

from apps.core.lifecycle import Phase
from apps.incidents.models import Incident
from apps.tickets.models import Ticket
from tests.incidents.conftest import SOLVED, START

# Verb -> from which status it leads where.
MATRIX: dict[str, dict[str, str]] = {
    "claim": {"new": "in_progress", "in_progress": "in_progress", "on_hold": "on_hold"},
    "assign": {"new": "new", "in_progress": "in_progress", "on_hold": "on_hold"},
    "start": {"new": "in_progress"},
    "hold": {"new": "on_hold", "in_progress": "on_hold", "on_hold": "on_hold"},
    "resume": {"on_hold": "in_progress"},
    "resolve": {"new": "resolved", "in_progress": "resolved", "on_hold": "resolved"},
    "close": {"resolved": "closed"},
    "reopen": {"resolved": "in_progress", "closed": "in_progress"},
    "cancel": {"new": "cancelled", "in_progress": "cancelled", "on_hold": "cancelled"},
    "escalate": {"new": "new", "in_progress": "in_progress", "on_hold": "on_hold"},
    "override-priority": {"new": "new", "in_progress": "in_progress", "on_hold": "on_hold", "resolved": "resolved"},
    "merge": {"new": "cancelled", "in_progress": "cancelled", "on_hold": "cancelled"},
    # Of one that was merged while it was being worked on; it comes back to what it was.
    "unmerge": {"cancelled": "in_progress"},
    "split": {"new": "new", "in_progress": "in_progress", "on_hold": "on_hold", "resolved": "resolved"},
    "convert": {"new": "cancelled", "in_progress": "cancelled", "on_hold": "cancelled"},
}
GRANTS = {
    **dict.fromkeys(("claim", "assign"), "assign"),
    **dict.fromkeys(
        (
            *("start", "hold", "resume", "cancel", "escalate", "override-priority"),
            *("merge", "unmerge", "split", "convert"),
        ),
        "update",
    ),
    **dict.fromkeys(("resolve", "close", "reopen"), "resolve"),
}
# What its requester may, and from which status.
PARTICIPANTS = {"close": "resolved", "reopen": "resolved", "cancel": "new"}
PHASES = {
    "new": Phase.NEW,
    "in_progress": Phase.OPEN,
    "on_hold": Phase.PENDING,
    "resolved": Phase.RESOLVED,
    "closed": Phase.CLOSED,
    "cancelled": Phase.CANCELLED,
}
GIVEN: dict[str, dict[str, Any]] = {
    "assign": {"assignee_id": None},
    "hold": {"reason": "awaiting_vendor"},
    "resolve": SOLVED,
    "reopen": {"reason": "Still dead"},
    "cancel": {"reason": "A mistake"},
    "escalate": {"to": "hierarchical", "reason": "It takes too long"},
    "override-priority": {"priority": 2, "reason": "A director"},
}
# Shortest ways from new.
WAYS: dict[str, tuple[str, ...]] = {
    "new": (),
    "in_progress": ("start",),
    "on_hold": ("hold",),
    "resolved": ("resolve",),
    "closed": ("resolve", "close"),
    "cancelled": ("start", "merge"),
}


def put(incident: Incident, status: str) -> Ticket:
    """Write a status into the row as if it had come there an hour after START, and return the base row."""
    over = START + timedelta(hours=1)
    is_resolved = status in {"resolved", "closed"}
    Ticket.objects.filter(pk=incident.pk).update(
        status=status,
        phase=PHASES[status],
        hold_reason="awaiting_vendor" if status == "on_hold" else "",
        resolution_code="solution_provided" if is_resolved else "",
        resolved_at=over if is_resolved else None,
        closed_at=over if status in {"closed", "cancelled"} else None,
    )
    return base(incident)


def base(incident: Ticket) -> Ticket:
    found: Ticket = Ticket.objects.get(pk=incident.pk)
    return found


def broken_rules(ticket: Ticket) -> list[str]:
    """What of a row contradicts its status."""
    rules = {
        "phase": ticket.phase == PHASES[ticket.status],
        "hold_reason": bool(ticket.hold_reason) == (ticket.status == "on_hold"),
        "hold_until": ticket.hold_until is None or ticket.status == "on_hold",
        "resolution": ticket.status not in {"resolved", "closed"}
        or bool(ticket.resolved_at and ticket.resolution_code),
        "closed_at": (ticket.closed_at is not None) == (ticket.status in {"closed", "cancelled"}),
        "merged_into": ticket.merged_into_id is None or ticket.status == "cancelled",
    }
    return [name for name, holds in rules.items() if not holds]
