"""In whose hands the time to a resolution passed (S30): the stretches of resolution timers, by team or person.

Of one timer, what was counted in all hands together is its elapsed time, and what waited its paused time, to the second.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from apps.core.actors import Actor
from apps.organizations.models import Team
from apps.sla.choices import FINISHED, OF_TEAM, Agreement, Metric, Stage, Stretch
from apps.sla.compliance import Period
from apps.sla.models import Segment, Timer
from apps.tickets.models import Ticket
from apps.users.models import User

POPULATION = (
    "Resolution timers that were met or missed in the period, of tickets that you see and that are not deleted."
)


class GroupBy(StrEnum):
    """team, person: in whose hands the ticket was while the time passed."""

    TEAM = "team"
    PERSON = "person"


COLUMNS: Mapping[GroupBy, str] = {GroupBy.TEAM: "team_id", GroupBy.PERSON: "assignee_id"}
NAMES: Mapping[GroupBy, tuple[Any, str]] = {GroupBy.TEAM: (Team, "name"), GroupBy.PERSON: (User, "full_name")}
COUNTED, WAITING = Q(kind=Stretch.RUNNING), Q(kind=Stretch.PAUSED)


def measure(actor: Actor, group_by: GroupBy, period: Period) -> dict[str, Any]:
    """`totals` of the timers, `results` by who had the tickets, `agreements` of teams and suppliers. Seconds are open ones."""
    visible = Timer.objects.of_visible_tickets(actor, Ticket.objects.all()).final()
    ended = visible.filter(stage__in=FINISHED, ended_at__gte=period.begins_at, ended_at__lt=period.ends_at)
    timers = ended.filter(agreement=Agreement.SLA, metric=Metric.RESOLUTION)
    return {
        "totals": timers.order_by().aggregate(
            timers=Count("id"),
            counted_seconds=Coalesce(Sum("elapsed_seconds"), 0),
            waiting_seconds=Coalesce(Sum("paused_seconds"), 0),
        ),
        "results": _by_hands(timers, group_by),
        "agreements": _agreements(ended),
    }


def _by_hands(timers: Any, group_by: GroupBy) -> list[dict[str, Any]]:
    stretches = Segment.objects.filter(timer__in=timers.order_by().values("pk"))
    rows = list(
        stretches.order_by()
        .values(group=F(COLUMNS[group_by]))
        .annotate(
            tickets=Count("timer__ticket_id", distinct=True),
            counted_seconds=Coalesce(Sum("business_seconds", filter=COUNTED), 0),
            waiting_seconds=Coalesce(Sum("business_seconds", filter=WAITING), 0),
        )
    )
    model, name = NAMES[group_by]
    names = dict(model.objects.filter(pk__in=[row["group"] for row in rows]).values_list("pk", name))
    found = [{**row, "name": names.get(row["group"], "")} for row in rows]
    return sorted(found, key=lambda row: (row["group"] is None, row["name"], str(row["group"])))


def _agreements(ended: Any) -> list[dict[str, Any]]:
    rows = list(
        ended.filter(agreement__in=OF_TEAM, metric=Metric.RESOLUTION)
        .order_by()
        .values("agreement", "team_id")
        .annotate(
            timers=Count("id"),
            met=Count("id", filter=Q(stage=Stage.MET)),
            missed=Count("id", filter=Q(stage=Stage.MISSED)),
            counted_seconds=Coalesce(Sum("elapsed_seconds"), 0),
        )
    )
    names = dict(Team.objects.filter(pk__in=[row["team_id"] for row in rows]).values_list("pk", "name"))
    found = [{"team": row.pop("team_id"), **row} for row in rows]
    found = [{**row, "name": names.get(row["team"], "")} for row in found]
    return sorted(found, key=lambda row: (row["name"], str(row["team"]), row["agreement"]))
