"""How far delivery is behind."""

from collections.abc import Iterable
from datetime import datetime

from apps.audit.relay import status
from apps.core.figures import Gauge, Reading, source

WAITING = Gauge("outbox_waiting_deliveries", "Deliveries of events that are neither done nor dead.")
LAG = Gauge("outbox_lag_seconds", "How long the oldest delivery has been due.")
DEAD = Gauge("outbox_dead_deliveries", "Deliveries that were given up and wait for somebody to replay them.")


@source("outbox", WAITING, LAG, DEAD)
def read(now: datetime) -> Iterable[Reading]:
    found = status()
    yield Reading(WAITING, found.waiting)
    yield Reading(LAG, found.overdue_seconds)
    yield Reading(DEAD, found.dead)
