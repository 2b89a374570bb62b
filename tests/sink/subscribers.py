"""Takes every team event."""

from django.utils import timezone

from apps.audit.models import Event
from apps.core.events import after
from tests.sink.models import Arrival

# Tests make the consumer fail by naming a team so.
POISON = "poison"


@after("team.*", consumer="tests.sink")
def count(event: Event) -> None:
    if event.changes.get("name", [None, None])[1] == POISON:
        raise RuntimeError("the sink was told to fail")
    Arrival.objects.create(organization_id=event.organization_id, event_id=event.pk, arrived_at=timezone.now())
