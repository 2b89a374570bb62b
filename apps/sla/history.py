"""What conditions would have read of a ticket at each of its facts: the log walked backwards from how it stands now."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.audit.models import Event
from apps.sla.clock import Cause
from apps.sla.conditions import Facts
from apps.sla.engine import Past
from apps.sla.models import Reading
from apps.sla.situation import OWN


def undone(facts: Facts, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The facts before these changes, as an event keeps them."""
    found = dict(facts)
    for name, (old, _) in changes.items():
        if name in OWN:
            found[name] = old if old is None or isinstance(old, bool | int) else str(old)
    if "assignee" in changes:
        found["is_assigned"] = changes["assignee"][0] is not None
    return found


def past_of(organization_id: UUID, ticket_id: UUID, now: Facts, *, until: datetime, before: UUID) -> Sequence[Past]:
    """The facts after each earlier fact of a ticket that changed any, oldest first; `before` is the one that is going on.

    What other records said is as it was read last before.
    """
    told = (
        Event.objects.in_tenant(organization_id)
        .filter(subject_id=ticket_id, pk__lt=before, at__lte=until, changes__has_any_keys=[*OWN, "assignee"])
        .order_by("-at", "-id")
    )
    readings = list(Reading.objects.filter(ticket_id=ticket_id, event_id__lt=before).order_by("-at", "-id"))
    found, facts = [], dict(now)
    for event in told.only("id", "at", "name", "changes"):
        related: Mapping[str, Any] = next((row.values for row in readings if row.at <= event.at), {})
        because = event.name.partition(".")[2]
        found.append(Past(event.at, {**facts, **related}, Cause(because, event.pk, facts["team"])))
        facts = undone(facts, event.changes)
    return found[::-1]
