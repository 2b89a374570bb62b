"""Verbs on rights: built-in roles of a new organization, custom roles, assignments."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.core import events, records
from apps.core.actors import Actor
from apps.core.authorization import Action, Reach
from apps.core.errors import Conflict, Denied, FieldError, Invalid
from apps.organizations.models import Organization
from apps.users.events import ROLE_GRANTS_CHANGED
from apps.users.models import Grant, Role, RoleAssignment, TeamMember, User, UserType
from apps.users.rights import Rights, admin_assignments, is_operator
from apps.users.role_table import BUILT_IN, VOCABULARY, Table

LAST_ADMINISTRATOR = "This is the last administrator of the organization; make somebody else one first."


def create_built_in_roles(organization_id: UUID, *, at: datetime) -> None:
    """The four roles of the contract, for a new organization; part of the fact that it was created."""
    for key, table in BUILT_IN.items():
        role = Role.objects.create(
            organization_id=organization_id,
            name=UserType(key).label,
            key=key,
            description="Built in; copy it to change it.",
            created_at=at,
            updated_at=at,
        )
        _write_grants(role, table)


def assign_built_in(user: User, *, actor: Actor, at: datetime) -> RoleAssignment:
    """Give a new user the built-in role of their type; part of the fact that they were created, which names it."""
    role = Role.objects.get(organization_id=user.organization_id, key=user.user_type)
    _refuse_giving_more(actor, _granted(role.pk))
    _refuse_making_operators(role, actor=actor, at=at)
    assignment: RoleAssignment = RoleAssignment.objects.create(
        organization_id=user.organization_id, role=role, user=user, valid_from=at, created_at=at, updated_at=at
    )
    return assignment


def replace_built_in(user: User, *, was: str, actor: Actor, at: datetime) -> None:
    """After a change of type: the built-in role of the new one for that of the old; part of the fact that it changed.

    Raises Denied when the new one grants what the actor does not hold.
    """
    assign_built_in(user, actor=actor, at=at)
    RoleAssignment.objects.filter(user_id=user.pk, role__key=was).delete()


def refuse_more_powerful(user: User, *, actor: Actor, at: datetime) -> None:
    """Who could take an account over may do all that it may already. Raises Denied naming what they may not."""
    if actor.is_system or actor.id == user.pk:
        return
    if user.user_type == UserType.ADMIN:
        _refuse_touching_operators(actor=actor, at=at)
    teams = TeamMember.objects.filter(user_id=user.pk).values("team_id")
    held = RoleAssignment.objects.filter(Q(user_id=user.pk) | Q(team_id__in=teams))
    for assignment in held.exclude(valid_until__lte=at):
        _refuse_giving_more(
            actor,
            _granted(assignment.role_id),
            limited_to_team_id=assignment.limited_to_team_id,
            until=assignment.valid_until,
        )


def administrators(*, at: datetime) -> QuerySet[User]:
    """Who can look after the whole organization at `at` (UTC): of that type, able to sign in, and with the role to do it."""
    able: QuerySet[User] = User.objects.alive().filter(
        user_type=UserType.ADMIN, is_active=True, is_service_account=False
    )
    return able.filter(Exists(admin_assignments(at=at).filter(user_id=OuterRef("pk"))))


def lasting_administrators(*, at: datetime) -> QuerySet[User]:
    """Those of them whose role has no end: an organization that counted on the others would lose its last one by time."""
    roles = RoleAssignment.objects.filter(
        user_id=OuterRef("pk"), role__key=UserType.ADMIN, limited_to_team=None, valid_from__lte=at, valid_until=None
    )
    return administrators(at=at).filter(Exists(roles))


def assign(*, actor: Actor, at: datetime, **values: Any) -> RoleAssignment:
    """Give a role, or `grants` of an anonymous one, to a user or a team.

    Raises Invalid when it is to both or to neither, of both or of neither, or ends before it begins.
    """
    values["valid_from"] = values.get("valid_from") or at
    given = [name for name in ("user_id", "team_id") if values.get(name)]
    if len(given) != 1:
        raise Invalid(errors=[FieldError("/user", "either_or", "Give either a user or a team.")])
    grants = values.pop("grants", None) or []
    if bool(values.get("role_id")) == bool(grants):
        raise Invalid(errors=[FieldError("/role", "either_or", "Give either a role or direct grants.")])
    _refuse_backwards(values["valid_from"], values.get("valid_until"))
    limit, until = values.get("limited_to_team_id"), values.get("valid_until")
    table = _as_table(grants) if grants else _granted(values["role_id"])
    _refuse_giving_more(actor, table, limited_to_team_id=limit, until=until)
    if not grants:
        _refuse_making_operators(Role.objects.get(pk=values["role_id"]), actor=actor, at=at)
    if grants:
        values["role_id"] = _anonymous_role(actor, table, at=at).pk
    return records.create(RoleAssignment, actor=actor, at=at, values=values)


def withdraw(assignment: RoleAssignment, *, actor: Actor, at: datetime) -> None:
    """Delete a locked assignment; direct grants go with it. Raises Conflict `last_administrator`.

    The caller holds people.lock_people, so that two of them do not withdraw each other's.
    """
    role = assignment.role
    was_administrators = _is_administrators(assignment, at)
    records.delete(assignment, actor=actor, at=at)
    _refuse_nobody_left(was_administrators, at)
    if role.is_anonymous:
        role.delete()


def _anonymous_role(actor: Actor, table: Table, *, at: datetime) -> Role:
    """Part of the fact that somebody was given these grants, so it records none of its own."""
    role: Role = Role.objects.create(organization_id=actor.organization_id, created_at=at, updated_at=at)
    _write_grants(role, table)
    return role


def change_assignment(
    assignment: RoleAssignment, *, actor: Actor, at: datetime, values: Mapping[str, Any]
) -> RoleAssignment:
    """Change period or limit of a locked assignment; who and what stay, or it would be another one.

    A longer period or another limit gives the role anew, so it raises Denied where the actor does not hold what it grants.
    """
    for name, key in {"role": "role_id", "user": "user_id", "team": "team_id", "grants": "grants"}.items():
        if key in values:
            raise Invalid(errors=[FieldError(f"/{name}", "immutable", "Delete the assignment and make another.")])
    _refuse_backwards(
        values.get("valid_from", assignment.valid_from), values.get("valid_until", assignment.valid_until)
    )
    if _gives_more(assignment, values):
        limit = values.get("limited_to_team_id", assignment.limited_to_team_id)
        until = values.get("valid_until", assignment.valid_until)
        _refuse_giving_more(actor, _granted(assignment.role_id), limited_to_team_id=limit, until=until)
        _refuse_making_operators(assignment.role, actor=actor, at=at)
    was_administrators = _is_administrators(assignment, at)
    changed = records.change(assignment, actor=actor, at=at, values=values)
    _refuse_nobody_left(was_administrators, at)
    return changed


def _is_administrators(assignment: RoleAssignment, at: datetime) -> bool:
    user_id = assignment.user_id
    return user_id is not None and administrators(at=at).filter(pk=user_id).exists()


def _refuse_nobody_left(was_administrators: bool, at: datetime) -> None:
    if was_administrators and not lasting_administrators(at=at).exists():
        raise Conflict(LAST_ADMINISTRATOR, code="last_administrator")


def _gives_more(assignment: RoleAssignment, values: Mapping[str, Any]) -> bool:
    begun, ended, limit = assignment.valid_from, assignment.valid_until, assignment.limited_to_team_id
    begins, ends = values.get("valid_from", begun), values.get("valid_until", ended)
    is_longer = begins < begun or (ended is not None and (ends is None or ends > ended))
    return is_longer or (limit is not None and values.get("limited_to_team_id", limit) != limit)


def create_role(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Role:
    """A custom role with its grants. Raises Invalid on a grant that the vocabulary does not know."""
    plain = {name: value for name, value in values.items() if name != "grants"}
    table = _as_table(values.get("grants", []))
    _refuse_giving_more(actor, table)
    role = records.create(Role, actor=actor, at=at, values=plain)
    _write_grants(role, table)
    return role


def change_role(role: Role, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Role:
    """Change a locked role; `grants` replaces all of them.

    Raises Conflict for anything but `requires_mfa` of a built-in one, Invalid, Denied.
    """
    if set(values) - {"requires_mfa"}:
        refuse_built_in(role)
    if values.get("requires_mfa", role.requires_mfa) != role.requires_mfa:
        # Who may not do what the role does decides not how its holders prove themselves.
        _refuse_giving_more(actor, _granted(role.pk))
    plain = {name: value for name, value in values.items() if name != "grants"}
    if "grants" not in values:
        return records.change(role, actor=actor, at=at, values=plain)
    table = _as_table(values["grants"])
    _refuse_giving_more(actor, table)
    before, after = _rows(role), _lines(table)
    if before == after:
        return records.change(role, actor=actor, at=at, values=plain)
    Grant.objects.filter(role_id=role.pk).delete()
    _write_grants(role, table)
    return _record_grants(role, plain, (before, after), actor=actor, at=at)


def refuse_giving_roles_of_team(team_id: UUID, *, actor: Actor, at: datetime) -> None:
    """A new member gets what the team's roles grant, now or later: nobody gives so what they do not hold. Raises Denied."""
    of_team = RoleAssignment.objects.filter(team_id=team_id).filter(Q(valid_until=None) | Q(valid_until__gt=at))
    for assignment in of_team:
        _refuse_giving_more(
            actor,
            _granted(assignment.role_id),
            limited_to_team_id=assignment.limited_to_team_id,
            until=assignment.valid_until,
        )


