"""Who is on call: rotas as their versions, overrides and people's absences say it. Read in few queries for any number of rotas."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from apps.users.availability import availability_of
from apps.users.models import OnCallOverride, OnCallRota, RotaVersion, User
from apps.users.on_call import Override, Plan, Shift, Window, plan_at, shift_at, shifts, stand_in

TIMED = ("is_active", "time_zone", "starts_on", "handover_weekday", "handover_time", "weeks_per_turn", "hours")


@dataclass(frozen=True, slots=True)
class OnCall:
    """Who is called for a rota at an instant, who was to be, the shift's bounds, and why.

    Not `is_reached`: nobody, or somebody who is away and for whom nobody stands in.
    """

    rota: OnCallRota
    shift: Shift
    user_id: UUID | None
    because: tuple[str, ...]
    is_reached: bool = True


def with_plans(rotas: QuerySet[OnCallRota], *, at: datetime | None = None) -> QuerySet[OnCallRota]:
    """Rotas with their versions and members, in two more queries; with `at` only the version in force then."""
    versions = RotaVersion.objects.order_by("rota_id", "effective_at")
    if at is not None:
        versions = versions.filter(effective_at__lte=at).order_by("rota_id", "-effective_at").distinct("rota_id")
    return rotas.prefetch_related(Prefetch("versions", versions.prefetch_related("members"), to_attr="known_versions"))


def active(rotas: QuerySet[OnCallRota], *, at: datetime) -> QuerySet[OnCallRota]:
    """Those whose version in force at `at` (UTC) is active."""
    in_force = RotaVersion.objects.filter(rota_id=OuterRef("pk"), effective_at__lte=at).order_by("-effective_at")
    return rotas.annotate(is_in_use=Subquery(in_force.values("is_active")[:1])).filter(is_in_use=True)


def plans_of(rota: OnCallRota) -> list[Plan]:
    """All plans of a rota, in order; those that `with_plans` loaded, if it did."""
    versions = getattr(rota, "known_versions", None)
    if versions is None:
        versions = rota.versions.order_by("effective_at").prefetch_related("members")
    return [plan_of(version) for version in versions]


def plan_of(version: RotaVersion) -> Plan:
    members = tuple(member.user_id for member in version.members.all())
    timed = {name: getattr(version, name) for name in TIMED} | {"hours": as_windows(version.hours)}
    return Plan(effective_at=version.effective_at, members=members, offset=version.offset, **timed)


def on_call(rotas: Sequence[OnCallRota], *, at: datetime, now: datetime) -> list[OnCall]:
    """Who is on call for each rota at `at` (UTC), after overrides, absences and deactivations, in the rotas' order.

    Whether somebody is deactivated is known for the present alone, so it counts from `now` on.
    """
    overrides = _overrides(rotas, at - timedelta(days=366), at + timedelta(days=366))
    shown = [(rota, plans_of(rota)) for rota in rotas]
    found = [(rota, plan_at(plans, at), shift_at(plans, overrides.get(rota.pk, []), at)) for rota, plans in shown]
    people = {user_id for _, plan, _ in found if plan for user_id in plan.members}
    people |= {shift.user_id for _, _, shift in found if shift.user_id}
    away = {user_id: each.delegate_id for user_id, each in availability_of(people, at).items() if each.is_out}
    # Delegates are known to be active.
    gone = _inactive(people) if at >= now else frozenset()
    answers = []
    for rota, plan, shift in found:
        answer = stand_in(shift, plan, away, gone)
        answers.append(OnCall(rota, shift, answer.user_id, answer.because, answer.is_reached))
    return answers


def _inactive(people: set[UUID]) -> frozenset[UUID]:
    active = User.objects.alive().filter(pk__in=people, is_active=True).values_list("pk", flat=True)
    return frozenset(people - set(active))


def shifts_of(rota: OnCallRota, *, begin: datetime, end: datetime) -> list[Shift]:
    """The shifts of [begin, end) (UTC) as planned: with overrides, without absences."""
    return shifts(plans_of(rota), _overrides([rota], begin, end).get(rota.pk, []), begin, end)


def shifts_of_each(
    rotas: Sequence[OnCallRota], *, begin: datetime, end: datetime
) -> Iterable[tuple[OnCallRota, list[Shift]]]:
    """As `shifts_of`, for any number of rotas with one query for their overrides; `with_plans` loads the rest."""
    overrides = _overrides(rotas, begin, end)
    for rota in rotas:
        yield rota, shifts(plans_of(rota), overrides.get(rota.pk, []), begin, end)


def staffed(
    rota: OnCallRota, found: Iterable[Shift], gone: frozenset[UUID], *, now: datetime
) -> Iterable[tuple[datetime, datetime]]:
    """The stretches of a rota's shifts in which it names somebody: from `now` (UTC) on nobody `gone`, unless somebody stands in."""
    plans = plans_of(rota)
    cuts = sorted({now, *(plan.effective_at for plan in plans)})
    for shift in found:
        if shift.user_id is None:
            continue
        edges = [shift.starts_at, *(cut for cut in cuts if shift.starts_at < cut < shift.ends_at), shift.ends_at]
        for begin, end in pairwise(edges):
            if begin < now or stand_in(shift, plan_at(plans, begin), {}, gone).is_reached:
                yield begin, end


def gone_of(rotas: Iterable[OnCallRota], found: Iterable[Shift]) -> frozenset[UUID]:
    """Whoever of the members of these rotas and of those in the shifts is deactivated, in one query."""
    people = {user_id for rota in rotas for plan in plans_of(rota) for user_id in plan.members}
    people |= {user_id for shift in found for user_id in (shift.user_id, shift.scheduled_id) if user_id is not None}
    return _inactive(people)


def _overrides(rotas: Iterable[OnCallRota], begin: datetime, end: datetime) -> dict[UUID, list[Override]]:
    rows = OnCallOverride.objects.filter(rota__in=list(rotas), starts_at__lt=end, ends_at__gt=begin)
    found: dict[UUID, list[Override]] = {}
    for row in rows:
        override = Override(row.pk, row.user_id, row.starts_at, row.ends_at, row.created_at)
        found.setdefault(row.rota_id, []).append(override)
    return found


def of_team(team_id: UUID | None) -> list[OnCallRota]:
    """A team's rotas with their plans, the first layer first."""
    if team_id is None:
        return []
    return list(with_plans(OnCallRota.objects.filter(team_id=team_id)).order_by("layer", "name"))


def as_windows(hours: Iterable[Any]) -> tuple[Window, ...]:
    """Windows as a calendar keeps them, or as a plan does, as a plan does."""
    return tuple(
        (each["weekday"], each["start"], each["end"]) if isinstance(each, Mapping) else tuple(each) for each in hours
    )


def shown_hours(plan: Plan) -> list[dict[str, Any]]:
    """A plan's windows, as a calendar keeps them."""
    return [{"weekday": weekday, "start": start, "end": end} for weekday, start, end in plan.hours]
