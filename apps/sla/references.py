"""The records that a draft names: they must be there, in this organization."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.cmdb.models import ConfigurationItem, Service
from apps.core.errors import FieldError
from apps.organizations.models import BusinessCalendar, Department, Site, Team
from apps.sla import conditions, rules
from apps.sla.models import EscalationPolicy
from apps.tickets.models import Category
from apps.users.models import OnCallRota, User

MODELS: Mapping[str, Any] = {
    "service": Service,
    "category": Category,
    "configuration_item": ConfigurationItem,
    "team": Team,
    "requester": User,
    "site": Site,
    "department": Department,
    "calendar": BusinessCalendar,
    "rota": OnCallRota,
    "policy": EscalationPolicy,
}


@dataclass(frozen=True, slots=True)
class Reference:
    """An id, where it stands, and of what it is: a key of MODELS. A condition may name what was deleted since."""

    pointer: str
    of: str
    value: str
    is_used: bool = False


def missing(content: Mapping[str, Any]) -> list[FieldError]:
    """Of a version's content as it was given: what it names and is not there, one fault for each place.

    What is no id, or stands where nothing is accepted, is `checking.check`'s to tell.
    """
    named = list(_named(content))
    there = _there(named)
    faults: dict[str, FieldError] = {}
    for reference in named:
        if reference.value not in there[reference.of]:
            fault = FieldError(reference.pointer, "does_not_exist", f"{reference.value} does not exist.")
        elif reference.is_used and there[reference.of][reference.value]:
            fault = FieldError(reference.pointer, "deleted", "It is deleted; accepted: one that is there.")
        else:
            continue
        faults.setdefault(reference.pointer, fault)
    return list(faults.values())


def _there(named: Iterable[Reference]) -> dict[str, dict[str, bool]]:
    """By what it is: the ids that exist, and whether they are deleted. A query for each kind of record."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for reference in named:
        wanted[reference.of].add(reference.value)
    found: dict[str, dict[str, bool]] = {}
    for name, ids in wanted.items():
        rows = MODELS[name].objects.filter(pk__in=ids)
        has_trash = any(field.name == "deleted_at" for field in MODELS[name]._meta.concrete_fields)
        columns = ("pk", "deleted_at") if has_trash else ("pk",)
        found[name] = {str(pk): any(deleted) for pk, *deleted in rows.values_list(*columns)}
    return found


def _named(content: Mapping[str, Any]) -> Iterator[Reference]:
    yield from _of_condition(content.get("match"), "/match")
    for place, target in _objects(content.get("targets")):
        yield from _of_condition(target.get("applies"), f"/targets/{place}/applies")
        yield from _one(target, "calendar", f"/targets/{place}")
    given = content.get("rules")
    for metric, said in given.items() if isinstance(given, dict) else ():
        for name in rules.CONDITIONS if isinstance(said, dict) else ():
            yield from _of_condition(said.get(name), f"/rules/{metric}/{name}")
    for place, level in _objects(content.get("levels")):
        yield from _of_condition(level.get("applies"), f"/levels/{place}/applies")
        for number, action in _objects(level.get("actions")):
            for name in ("team", "rota", "policy"):
                yield from _one(action, name, f"/levels/{place}/actions/{number}", is_used=True)


def _of_condition(data: Any, pointer: str) -> Iterator[Reference]:
    for place, clause in _objects(data):
        for name, given in clause.items():
            field = conditions.FIELDS.get(name)
            listed = given.get("not") if isinstance(given, dict) else given
            if field is None or not field.is_id or not isinstance(listed, list):
                continue
            yield from (
                Reference(f"{pointer}/{place}/{name}", name, value) for value in listed if conditions.is_id(value)
            )


def _one(data: Mapping[str, Any], name: str, pointer: str, *, is_used: bool = False) -> Iterator[Reference]:
    if conditions.is_id(data.get(name)):
        yield Reference(f"{pointer}/{name}", name, data[name], is_used)


def _objects(data: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for place, item in enumerate(data if isinstance(data, list) else ()):
        if isinstance(item, dict):
            yield place, item