def refuse_built_in(role: Role) -> None:
    if role.is_built_in:
        raise Conflict(
            "Of a built-in role only requires_mfa can be changed; copy it into a custom one.", code="built_in"
        )


def _granted(role_id: UUID) -> Table:
    table: Table = {}
    for resource, action, reach in Grant.objects.filter(role_id=role_id).values_list("resource", "action", "reach"):
        table.setdefault(resource, {})[Action(action)] = Reach(reach)
    return table


def _refuse_giving_more(
    actor: Actor, table: Table, *, limited_to_team_id: UUID | None = None, until: datetime | None = None
) -> None:
    """Nobody gives away what they do not hold: the way to more rights is not through oneself. Raises Denied."""
    if actor.is_system:
        return
    rights = actor.authorizer if isinstance(actor.authorizer, Rights) else Rights(actor.required_id)
    for resource, actions in table.items():
        for action, reach in actions.items():
            if not rights.may_give(action, resource, reach, limited_to_team_id=limited_to_team_id, until=until):
                grant = f"{resource}.{action}"
                raise Denied(f"You cannot give {grant} in reach {reach}: you do not hold it yourself.", grant=grant)


def _refuse_making_operators(role: Role, *, actor: Actor, at: datetime) -> None:
    """As _refuse_touching_operators, where `role` is the one that makes an operator."""
    if role.key == UserType.ADMIN:
        _refuse_touching_operators(actor=actor, at=at)


