"""A scheduled job that only counts its runs."""

from datetime import datetime

from apps.core.schedule import Every, database_now, scheduled
from tests.sink.models import Pulse

PULSE = "sink.pulse"
PULSE_SECONDS = 2


@scheduled(PULSE, Every(seconds=PULSE_SECONDS))
def pulse(due_at: datetime) -> None:
    Pulse.objects.create(due_at=due_at, ran_at=database_now())
