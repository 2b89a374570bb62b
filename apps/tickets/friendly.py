"""A ticket's state in the words of whoever waits for it."""

from collections.abc import Mapping

from apps.core.lifecycle import Phase
from apps.tickets.choices import HoldReason

BY_PHASE: Mapping[str, str] = {
    Phase.NEW: "We have received it",
    Phase.OPEN: "We are working on it",
    Phase.PENDING: "It is waiting",
    Phase.RESOLVED: "Solved: please confirm",
    Phase.CLOSED: "Done",
    Phase.CANCELLED: "Cancelled",
}
BY_HOLD_REASON: Mapping[str, str] = {
    HoldReason.AWAITING_REQUESTER: "Waiting for you",
    HoldReason.AWAITING_VENDOR: "Waiting for a supplier",
    HoldReason.AWAITING_CHANGE: "Waiting for a planned change",
    HoldReason.AWAITING_PROBLEM: "Waiting for a lasting solution",
    HoldReason.AWAITING_APPROVAL: "Waiting for an approval",
    HoldReason.SCHEDULED: "Planned for later",
}


def friendly_status(phase: str, hold_reason: str) -> str:
    """Such as "Waiting for you"; what it waits for says more than that it waits."""
    return BY_HOLD_REASON.get(hold_reason) or BY_PHASE[phase]
