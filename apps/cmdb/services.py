"""Verbs on configuration items and their classes that are more than writing a plain record."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.cmdb.classes import default_classes
from apps.cmdb.models import CiClass, ConfigurationItem, Service
from apps.core import records, turns
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.organizations.models import Team
from apps.organizations.numbers import next_number
from apps.users.people import refuse_inactive

PREFIX = "CI"


def create_default_classes(organization_id: UUID, *, at: datetime) -> None:
    """Part of the fact that the organization was created."""
    CiClass.objects.bulk_create(default_classes(CiClass, organization_id, at=at))


def create_service(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Service:
    """A new service. Raises Invalid when its owner or team is gone."""
    _refuse_gone(values)
    return records.create(Service, actor=actor, at=at, values=values)


def change_service(service: Service, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Service:
    """Change a locked service. Raises Invalid when its new owner or team is gone."""
    _refuse_gone(_new(service, values))
    return records.change(service, actor=actor, at=at, values=values)


def create_item(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> ConfigurationItem:
    """A new configuration item under the organization's next number. Raises Invalid when what it refers to is gone."""
    _refuse_gone(values)
    number = next_number(actor.organization_id, PREFIX)
    return records.create(ConfigurationItem, actor=actor, at=at, values={"number": number, **values})


def change_item(item: ConfigurationItem, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> ConfigurationItem:
    """Change a locked configuration item. Raises Invalid when what it is to refer to is gone."""
    _refuse_gone(_new(item, values))
    return records.change(item, actor=actor, at=at, values=values)


def _new(row: Service | ConfigurationItem, values: Mapping[str, Any]) -> dict[str, Any]:
    """What differs: a reference that is there already may outlive what it names."""
    return {name: value for name, value in values.items() if value != getattr(row, name)}


def _refuse_gone(values: Mapping[str, Any]) -> None:
    refuse_inactive(values.get("owner_id"), "/owner")
    for name, model in (("support_team", Team), ("service", Service)):
        pk = values.get(f"{name}_id")
        if pk is not None and not model.objects.alive().filter(pk=pk).exists():
            detail = "It is deleted; accepted: one that is there."
            raise Invalid(errors=[FieldError(f"/{name}", "deleted", detail)])


def lock_tree(organization_id: UUID) -> None:
    """Let one move at a time happen among an organization's classes, until the transaction ends.

    Taken before any class is locked, so that two opposite moves neither close a circle nor deadlock.
    """
    turns.take(f"ci_classes:{organization_id}")


def change_class(ci_class: CiClass, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> CiClass:
    """Change a class, locked after the tree (lock_tree). Raises Invalid when its new parent lies below it."""
    parent_id = values.get("parent_id")
    if parent_id is not None and parent_id != ci_class.parent_id:
        _refuse_cycle(ci_class, parent_id)
    return records.change(ci_class, actor=actor, at=at, values=values)


def _refuse_cycle(ci_class: CiClass, parent_id: UUID) -> None:
    """Walk up from the new parent."""
    tree: dict[UUID, UUID | None] = dict(CiClass.objects.values_list("id", "parent_id"))
    above: UUID | None = parent_id
    while above is not None:
        if above == ci_class.pk:
            detail = "A class cannot lie below itself; accepted: one that is not below this one."
            raise Invalid(errors=[FieldError("/parent", "cycle", detail)])
        above = tree.get(above)
