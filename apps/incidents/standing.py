"""How a major incident stands: what its page shows beside its columns."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.core.actors import Actor
from apps.incidents import major
from apps.incidents.models import Handover, Incident, MajorUpdate
from apps.incidents.report import Update, updates
from apps.incidents.update_clock import begun

# The newest of each.
MOST = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """The incident's own columns by their names, and what hangs from it."""

    incident: Incident
    # Not the column: for those alone who may know it.
    bridge_url: str | None
    overdue_intervals: int
    updates: list[Update]
    handovers: list[Handover]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.incident, name)

    @property
    def is_update_overdue(self) -> bool:
        return self.overdue_intervals > 0


def read(incident: Incident, *, actor: Actor, at: datetime) -> Standing:
    """As of `at` (UTC), for the eyes of `actor`."""
    awaited = MajorUpdate.objects.filter(incident_id=incident.pk, ended_at=None).first()
    late = begun(awaited.due_at, timedelta(minutes=awaited.interval_minutes), at) if awaited is not None else 0
    handovers = Handover.objects.filter(incident_id=incident.pk).order_by("-offered_at", "-id")[:MOST]
    promised = updates(incident, since=incident.major_since, at=at)[-MOST:]
    return Standing(incident, major.bridge_shown(incident, actor=actor), late, promised, list(handovers)[::-1])
