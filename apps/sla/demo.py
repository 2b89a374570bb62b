"""The demo's service levels and chains: what every new organization has, and minutes for whoever wants to watch."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.core import demo, records, tenancy
from apps.core.actors import Actor
from apps.organizations.services import find_organization
from apps.sla import policies
from apps.sla.choices import Chain, Metric
from apps.sla.escalation import policies as chains
from apps.sla.models import EscalationPolicy, Policy
from apps.tickets.models import Category

WATCH, CATEGORY = "One minute, to watch", "Service level in a minute"
LEVELS = (50, 75, 100, 200)
ATTENDED = "Critical, and nobody comes"
# An agent has a minute, who is on call two, then the head is told.
STEPS = (
    {"after_minutes": 1, "actions": [{"do": "notify", "to": ["assignee"]}]},
    {"after_minutes": 1, "repeats": 1, "repeat_minutes": 1, "actions": [{"do": "page"}]},
    {
        "after_minutes": 1,
        "actions": [{"do": "notify", "to": ["department_head"]}, {"do": "watch", "to": ["department_head"]}],
    },
)


@demo.part(floor=4)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    for slug in accounts:
        organization_id = find_organization(slug)
        if organization_id is None or slug == "operators":
            continue
        with tenancy.tenant(organization_id), transaction.atomic():
            if not Policy.objects.filter(name=WATCH).exists():
                _watch(Actor.system(organization_id, "demo"), at)
            if not EscalationPolicy.objects.filter(name=ATTENDED).exists():
                _attend(Actor.system(organization_id, "demo"), at)


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


def _attend(actor: Actor, at: datetime) -> None:
    """Incidents of the highest priority find somebody by themselves."""
    values = {
        "name": ATTENDED,
        "description": "From the agent to whoever is on call to the head of the department, until somebody has it in hand.",
        "chain": Chain.HIERARCHICAL,
        "match": [{"kind": ["incident"], "priority": [1]}],
        "steps": list(STEPS),
        "position": 10,
    }
    chains.create(actor=actor, at=at, values=values)
