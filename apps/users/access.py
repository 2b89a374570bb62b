"""Verbs on rights: built-in roles of a new organization, custom roles, assignments."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import events, records
from apps.core.actors import Actor
from apps.core.authorization import WIDTH, Action, Reach, decide
from apps.core.errors import Conflict, Denied, FieldError, Invalid
from apps.users.events import ROLE_GRANTS_CHANGED
from apps.users.models import Grant, Role, RoleAssignment, User, UserType
from apps.users.role_table import BUILT_IN, VOCABULARY, Table


def create_built_in_roles(*, actor: Actor, at: datetime) -> None:
    """The four roles of the contract, for a new organization."""
    for key, table in BUILT_IN.items():
        values = {"name": UserType(key).label, "key": key, "description": "Built in; copy it to change it."}
        role = records.create(Role, actor=actor, at=at, values=values)
        _write_grants(role, table)


def assign_built_in(user: User, *, actor: Actor, at: datetime) -> RoleAssignment:
    """Give a user the built-in role of their type."""
    role = Role.objects.get(organization_id=user.organization_id, key=user.user_type)
    return assign(actor=actor, at=at, role_id=role.pk, user_id=user.pk, valid_from=at)


def assign(*, actor: Actor, at: datetime, **values: Any) -> RoleAssignment:
    """Give a role to a user or a team. Raises Invalid when it is to both or to neither, or ends before it begins."""
    values.setdefault("valid_from", at)
    values["valid_from"] = values["valid_from"] or at
    given = [name for name in ("user_id", "team_id") if values.get(name)]
    if len(given) != 1:
        raise Invalid(errors=[FieldError("/user", "either_or", "Give either a user or a team.")])
    _refuse_backwards(values["valid_from"], values.get("valid_until"))
    _refuse_giving_more(actor, _granted(values["role_id"]))
    return records.create(RoleAssignment, actor=actor, at=at, values=values)


def change_assignment(
    assignment: RoleAssignment, *, actor: Actor, at: datetime, values: Mapping[str, Any]
) -> RoleAssignment:
    """Change period or limit of a locked assignment; who and what stay, or it would be another one."""
    for name in ("role", "user", "team"):
        if f"{name}_id" in values:
            raise Invalid(errors=[FieldError(f"/{name}", "immutable", "Delete the assignment and make another.")])
    _refuse_backwards(
        values.get("valid_from", assignment.valid_from), values.get("valid_until", assignment.valid_until)
    )
    return records.change(assignment, actor=actor, at=at, values=values)


def create_role(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Role:
    """A custom role with its grants. Raises Invalid on a grant that the vocabulary does not know."""
    plain = {name: value for name, value in values.items() if name != "grants"}
    table = _as_table(values.get("grants", []))
    _refuse_giving_more(actor, table)
    role = records.create(Role, actor=actor, at=at, values=plain)
    _write_grants(role, table)
    return role


def change_role(role: Role, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Role:
    """Change a locked custom role; `grants` replaces all of them. Raises Conflict for a built-in one."""
    refuse_built_in(role)
    plain = {name: value for name, value in values.items() if name != "grants"}
    records.change(role, actor=actor, at=at, values=plain)
    if "grants" in values:
        table = _as_table(values["grants"])
        _refuse_giving_more(actor, table)
        _replace_grants(role, table, actor=actor, at=at)
    return role


def refuse_built_in(role: Role) -> None:
    if role.is_built_in:
        raise Conflict("Built-in roles cannot be changed or deleted; copy it into a custom one.", code="built_in")


def _granted(role_id: UUID) -> Table:
    table: Table = {}
    for resource, action, reach in Grant.objects.filter(role_id=role_id).values_list("resource", "action", "reach"):
        table.setdefault(resource, {})[Action(action)] = Reach(reach)
    return table


def _refuse_giving_more(actor: Actor, table: Table) -> None:
    """Nobody gives away what they do not hold: the way to more rights is not through oneself. Raises Denied."""
    for resource, actions in table.items():
        for action, reach in actions.items():
            held = decide(actor, action, resource)
            if held.reach is None or WIDTH[held.reach] < WIDTH[reach]:
                grant = f"{resource}.{action}"
                raise Denied(f"You cannot give {grant} in reach {reach}: you do not hold it yourself.", grant=grant)


def _replace_grants(role: Role, table: Table, *, actor: Actor, at: datetime) -> None:
    before = _rows(role)
    Grant.objects.filter(role_id=role.pk).delete()
    _write_grants(role, table)
    after = _rows(role)
    if before == after:
        return
    # The version keys the cache of grants, so it must grow even when nothing else changed.
    role.version += 1
    role.updated_at = at
    role.save(update_fields=["version", "updated_at"])
    events.record(ROLE_GRANTS_CHANGED, role, actor=actor, at=at, changes={"grants": (before, after)})


def _rows(role: Role) -> list[str]:
    grants = Grant.objects.filter(role_id=role.pk).order_by("resource", "action")
    return [str(grant) for grant in grants]


def _write_grants(role: Role, table: Table) -> None:
    Grant.objects.bulk_create(
        Grant(organization_id=role.organization_id, role=role, resource=resource, action=action, reach=reach)
        for resource, actions in table.items()
        for action, reach in actions.items()
    )


def _as_table(grants: Sequence[Mapping[str, str]]) -> Table:
    """The grants as a table. Raises Invalid naming each that the vocabulary does not know, or that comes twice."""
    table: Table = {}
    problems = []
    for index, grant in enumerate(grants):
        problem = _grant_problem(grant, table)
        if problem is None:
            table.setdefault(grant["resource"], {})[Action(grant["action"])] = Reach(grant["reach"])
        else:
            name, code, detail = problem
            problems.append(FieldError(f"/grants/{index}{name}", code, detail))
    if problems:
        raise Invalid(errors=problems)
    return table


def _grant_problem(grant: Mapping[str, str], table: Table) -> tuple[str, str, str] | None:
    resource, action = grant["resource"], grant["action"]
    if resource not in VOCABULARY:
        return "/resource", "invalid_choice", f"Not a resource; accepted: {', '.join(sorted(VOCABULARY))}."
    if action not in VOCABULARY[resource]:
        return "/action", "invalid_choice", f"Not an action of {resource}; accepted: {', '.join(VOCABULARY[resource])}."
    if action in table.get(resource, {}):
        return "", "duplicate", "This resource and action are granted twice."
    return None


def _refuse_backwards(valid_from: datetime, valid_until: datetime | None) -> None:
    if valid_until is not None and valid_until <= valid_from:
        raise Invalid(
            errors=[
                FieldError("/valid_until", "out_of_range", "It is not after valid_from; accepted: a later instant.")
            ]
        )
