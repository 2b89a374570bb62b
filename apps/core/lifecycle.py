"""Lifecycles as data: which status may become which, by what verb, with which grant and which fields.

The API's `allowed_transitions`, the admin's buttons, the state machine tests and the documentation all read these tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import TextChoices

from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, Reach, decide, may, require
from apps.core.errors import FieldError, IllegalTransition, Invalid


class Phase(TextChoices):
    """What every kind of ticket has in common; queues, clocks and reports read only this."""

    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


# Says why the transition is refused now, or None. Takes the record, who tries, and the instant (UTC) of the attempt.
Guard = Callable[[Any, Actor, datetime], str | None]


@dataclass(frozen=True, slots=True)
class Transition:
    """One verb: from any of `sources` to `target`, for holders of `grant`, with `requires` filled.

    A `target` of None leaves the status as it is; a mapping names one for each source. `also` lets holders of a lesser grant
    do it from some of the sources (a requester cancels what is still new).
    """

    sources: frozenset[str] | set[str]
    target: str | Mapping[str, str] | None
    grant: Action
    requires: tuple[str, ...] = ()
    guard: Guard | None = None
    also: Mapping[Action, frozenset[str] | set[str]] = field(default_factory=dict)

    def target_from(self, status: str) -> str:
        """The status that this verb leads to from `status`."""
        if self.target is None:
            return status
        return self.target if isinstance(self.target, str) else self.target[status]

    def targets(self) -> set[str]:
        return {self.target_from(source) for source in self.sources}

    def grants_from(self, status: str) -> tuple[Action, ...]:
        """Any one of these is enough, the usual one first. From where nobody may, it takes what it takes anywhere."""
        is_possible = status in self.sources
        return (self.grant, *(action for action, froms in self.also.items() if status in froms or not is_possible))


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """A status column's whole life. Raises ValueError at import time when the table contradicts itself."""

    resource: str
    initial: str
    transitions: Mapping[str, Transition]
    statuses: frozenset[str] | set[str]
    phases: Mapping[str, Phase] = field(default_factory=dict)
    # The record's column that holds it; a record may live a second life within its first, as a major incident does.
    column: str = "status"

    def __post_init__(self) -> None:
        named = {status for t in self.transitions.values() for status in (*t.sources, *t.targets())} | {self.initial}
        if unknown := named - set(self.statuses):
            raise ValueError(f"{self.resource}: transitions name unknown statuses {sorted(unknown)}")
        if self.phases and set(self.phases) != set(self.statuses):
            raise ValueError(f"{self.resource}: every status needs a phase, and only those")

    def reachable(self) -> set[str]:
        """Every status that some sequence of transitions reaches from the initial one."""
        found, frontier = {self.initial}, [self.initial]
        while frontier:
            status = frontier.pop()
            for transition in self.transitions.values():
                target = transition.target_from(status) if status in transition.sources else status
                if target not in found:
                    found.add(target)
                    frontier.append(target)
        return found

    def status_of(self, record: Any) -> str:
        return str(getattr(record, self.column))

    def allowed(self, record: Any, *, actor: Actor, at: datetime) -> list[str]:
        """The verbs `actor` could use on `record` at `at` (UTC), in the table's order."""
        status = self.status_of(record)
        return [
            name
            for name, transition in self.transitions.items()
            if status in transition.sources
            and (transition.guard is None or transition.guard(record, actor, at) is None)
            and any(may(actor, grant, self.resource, record) for grant in transition.grants_from(status))
        ]

    def granted(self, status: str, *, actor: Actor) -> list[tuple[str, Guard | None]] | None:
        """The verbs from `status` that `actor` may use on every record alike, each with its guard.

        None where some grant reaches some records only: then it takes the record, and `allowed`. For lists, which ask once.
        """
        given: list[tuple[str, Guard | None]] = []
        for name, transition in self.transitions.items():
            if status not in transition.sources:
                continue
            decisions = [decide(actor, grant, self.resource) for grant in transition.grants_from(status)]
            if any(decision.reach is Reach.ORGANIZATION for decision in decisions):
                given.append((name, transition.guard))
            elif any(decision.is_allowed for decision in decisions):
                return None
        return given

    def check(self, record: Any, name: str, *, actor: Actor, at: datetime, given: Mapping[str, Any]) -> Transition:
        """The transition, if it may happen now. Raises Denied, IllegalTransition or Invalid, in this order.

        Call it on a locked row: the answer holds only as long as the lock does.
        """
        transition, status = self.transitions[name], self.status_of(record)
        lesser = transition.grants_from(status)[1:]
        if not any(may(actor, grant, self.resource, record) for grant in lesser):
            require(actor, transition.grant, self.resource, record)
        if status not in transition.sources:
            accepted = ", ".join(_worded(source) for source in sorted(transition.sources))
            refusal = f"Cannot {name} from {_worded(status)}; accepted: {accepted}."
            raise IllegalTransition(refusal, current_status=status)
        if transition.guard is not None and (reason := transition.guard(record, actor, at)):
            raise IllegalTransition(reason, current_status=status)
        missing = [
            FieldError(f"/{key}", "required", f"{name} requires {key}.")
            for key in transition.requires
            if _is_missing(given.get(key)) and not events.is_lacking(key)
        ]
        if missing:
            raise Invalid(errors=missing)
        return transition


def _worded(status: str) -> str:
    return str(status) or "none"


def _is_missing(value: Any) -> bool:
    """Nothing was given, or only white space; 0 and False are values."""
    return value is None or (isinstance(value, str) and not value.strip())
