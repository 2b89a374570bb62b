"""What a new organization promises until it says otherwise: the field's usual targets for incidents."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.actors import Actor
from apps.organizations.models import BusinessCalendar
from apps.organizations.services import OFFICE_HOURS
from apps.sla import policies
from apps.sla.choices import Metric
from apps.sla.models import Policy
from apps.tickets.choices import Kind

NAME = "Incidents, standard"
# What an organization adds is usually to be asked before.
POSITION = 100
MINUTE, HOUR = 60, 3600
# Priority: first response, resolution, and whether by the office's hours; the two most urgent count around the clock.
TARGETS: Mapping[int, tuple[int, int, bool]] = {
    1: (15 * MINUTE, 4 * HOUR, False),
    2: (30 * MINUTE, 8 * HOUR, False),
    3: (4 * HOUR, 24 * HOUR, True),
    4: (8 * HOUR, 40 * HOUR, True),
    5: (16 * HOUR, 80 * HOUR, True),
}
LEVELS = (50, 75, 90, 100, 125, 150)


def create_default_policies(organization_id: UUID, *, at: datetime) -> Policy:
    """One policy for incidents, published at `at` (UTC); what is promised for anything else is for the organization to say."""
    actor = Actor.system(organization_id, "sla")
    office = BusinessCalendar.objects.filter(name=OFFICE_HOURS).first()
    policy = policies.create(
        actor=actor,
        at=at,
        values={"name": NAME, "description": "The field's usual targets.", "agreement": "sla", "position": POSITION},
    )
    content = content_for(str(office.pk) if office else None)
    policies.publish(policies.draft(policy, actor=actor, at=at, content=content), actor=actor, at=at)
    return policy


def content_for(office_id: str | None) -> dict[str, Any]:
    """The content of the version."""
    targets = [
        {
            "metric": metric,
            "applies": [{"priority": [priority]}],
            "seconds": seconds,
            "calendar": office_id if is_office else None,
        }
        for priority, (response, resolution, is_office) in TARGETS.items()
        for metric, seconds in ((Metric.FIRST_RESPONSE.value, response), (Metric.RESOLUTION.value, resolution))
    ]
    levels = [
        {"metric": metric, "percent": percent, "actions": _actions(percent)}
        for metric in (Metric.FIRST_RESPONSE.value, Metric.RESOLUTION.value)
        for percent in LEVELS
    ]
    return {"match": [{"kind": [Kind.INCIDENT.value]}], "targets": targets, "levels": levels}


def _actions(percent: int) -> list[dict[str, Any]]:
    """The assignee is told at half time, their lead too from three quarters on, then who answers for them, then for all of it."""
    from_percent = ((0, "assignee"), (75, "team_lead"), (100, "manager"), (125, "department_head"))
    return [{"do": "notify", "to": [word for least, word in from_percent if percent >= least]}]
