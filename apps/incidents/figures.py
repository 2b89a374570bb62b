"""How far the alarms of major incidents are behind."""

from collections.abc import Iterable
from datetime import datetime

from apps.core.figures import Gauge, Reading, source
from apps.incidents import overdue

DUE = Gauge("major_due_alarms", "Alarms of overdue updates of major incidents that are due and were not raised.")
LAG = Gauge("major_alarm_lag_seconds", "How long the oldest of them has been due.")


@source("majors", DUE, LAG)
def read(now: datetime) -> Iterable[Reading]:
    found = overdue.DUE.lag(now)
    yield Reading(DUE, found.due)
    yield Reading(LAG, found.seconds)
