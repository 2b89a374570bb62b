"""The demo's service levels: what every new organization has, and one minute for whoever wants to watch."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.core import demo, records, tenancy
from apps.core.actors import Actor
from apps.organizations.services import find_organization
from apps.sla import policies
from apps.sla.choices import Metric
from apps.sla.models import Policy
from apps.tickets.models import Category

WATCH, CATEGORY = "One minute, to watch", "Service level in a minute"
LEVELS = (50, 75, 100, 200)


@demo.part(floor=4)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    for slug in accounts:
        organization_id = find_organization(slug)
        if organization_id is None or slug == "operators":
            continue
        with tenancy.tenant(organization_id), transaction.atomic():
            if not Policy.objects.filter(name=WATCH).exists():
                _watch(Actor.system(organization_id, "demo"), at)


def _watch(actor: Actor, at: datetime) -> None:
    """Incidents of one category are to be resolved within a minute."""
    category = records.create(Category, actor=actor, at=at, values={"name": CATEGORY})
    metric = Metric.RESOLUTION.value
    content = {
        "match": [{"kind": ["incident"], "category": [str(category.pk)]}],
        "targets": [{"metric": metric, "seconds": 60}],
        "levels": [
            {"metric": metric, "percent": percent, "actions": [{"do": "notify", "to": ["assignee"]}]}
            for percent in LEVELS
        ],
    }
    policy = policies.create(actor=actor, at=at, values={"name": WATCH, "position": 10})
    policies.publish(policies.draft(policy, actor=actor, at=at, content=content), actor=actor, at=at)
