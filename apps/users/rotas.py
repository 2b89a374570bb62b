"""Verbs on on-call rotas. What time is counted by is never changed, but followed by a new version."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core import records
from apps.core.actors import Actor
from apps.core.errors import Conflict, FieldError, Invalid
from apps.organizations.models import Team
from apps.users import coverage
from apps.users.models import OnCallOverride, OnCallRota, RotaMember, RotaVersion, User
from apps.users.on_call import Plan, offset_keeping, plan_at
from apps.users.people import refuse_inactive
from apps.users.rosters import TIMED, as_windows, plans_of, shown_hours

DEFAULTS: Mapping[str, Any] = {"is_active": True, "weeks_per_turn": 1, "hours": ()}
# Between a client's "from now" and our now lies the network.
LATE = timedelta(minutes=5)
PAST = "It lies in the past, which stays as it was; accepted: an instant from now on."


def create_rota(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> OnCallRota:
    """A rota with its first version, in force from its start on, or from now if it starts later. Raises Invalid."""
    plain, timed, members = _split(values)
    _refuse_deleted_team(plain)
    _refuse_members(members)
    plan = _plan(at, {**DEFAULTS, **timed}, members)
    coverage.refuse_hours(plan.time_zone, shown_hours(plan), at)
    plan = _plan(min(at, plan.handover(0)), {**DEFAULTS, **timed}, members)
    rota = records.create(OnCallRota, actor=actor, at=at, values=plain, beside=_told(None, plan))
    _write(rota, plan)
    coverage.refuse_gap({rota.team_id}, at=at)
    return rota


def change_rota(rota: OnCallRota, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> OnCallRota:
    """Change a locked rota. What time is counted by changes from `effective_at` (default `at`) on, never before.

    Whoever is on call at that instant stays so until the next handover, if they are still a member; otherwise the first
    member takes over. Versions that were planned for later are replaced. Raises Invalid.
    """
    plain, timed, members = _split(values)
    effective_at = values.get("effective_at", at)
    if effective_at < at - LATE:
        raise Invalid(errors=[FieldError("/effective_at", "out_of_range", PAST)])
    effective_at = max(effective_at, at)
    _refuse_deleted_team(plain)
    plans = plans_of(rota)
    before = plan_at(plans, effective_at) or plans[0]
    if members is not None:
        _refuse_members(members)
    merged = {name: timed.get(name, getattr(before, name)) for name in TIMED}
    plan = _plan(effective_at, merged, before.members if members is None else members)
    coverage.refuse_hours(plan.time_zone, shown_hours(plan), at)
    beside = _told(before, plan)
    if beside:
        plan = _plan(
            effective_at, merged, plan.members, offset_keeping(plan, _holder(before, effective_at), effective_at)
        )
        RotaVersion.objects.filter(rota_id=rota.pk, effective_at__gte=effective_at).delete()
        _write(rota, plan)
        beside["effective_at"] = (None, effective_at)
    teams = {rota.team_id, plain.get("team_id", rota.team_id)}
    changed = records.change(rota, actor=actor, at=at, values=plain, beside=beside)
    if beside or len(teams) > 1:
        coverage.refuse_gap(teams, at=at)
    return changed


def delete_rota(rota: OnCallRota, *, actor: Actor, at: datetime) -> None:
    """Forget a locked rota. Raises CoverageGap where its team would be without anybody at a covered hour."""
    team_id = rota.team_id
    records.delete(rota, actor=actor, at=at)
    coverage.refuse_gap({team_id}, at=at)


def add_override(*, actor: Actor, at: datetime, rota: OnCallRota, values: Mapping[str, Any]) -> OnCallOverride:
    """Somebody else is called for a time that is not over. Raises Invalid."""
    refuse_inactive(values["user_id"], "/user")
    if values["starts_at"] < at - LATE:
        raise Invalid(errors=[FieldError("/starts_at", "out_of_range", PAST)])
    _refuse_backwards(values["starts_at"], values["ends_at"])
    return records.create(OnCallOverride, actor=actor, at=at, values={"rota_id": rota.pk, **values})


def change_override(
    override: OnCallOverride, *, actor: Actor, at: datetime, values: Mapping[str, Any]
) -> OnCallOverride:
    """Change a locked override; once it has begun, its end and reason alone. Raises Invalid, or Conflict when it is over."""
    changes = {name: value for name, value in values.items() if getattr(override, name) != value}
    times = {"starts_at", "ends_at"} & set(changes)
    if override.ends_at <= at and changes:
        raise Conflict("This override is over; the past stays as it was.", code="over")
    begun = {"user_id", "starts_at"} & set(changes) if override.starts_at <= at else set()
    if begun:
        name = min(begun).removesuffix("_id")
        raise Invalid(errors=[FieldError(f"/{name}", "immutable", "It has begun; end it and make another one.")])
    for name in times:
        if changes[name] < at - LATE:
            raise Invalid(errors=[FieldError(f"/{name}", "out_of_range", PAST)])
    _refuse_backwards(changes.get("starts_at", override.starts_at), changes.get("ends_at", override.ends_at))
    if "user_id" in changes:
        refuse_inactive(changes["user_id"], "/user")
    changed = records.change(override, actor=actor, at=at, values=values)
    if times:
        coverage.refuse_gap({override.rota.team_id}, at=at)
    return changed


def delete_override(override: OnCallOverride, *, actor: Actor, at: datetime) -> None:
    """Take back a locked override. Raises Conflict when it has begun: then it is ended by its `ends_at`."""
    if override.starts_at <= at:
        raise Conflict("This override has begun; end it by changing ends_at.", code="already_begun")
    team_id = override.rota.team_id
    records.delete(override, actor=actor, at=at)
    coverage.refuse_gap({team_id}, at=at)


# --- versions


def _split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], tuple[UUID, ...] | None]:
    timed = {name: values[name] for name in TIMED if name in values}
    if "hours" in timed:
        timed["hours"] = as_windows(timed["hours"])
    plain = {name: values[name] for name in values if name not in {*TIMED, "members", "effective_at"}}
    return plain, timed, tuple(values["members"]) if "members" in values else None


def _plan(effective_at: datetime, timed: Mapping[str, Any], members: Any, offset: int = 0) -> Plan:
    return Plan(effective_at=effective_at, members=tuple(members or ()), offset=offset, **timed)


def _holder(plan: Plan, at: datetime) -> UUID | None:
    turn = plan.turn_at(at)
    return None if turn is None else plan.member_of(turn)


def _refuse_members(members: Sequence[UUID] | None) -> None:
    """Raises Invalid naming each that does not exist in the tenant in force, is inactive, or comes twice."""
    wanted = list(members or ())
    known = dict(User.objects.alive().filter(pk__in=wanted).values_list("pk", "is_active"))
    problems = []
    for place, user_id in enumerate(wanted):
        pointer = f"/members/{place}"
        if user_id not in known:
            problems.append(FieldError(pointer, "does_not_exist", f"{user_id} does not exist."))
        elif user_id in wanted[:place]:
            problems.append(FieldError(pointer, "duplicate", "This person is named twice."))
        elif not known[user_id]:
            problems.append(FieldError(pointer, "inactive", "This user is deactivated; accepted: somebody active."))
    if problems:
        raise Invalid(errors=problems)


def _refuse_deleted_team(plain: Mapping[str, Any]) -> None:
    team_id = plain.get("team_id")
    if team_id is not None and not Team.objects.alive().filter(pk=team_id).exists():
        raise Invalid(errors=[FieldError("/team", "does_not_exist", f"{team_id} does not exist.")])


def _refuse_backwards(starts_at: datetime, ends_at: datetime) -> None:
    if ends_at <= starts_at:
        detail = "It is not after starts_at; accepted: a later instant."
        raise Invalid(errors=[FieldError("/ends_at", "out_of_range", detail)])


def _write(rota: OnCallRota, plan: Plan) -> None:
    version = RotaVersion.objects.create(
        organization_id=rota.organization_id,
        rota=rota,
        effective_at=plan.effective_at,
        offset=plan.offset,
        **{name: getattr(plan, name) for name in TIMED} | {"hours": shown_hours(plan)},
    )
    RotaMember.objects.bulk_create(
        RotaMember(organization_id=rota.organization_id, rota_version=version, user_id=user_id, position=place)
        for place, user_id in enumerate(plan.members)
    )


def _told(before: Plan | None, after: Plan) -> dict[str, tuple[Any, Any]]:
    """What differs, as the event keeps it."""
    changes: dict[str, tuple[Any, Any]] = {}
    for name in (*TIMED, "members"):
        old, new = (_plain(getattr(plan, name)) if plan else None for plan in (before, after))
        if old != new:
            changes[name] = (old, new)
    return changes


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [list(each) if isinstance(each, tuple) else str(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