def _refuse_touching_operators(*, actor: Actor, at: datetime) -> None:
    """Who acts in every organization is made, or given another address, by one of them alone. Raises Denied.

    Holding what the Admin role grants is not enough: those are grants in one organization.
    """
    # Only an operator acts away from home.
    if actor.is_system or actor.home_organization_id not in {None, actor.organization_id}:
        return
    # A founded organization is written before its first administrator, so it is there.
    home = Organization.objects.get(pk=actor.organization_id)
    if not home.is_operator:
        return
    if not is_operator(User.objects.get(pk=actor.required_id), home, at=at):
        raise Denied("Only a platform operator makes another or changes their address.", grant="operator")


def refuse_exceeding(actor: Actor, rights: Rights) -> None:
    """Nobody hands out a credential that may do more than they may themselves. Raises Denied."""
    own = actor.authorizer if isinstance(actor.authorizer, Rights) else Rights(actor.required_id)
    for (resource, action), held in rights.grants.items():
        for grant in held:
            if not own.may_give(
                Action(action),
                resource,
                grant.reach,
                limited_to_team_id=grant.limited_to_team_id,
                until=grant.valid_until,
                is_for_oneself=own.user_id == rights.user_id,
            ):
                name = f"{resource}.{action}"
                raise Denied(f"The token could do {name}, which you may not yourself.", grant=name)


def _record_grants(
    role: Role, plain: Mapping[str, Any], grants: tuple[list[str], list[str]], *, actor: Actor, at: datetime
) -> Role:
    """One fact, whatever else changed with the grants. Their version keys the cache, so it grows by this alone."""
    before = records.plain(role, plain)
    for name, value in plain.items():
        setattr(role, name, value)
    after = records.plain(role, plain)
    differing: dict[str, tuple[Any, Any]] = {
        name: (before[name], after[name]) for name in after if before[name] != after[name]
    }
    role.version += 1
    role.updated_at = at
    role.save(update_fields=[*differing, "version", "updated_at"])
    events.record(ROLE_GRANTS_CHANGED, role, actor=actor, at=at, changes={**differing, "grants": grants})
    return role


def _rows(role: Role) -> list[str]:
    return sorted(str(grant) for grant in Grant.objects.filter(role_id=role.pk))


def _lines(table: Table) -> list[str]:
    """A table as _rows would show it once it is written."""
    return sorted(
        str(Grant(resource=resource, action=action, reach=reach))
        for resource, actions in table.items()
        for action, reach in actions.items()
    )


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
