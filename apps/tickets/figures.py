"""How much waits in the teams' queues, and for how long."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connections

from apps.core.figures import Gauge, Reading, source

LABELS = ("organization", "team")
WAITING = Gauge("queue_waiting_tickets", "Tickets that wait for somebody eligible in a team's queue.", LABELS)
OLDEST = Gauge("queue_oldest_seconds", "How long the ticket that waits longest in a team's queue has waited.", LABELS)


@source("queues", WAITING, OLDEST)
def read(now: datetime) -> Iterable[Reading]:
    """By a door that only the system login may use: of other tenants' tickets it sees none itself."""
    with connections["system"].cursor() as cursor:
        cursor.execute("SELECT organization_id, team_id, tickets, oldest FROM assignment_waiting()")
        rows = cursor.fetchall()
    for organization_id, team_id, tickets, oldest in rows:
        labels = (str(organization_id), str(team_id))
        yield Reading(WAITING, tickets, labels)
        yield Reading(OLDEST, max(0.0, (now - oldest).total_seconds()), labels)
