"""Takes every team event."""

import os
import signal

from django.utils import timezone

from apps.audit.models import Event
from apps.core.events import after
from tests.sink.models import Arrival

# Tests make the consumer fail by naming a team so, and end the process that it runs in by the other name.
POISON = "poison"
DEADLY = "deadly"


@after("team.*", consumer="tests.sink")
def count(event: Event) -> None:
    name = event.changes.get("name", [None, None])[1]
    if name == POISON:
        raise RuntimeError("the sink was told to fail")
    Arrival.objects.create(organization_id=event.organization_id, event_id=event.pk, arrived_at=timezone.now())
    if name == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
