"""How much waits in the teams' queues, and for how long; and how far what time does to tickets is behind."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connections

from apps.core.figures import Gauge, Reading, source
from apps.tickets.choices import Purpose

LABELS = ("organization", "team")
WAITING = Gauge("queue_waiting_tickets", "Tickets that wait for somebody eligible in a team's queue.", LABELS)
OLDEST = Gauge("queue_oldest_seconds", "How long the ticket that waits longest in a team's queue has waited.", LABELS)
# By the jobs that see to them, as `job_last_finished_timestamp_seconds` names these.
JOBS = {
    Purpose.UNTIL: "tickets.resume_scheduled",
    Purpose.ASKING: "tickets.hold_reminders",
    Purpose.CLOSING: "tickets.auto_close",
}
DUE = Gauge("countdown_due_tickets", "Tickets that this job has to look at and has not.", ("job",))
LAG = Gauge("countdown_lag_seconds", "How long the one that has been due longest has been.", ("job",))


@source("queues", WAITING, OLDEST)
def read(now: datetime) -> Iterable[Reading]:
    """By a door that only the system login may use: of other tenants' tickets it sees none itself."""
    for organization_id, team_id, tickets, oldest in _ask("SELECT * FROM assignment_waiting()"):
        labels = (str(organization_id), str(team_id))
        yield Reading(WAITING, tickets, labels)
        yield Reading(OLDEST, max(0.0, (now - oldest).total_seconds()), labels)


@source("countdowns", DUE, LAG)
def countdowns(now: datetime) -> Iterable[Reading]:
    """By such a door too, because what a countdown is for is a word, and the system login reads none."""
    found = {purpose: (tickets, oldest) for purpose, tickets, oldest in _ask("SELECT * FROM countdowns_due(%s)", now)}
    for purpose, job in JOBS.items():
        tickets, oldest = found.get(purpose.value, (0, None))
        yield Reading(DUE, tickets, (job,))
        yield Reading(LAG, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds()), (job,))


def _ask(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connections["system"].cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
