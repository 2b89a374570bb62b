"""The question "may this actor?" as floor 0 asks it.

The answer comes from what the actor carries; nothing carried, nothing allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from django.apps import apps
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


@dataclass(frozen=True, slots=True)
class Through:
    """A table beside the record's own that says whose it is: its rows name the record and a person, team or department."""

    model: str
    record: str
    holder: str

    def records(self, holders: frozenset[UUID]) -> "QuerySet[Any, Any]":
        """The keys of what these hold, of the tenant in force."""
        rows: Any = apps.get_model(self.model)._default_manager.filter(**{f"{self.holder}__in": holders})
        keys: QuerySet[Any, Any] = rows.values_list(self.record, flat=True)
        return keys

    def holds(self, holders: frozenset[UUID], record: UUID) -> bool:
        return self.records(holders).filter(**{self.record: record}).exists()


# What of a record says whose it is: its owners, its teams, its departments; each a column, or another table. A model that
# names none is only reached by grants for the whole organization.
ReachColumns = Mapping[Reach, tuple[str | Through, ...]]
_further: dict[tuple[str, Reach], tuple[Through, ...]] = {}


def extend_reach(model: str, reach: Reach, *through: Through) -> None:
    """Let an app above say by which of its rows a record below is somebody's (a configuration item by their tickets)."""
    _further[model, reach] = (*_further.get((model, reach), ()), *through)


def reach_columns_of(record: Any) -> ReachColumns:
    """Of a model or one of its rows, as it declares them and as apps above extend them."""
    declared: ReachColumns = getattr(record, "reach_columns", {})
    options = getattr(record, "_meta", None)
    further = {reach: rules for (label, reach), rules in _further.items() if options and label == options.label}
    return {reach: (*declared.get(reach, ()), *further.get(reach, ())) for reach in {*declared, *further}}


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

    def allows(self, action: Action, resource: str, subject: Any = None) -> bool:
        """What `decide` answers, without the reasons: lists ask this for every row and verb."""
        ...

    def within_reach(self, action: Action, resource: str, columns: ReachColumns) -> Q | None:
        """The condition that holds for the records in reach; None when it is all of them."""
        ...


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """A word for several resources whose records share a table: `tickets` are incidents, requests, problems and changes.

    `column` of a record says which it is, `members` maps its values to resources.
    """

    column: str
    members: Callable[[], Mapping[str, str]]


_groups: dict[str, ResourceGroup] = {}


def declare_group(name: str, group: ResourceGroup) -> None:
    _groups[name] = group


def members_of(resource: str) -> tuple[str, ...]:
    """The resources that a word stands for: itself, unless it is a group's."""
    return tuple(_groups[resource].members().values()) if resource in _groups else (resource,)


def decide(actor: "Actor", action: Action, resource: str, subject: Any = None) -> Decision:
    """Of a group without a subject: the widest answer of its members, because some record of it may be in reach."""
    if actor.is_system:
        return Decision(True, Reach.ORGANIZATION, (f"{actor.label} is the platform itself",))
    if actor.authorizer is None:
        return Decision(False, None, (f"{actor.label} carries no rights",))
    group = _groups.get(resource)
    if group is None:
        return actor.authorizer.decide(action, resource, subject)
    if subject is not None:
        return actor.authorizer.decide(action, group.members()[getattr(subject, group.column)], subject)
    decisions = [actor.authorizer.decide(action, member) for member in group.members().values()]
    reasons = tuple(reason for decision in decisions for reason in decision.because)
    allowed = [decision for decision in decisions if decision.reach is not None and decision.is_allowed]
    widest = max(
        (decision.reach for decision in allowed if decision.reach is not None), key=WIDTH.__getitem__, default=None
    )
    return Decision(bool(allowed), widest, reasons)


def may(actor: "Actor", action: Action, resource: str, subject: Any = None) -> bool:
    """Whether `decide` allows it; the same answer, found without words for it."""
    if actor.is_system or actor.authorizer is None:
        return actor.is_system
    group = _groups.get(resource)
    if group is None:
        return actor.authorizer.allows(action, resource, subject)
    if subject is not None:
        return actor.authorizer.allows(action, group.members()[getattr(subject, group.column)], subject)
    return any(actor.authorizer.allows(action, member) for member in group.members().values())


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
    columns = reach_columns_of(queryset.model)
    group = _groups.get(resource)
    if group is None:
        condition = actor.authorizer.within_reach(action, resource, columns)
        return queryset if condition is None else queryset.filter(condition)
    reached = {value: actor.authorizer.within_reach(action, name, columns) for value, name in group.members().items()}
    if all(condition is None for condition in reached.values()):
        return queryset
    found = Q(pk__in=[])
    for value, condition in reached.items():
        of_member = Q(**{group.column: value})
        found |= of_member if condition is None else of_member & condition
    return queryset.filter(found)
