"""How far the sweep of timers and the chains of escalation are behind."""

from collections.abc import Iterable
from datetime import datetime

from apps.core.figures import Gauge, Reading, source
from apps.sla import sweeping
from apps.sla.escalation import climbing

DUE = Gauge("sla_due_timers", "Timers with a level that is due and has not fired.")
LAG = Gauge("sla_sweep_lag_seconds", "How long the oldest level has been due without firing.")
STEPS = Gauge("escalation_due_steps", "Steps of chains, and notices that were kept, that are due and not taken.")
BEHIND = Gauge("escalation_lag_seconds", "How long the oldest of them has been due.")


@source("sla", DUE, LAG)
def timers(now: datetime) -> Iterable[Reading]:
    found = sweeping.DUE.lag(now)
    yield Reading(DUE, found.due)
    yield Reading(LAG, found.seconds)


@source("escalation", STEPS, BEHIND)
def chains(now: datetime) -> Iterable[Reading]:
    found = climbing.DUE.lag(now)
    yield Reading(STEPS, found.due)
    yield Reading(BEHIND, found.seconds)
