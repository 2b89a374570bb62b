"""The question "may this actor?" as floor 0 asks it; the users app installs who answers (fail closed until then)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from apps.core.actors import Actor
from apps.core.errors import Denied


class Action(StrEnum):
    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    PARTICIPATE = "participate"
    ASSIGN = "assign"
    RESOLVE = "resolve"
    APPROVE = "approve"
    EXPORT = "export"
    VERIFY = "verify"
    CONFIGURE = "configure"


class Reach(StrEnum):
    """How far a grant reaches, widest last."""

    OWN = "own"
    TEAM = "team"
    DEPARTMENT = "department"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, the widest reach that gave it, and why in words a person can check."""

    is_allowed: bool
    reach: Reach | None = None
    because: tuple[str, ...] = ()


class Authorizer(Protocol):
    def decide(self, actor: Actor, action: Action, resource: str, subject: Any = None) -> Decision: ...


class RefuseAll:
    """Before an authorizer is installed nobody may do anything."""

    def decide(self, actor: Actor, action: Action, resource: str, subject: Any = None) -> Decision:
        return Decision(is_allowed=actor.is_system, because=("no authorizer is installed",))


_installed: list[Authorizer] = [RefuseAll()]


def install(authorizer: Authorizer) -> None:
    """Called once, by the app that knows roles, in its ready()."""
    _installed[0] = authorizer


def decide(actor: Actor, action: Action, resource: str, subject: Any = None) -> Decision:
    return _installed[0].decide(actor, action, resource, subject)


def may(actor: Actor, action: Action, resource: str, subject: Any = None) -> bool:
    return decide(actor, action, resource, subject).is_allowed


def require(actor: Actor, action: Action, resource: str, subject: Any = None) -> Decision:
    """The decision if it allows. Raises Denied naming the grant otherwise."""
    decision = decide(actor, action, resource, subject)
    if not decision.is_allowed:
        grant = f"{resource}.{action}"
        raise Denied(f"This needs the grant {grant}.", grant=grant)
    return decision
