"""Who heads a department and who owns a cost centre: one person each, told by the structure's own events."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import events, records
from apps.core.actors import Actor
from apps.core.models import VersionedModel
from apps.organizations.models import CostCentre, Department
from apps.organizations.services import change_department as change_structure
from apps.users.models import CostCentreOwner, DepartmentHead
from apps.users.people import refuse_inactive


def create_department(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Department:
    """A department, and its head if `head_id` names one. Raises Invalid for somebody inactive."""
    department: Department = _create(
        Department, DepartmentHead, "department_id", "head", actor=actor, at=at, values=values
    )
    return department


def change_department(department: Department, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Department:
    """Change a locked department and, where `head_id` is given, its head. Raises Invalid, as for structure alone."""
    plain, head_id = _split(values, "head_id")
    beside = None
    if "head_id" in values:
        beside = _replace(DepartmentHead, {"department_id": department.pk}, "head", head_id, actor=actor, at=at)
    return change_structure(department, actor=actor, at=at, values=plain, beside=beside)


def create_cost_centre(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> CostCentre:
    """A cost centre, and its owner if `owner_id` names one. Raises Invalid for somebody inactive."""
    cost_centre: CostCentre = _create(
        CostCentre, CostCentreOwner, "cost_centre_id", "owner", actor=actor, at=at, values=values
    )
    return cost_centre


def change_cost_centre(cost_centre: CostCentre, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> CostCentre:
    """Change a locked cost centre and, where `owner_id` is given, its owner. Raises Invalid for somebody inactive."""
    plain, owner_id = _split(values, "owner_id")
    beside = None
    if "owner_id" in values:
        beside = _replace(CostCentreOwner, {"cost_centre_id": cost_centre.pk}, "owner", owner_id, actor=actor, at=at)
    return records.change(cost_centre, actor=actor, at=at, values=plain, beside=beside)


Kind = type[DepartmentHead] | type[CostCentreOwner]


def _create(
    model: type[VersionedModel],
    kind: Kind,
    of: str,
    name: str,
    *,
    actor: Actor,
    at: datetime,
    values: Mapping[str, Any],
) -> Any:
    """A record of `model`, and whom `values` names for it as a row of `kind` that refers to it by `of`."""
    plain, user_id = _split(values, f"{name}_id")
    refuse_inactive(user_id, f"/{name}")
    beside = {name: (None, user_id)} if user_id else None
    record = records.create(model, actor=actor, at=at, values=plain, beside=beside)
    _put(kind, {of: record.pk}, user_id, actor=actor, at=at)
    return record


def _split(values: Mapping[str, Any], name: str) -> tuple[dict[str, Any], UUID | None]:
    return {key: value for key, value in values.items() if key != name}, values.get(name)


def _replace(
    kind: Kind, of: dict[str, UUID], name: str, user_id: UUID | None, *, actor: Actor, at: datetime
) -> events.Changes | None:
    """Put somebody else there; the structure's row is locked, so one change happens at a time. None if nothing differs."""
    before = kind.objects.filter(**of).values_list("user_id", flat=True).first()
    if before == user_id:
        return None
    refuse_inactive(user_id, f"/{name}")
    kind.objects.filter(**of).delete()
    _put(kind, of, user_id, actor=actor, at=at)
    return {name: (before, user_id)}


def _put(kind: Kind, of: dict[str, UUID], user_id: UUID | None, *, actor: Actor, at: datetime) -> None:
    if user_id is not None:
        kind.objects.create(organization_id=actor.organization_id, user_id=user_id, since=at, **of)
