"""What was written, against what arrived."""

from collections import Counter
from uuid import UUID

from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.core import records
from apps.organizations.models import Team
from tests.conftest import Tenant
from tests.faults.processes import wait_until
from tests.sink.models import Arrival


class Ledger:
    """Writes team events in one tenant and compares them with the sink's arrivals by event id."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.written = 0

    def write(self, count: int = 1, *, name: str = "") -> None:
        """Each event in a transaction of its own, as requests would write them."""
        for _ in range(count):
            self.written += 1
            with self.tenant.entered():
                values = {"name": name or f"Team {self.written}"}
                records.create(Team, actor=self.tenant.system, at=timezone.now(), values=values)

    def arrivals(self) -> Counter[UUID]:
        with self.tenant.entered():
            return Counter(Arrival.objects.values_list("event_id", flat=True))

    def event_ids(self) -> set[UUID]:
        with self.tenant.entered():
            return set(Event.objects.filter(name="team.created").values_list("id", flat=True))

    def wait(self, seconds: float) -> float:
        """Until all have arrived and are marked so; returns after how many seconds."""
        return wait_until(self.is_settled, f"all {self.written} events arrived", seconds)

    def is_settled(self) -> bool:
        with self.tenant.entered():
            return Arrival.objects.count() >= self.written and not Dispatch.objects.filter(done_at=None).exists()

    def lost(self) -> set[UUID]:
        return self.event_ids() - set(self.arrivals())

    def doubled(self) -> dict[UUID, int]:
        return {event_id: times for event_id, times in self.arrivals().items() if times > 1}

    def assert_exact(self) -> None:
        """Every written event arrived, once; nothing else did."""
        assert len(self.event_ids()) == self.written
        assert self.lost() == set()
        assert self.doubled() == {}
        assert set(self.arrivals()) == self.event_ids()
