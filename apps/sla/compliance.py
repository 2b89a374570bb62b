"""How many promises were kept in a month: counted by the end of their timers, in the zone of the organization."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Avg, Count, F, Q

from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.organizations.models import Team
from apps.sla.choices import FINISHED, EndReason, Stage
from apps.sla.models import Policy, Timer
from apps.tickets.models import Ticket

# What the numbers mean, said with them.
CLOCK = "business"
POPULATION = "Timers that ended in the period, of tickets that you see and that are not deleted."
CANCELLED = (
    "Left out of completed and percent; `cancelled` counts them beside, without those that another target replaced."
)
REOPENED = "A timer that goes on after a reopening counts once, by its last end; one that begins again is counted for each cycle."


class GroupBy(StrEnum):
    """policy: that promised it; team: in whose hands it ended; priority: the ticket's, as it is now."""

    POLICY = "policy"
    TEAM = "team"
    PRIORITY = "priority"


COLUMNS: Mapping[GroupBy, str] = {
    GroupBy.POLICY: "version__policy_id",
    GroupBy.TEAM: "owner_team_id",
    GroupBy.PRIORITY: "ticket__priority",
}


@dataclass(frozen=True, slots=True)
class Period:
    """A month: from its first instant until the next one's, in UTC."""

    name: str
    begins_at: datetime
    ends_at: datetime
    time_zone: str


def month(name: str, time_zone: str) -> Period:
    """`2026-11`. Raises Invalid."""
    year, _, number = name.partition("-")
    is_right = len(year) == 4 and len(number) == 2 and (year + number).isascii() and (year + number).isdigit()
    if not is_right or not 1 <= int(number) <= 12 or not 1970 <= int(year) <= 2199:
        detail = "Not a month; accepted: YYYY-MM such as 2026-11."
        raise Invalid(detail, errors=[FieldError("/period", "invalid", detail)], code="invalid_parameter")
    first = date(int(year), int(number), 1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    zone = ZoneInfo(time_zone)
    begins_at, ends_at = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, following))
    return Period(name, begins_at, ends_at, time_zone)


def month_of(instant: datetime, time_zone: str) -> str:
    """The month that it is there."""
    return f"{instant.astimezone(ZoneInfo(time_zone)):%Y-%m}"


def measure(actor: Actor, group_by: GroupBy, period: Period) -> list[dict[str, Any]]:
    """A row for each group, agreement and metric, best known by name. Percent is floored."""
    column = COLUMNS[group_by]
    timers = Timer.objects.of_visible_tickets(actor, Ticket.objects.all())
    ended = timers.final().filter(ended_at__gte=period.begins_at, ended_at__lt=period.ends_at)
    found = (
        ended.order_by()
        .values("agreement", "metric", group=F(column))
        .annotate(
            met=Count("id", filter=Q(stage=Stage.MET)),
            missed=Count("id", filter=Q(stage=Stage.MISSED)),
            cancelled=Count("id", filter=Q(stage=Stage.CANCELLED) & ~Q(end_reason=EndReason.REPLACED)),
            business=Avg("elapsed_seconds", filter=Q(stage__in=FINISHED)),
            wall=Avg("wall_seconds", filter=Q(stage__in=FINISHED)),
        )
    )
    rows = list(found)
    names = _names(group_by, {row["group"] for row in rows})
    answers = [_row(row, names) for row in rows]
    return sorted(answers, key=lambda row: (row["group"] is None, row["name"], row["agreement"], row["metric"]))


def _row(row: Mapping[str, Any], names: Mapping[Any, str]) -> dict[str, Any]:
    completed = row["met"] + row["missed"]
    return {
        "group": None if row["group"] is None else str(row["group"]),
        "name": names.get(row["group"], ""),
        "agreement": row["agreement"],
        "metric": row["metric"],
        "completed": completed,
        "met": row["met"],
        "missed": row["missed"],
        "percent": row["met"] * 100 // completed if completed else None,
        "cancelled": row["cancelled"],
        "average_business_seconds": None if row["business"] is None else int(row["business"]),
        "average_wall_seconds": None if row["wall"] is None else int(row["wall"]),
    }


def _names(group_by: GroupBy, keys: set[Any]) -> dict[Any, str]:
    if group_by is GroupBy.PRIORITY:
        return {key: str(key) for key in keys}
    model: Any = Policy if group_by is GroupBy.POLICY else Team
    return dict(model.objects.filter(pk__in=keys).values_list("pk", "name"))
