"""The question "may this actor?" as floor 0 asks it.

The answer comes from what the actor carries; nothing carried, nothing allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from django.db.models import Q, QuerySet

from apps.core.errors import Denied

if TYPE_CHECKING:
    from apps.core.actors import Actor


class Action(StrEnum):
    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    PARTICIPATE = "participate"
    ASSIGN = "assign"
    RESOLVE = "resolve"
    APPROVE = "approve"
    PUBLISH = "publish"
    RUN = "run"
    EXPORT = "export"
    VERIFY = "verify"
    CONFIGURE = "configure"


class Reach(StrEnum):
    """How far a grant reaches, widest last."""

    OWN = "own"
    TEAM = "team"
    DEPARTMENT = "department"
    ORGANIZATION = "organization"


WIDTH = {reach: width for width, reach in enumerate(Reach)}

# Which columns of a record say whose it is: its owners, its teams, its departments. A model that names none is only
# reached by grants for the whole organization.
ReachColumns = Mapping[Reach, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, the widest reach that gave it, and why in words a person can check."""

    is_allowed: bool
    reach: Reach | None = None
    because: tuple[str, ...] = ()


class Authorizer(Protocol):
    """What an actor carries: the rights they held at the moment their request or job began."""

    def decide(self, action: Action, resource: str, subject: Any = None) -> Decision:
        """Without a subject: whether any record of `resource` could be in reach. With one: whether this one is."""
        ...

    def within_reach(self, action: Action, resource: str, columns: ReachColumns) -> Q | None:
        """The condition that holds for the records in reach; None when it is all of them."""
        ...


def decide(actor: "Actor", action: Action, resource: str, subject: Any = None) -> Decision:
    if actor.is_system:
        return Decision(True, Reach.ORGANIZATION, (f"{actor.label} is the platform itself",))
    if actor.authorizer is None:
        return Decision(False, None, (f"{actor.label} carries no rights",))
    return actor.authorizer.decide(action, resource, subject)


def may(actor: "Actor", action: Action, resource: str, subject: Any = None) -> bool:
    return decide(actor, action, resource, subject).is_allowed


def require(actor: "Actor", action: Action, resource: str, subject: Any = None) -> Decision:
    """The decision if it allows. Raises Denied naming the grant otherwise."""
    decision = decide(actor, action, resource, subject)
    if not decision.is_allowed:
        grant = f"{resource}.{action}"
        raise Denied(f"This needs the grant {grant}.", grant=grant)
    return decision


Rows = TypeVar("Rows", bound=QuerySet[Any])


def within_reach(queryset: Rows, actor: "Actor", action: Action, resource: str) -> Rows:
    """`queryset` narrowed to what the actor's grants for `action` reach; nothing where there is none."""
    if actor.is_system:
        return queryset
    if actor.authorizer is None:
        return queryset.none()
    condition = actor.authorizer.within_reach(action, resource, getattr(queryset.model, "reach_columns", {}))
    return queryset if condition is None else queryset.filter(condition)
