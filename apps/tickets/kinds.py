"""The practices, as this floor knows them: each registers itself in its app's ready().

So bulk actions, the unified queue, escalation and automatic closing call a process above without importing it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.lifecycle import Lifecycle
from apps.tickets.choices import Kind

# The word for all of them, where grants are asked for whatever kind a ticket is.
RESOURCE = "tickets"
# What numbers begin with, also those of practices whose app comes later: an address may name a ticket by its number.
PREFIXES: Mapping[str, str] = {
    Kind.INCIDENT: "INC",
    Kind.SERVICE_REQUEST: "REQ",
    Kind.PROBLEM: "PRB",
    Kind.CHANGE: "CHG",
}
NUMBERS = frozenset(PREFIXES.values())


# A service that changes one ticket: `verb(ticket, *, actor, at, **given)` locks it, checks, writes, records, and returns it as
# it was written.
Verb = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class TicketKind:
    """One practice: its name on the row, its numbers' prefix, its resource in the role table, its life and its own verbs."""

    name: str
    prefix: str
    resource: str
    # `apps.get_model` of it: rows hang from a ticket by multi-table inheritance.
    model: str
    lifecycle: Lifecycle
    # In place of the shared verbs (tickets.verbs), by the names of the lifecycle's transitions.
    verbs: Mapping[str, Verb] = field(default_factory=dict)
    # What a new ticket of this kind takes over from the one it is converted from, beside the shared fields.
    is_convertible: bool = False
    # Raises Conflict for a locked ticket of this kind that must not hang below another one.
    refuse_parent: Callable[[Any], None] = lambda ticket: None


_kinds: dict[str, TicketKind] = {}


def register(kind: TicketKind) -> None:
    """Raises ValueError when another kind has the name, the prefix or the resource."""
    for other in _kinds.values():
        if other.name != kind.name and {other.prefix, other.resource} & {kind.prefix, kind.resource}:
            raise ValueError(f"{kind.name} and {other.name} share a prefix or a resource")
    _kinds[kind.name] = kind


def get(name: str) -> TicketKind:
    """Raises LookupError for a kind whose app is not installed."""
    return _kinds[name]


def resources() -> Mapping[str, str]:
    """Kind -> its resource in the role table."""
    return {kind.name: kind.resource for kind in _kinds.values()}


def every() -> Iterable[TicketKind]:
    return _kinds.values()


def phases_of(statuses: Iterable[str]) -> frozenset[str]:
    """Every phase that one of these statuses has in some kind."""
    wanted = [status.strip() for status in statuses]
    found = (kind.lifecycle.phases.get(status) for kind in _kinds.values() for status in wanted)
    return frozenset(phase.value for phase in found if phase is not None)
