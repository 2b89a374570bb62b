"""Hours in which somebody of a team must be on call, and the gaps in them: reported, and where they are promised refused."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core import records, turns
from apps.core.actors import Actor
from apps.core.errors import DomainError, FieldError, Invalid
from apps.organizations.calendars import OpenHours
from apps.organizations.calendars.rules import refuse_senseless
from apps.organizations.models import Team
from apps.users.models import OnCallCoverage, OnCallRota, RotaVersion
from apps.users.on_call import uncovered
from apps.users.rosters import gone_of, shifts_of_each, staffed, with_plans

# As far as each change is looked after: every rota's hours repeat by the week, and the clocks change within it at most once.
AHEAD = timedelta(days=56)
MOST_SHOWN = 10


class CoverageGap(DomainError):
    """Nobody would be on call at an hour that was promised to be covered."""

    status = 422
    code = "coverage_gap"
    title = "Nobody would be on call at a covered hour"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which a team's rotas name nobody; `is_promised` if they must."""

    team_id: UUID
    starts_at: datetime
    ends_at: datetime
    is_promised: bool


def create_coverage(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> OnCallCoverage:
    """Promise that somebody is on call. Raises Invalid, and CoverageGap where the rotas do not keep it."""
    given = {"covered_from": at, "hours": [], **values}
    refuse_hours(given["time_zone"], given["hours"], at)
    if not Team.objects.alive().filter(pk=given["team_id"]).exists():
        raise Invalid(errors=[FieldError("/team", "does_not_exist", f"{given['team_id']} does not exist.")])
    row = records.create(OnCallCoverage, actor=actor, at=at, values=given)
    refuse_gap({row.team_id}, at=at, now=at)
    return row


def change_coverage(row: OnCallCoverage, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> OnCallCoverage:
    """Promise other hours of a locked coverage; the team stays. Raises Invalid, CoverageGap."""
    if values.get("team_id", row.team_id) != row.team_id:
        raise Invalid(errors=[FieldError("/team", "immutable", "Delete it and promise it for the other team.")])
    refuse_hours(values.get("time_zone", row.time_zone), values.get("hours", row.hours), at)
    changed = records.change(row, actor=actor, at=at, values=values)
    refuse_gap({row.team_id}, at=at, now=at)
    return changed


def gaps(team_id: UUID, begin: datetime, end: datetime, *, now: datetime | None) -> list[Gap]:
    """As `gaps_of`, for one team."""
    return gaps_of([team_id], begin, end, now=now)


def gaps_of(team_ids: Collection[UUID], begin: datetime, end: datetime, *, now: datetime | None) -> list[Gap]:
    """Where the rotas of each team name nobody in [begin, end) (UTC): at promised hours, or at any where none are promised.

    As planned: with overrides, without absences, for which somebody stands in. From `now` on (UTC) nobody who is deactivated is
    counted, unless somebody of the rota stands in; None counts everybody. As many queries for many teams as for one.
    """
    promises = {row.team_id: row for row in OnCallCoverage.objects.filter(team_id__in=team_ids)}
    known = list(with_plans(OnCallRota.objects.filter(team_id__in=team_ids)))
    covered: dict[UUID, list[tuple[datetime, datetime]]] = {}
    planned = list(shifts_of_each(known, begin=begin, end=end))
    gone = gone_of(known, [shift for _, found in planned for shift in found]) if now is not None else frozenset()
    for rota, found in planned:
        covered.setdefault(rota.team_id, []).extend(staffed(rota, found, gone, now=now or begin))
    return [
        Gap(team_id, *each, team_id in promises)
        for team_id in team_ids
        for each in uncovered(_wanted(promises.get(team_id), begin, end), covered.get(team_id, ()))
    ]


def _wanted(promise: OnCallCoverage | None, begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    begin = max(begin, promise.covered_from) if promise is not None else begin
    if begin >= end:
        return []
    if promise is None or not promise.hours:
        return [(begin, end)]
    return OpenHours(promise.time_zone, promise.hours).intervals(begin, end)


def refuse_gap(team_ids: Collection[UUID], *, at: datetime, now: datetime | None = None) -> None:
    """Raises CoverageGap, which undoes the change that was just made, where a promised hour is not covered any more.

    As planned, so that of two rotas whose people have left one can be mended after the other; with `now` as `gaps_of` says.
    """
    for team_id in sorted(team_ids):
        # Two changes that each leave one of two people must not both find the other one there.
        turns.take(f"on_call_coverage:{team_id}")
        promise = OnCallCoverage.objects.filter(team_id=team_id).first()
        if promise is None:
            continue
        found = [gap for stretch in _looked_after(promise, at) for gap in gaps(team_id, *stretch, now=now)]
        if not found:
            continue
        shown = [{"starts_at": gap.starts_at.isoformat(), "ends_at": gap.ends_at.isoformat()} for gap in found]
        first = found[0]
        raise CoverageGap(
            f"Nobody would be on call from {first.starts_at:%Y-%m-%d %H:%M} to {first.ends_at:%Y-%m-%d %H:%M} UTC"
            f" (gaps in what is looked after: {len(found)}). Accepted: rotas whose hours together cover what is promised.",
            team=str(team_id),
            gaps=shown[:MOST_SHOWN],
        )


def _looked_after(promise: OnCallCoverage, at: datetime) -> list[tuple[datetime, datetime]]:
    """AHEAD from `at` (UTC), from the beginning of the promise, and from each change that is planned, as stretches apart."""
    versions = RotaVersion.objects.filter(rota__team_id=promise.team_id, effective_at__gt=at)
    begins = {at, max(at, promise.covered_from), *versions.values_list("effective_at", flat=True)}
    found: list[tuple[datetime, datetime]] = []
    for begin in sorted(begins):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], begin + AHEAD)
        else:
            found.append((begin, begin + AHEAD))
    return found


def refuse_hours(time_zone: str, hours: Any, at: datetime) -> None:
    """Raises Invalid for windows that overlap, have no length, or never come; none are right."""
    if not hours:
        return
    try:
        refuse_senseless(time_zone, hours, [], at=at)
    except Invalid as invalid:
        faults = [
            FieldError(each.pointer.replace("/windows", "/hours", 1), each.code, each.detail) for each in invalid.errors
        ]
        raise Invalid(errors=faults) from invalid
