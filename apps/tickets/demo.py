"""The demo's assignment: whose work a new ticket is, from what it is about down to whoever takes everything else."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import demo, records, tenancy
from apps.core.actors import Actor
from apps.organizations.models import Team
from apps.organizations.services import find_organization
from apps.tickets.assignment import configuring
from apps.tickets.choices import AssignmentMethod, Days, Destination
from apps.tickets.closing import configuring as closing
from apps.tickets.models import AssignmentRule, ClosingSettings
from apps.users.models import Skill

DESK, NETWORK = "Service Desk", "Network"
# Whoever tries the demo does it at night, too, and as one person at a time: so nobody has to be there to get work.
ANY_TIME = {"needs_presence": False, "needs_shift": False}

# The others count business days by their office hours.
BY_THE_CALENDAR = frozenset({"globex"})


@demo.part(floor=3)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    for slug in accounts:
        organization_id = find_organization(slug)
        if organization_id is None or slug == "operators":
            continue
        with tenancy.tenant(organization_id), transaction.atomic():
            if slug in BY_THE_CALENDAR:
                _close_by_the_calendar(Actor.system(organization_id, "demo"), at)
            teams = dict(Team.objects.filter(name__in=(DESK, NETWORK)).values_list("name", "id"))
            if len(teams) == 2 and not AssignmentRule.objects.exists():
                _assign(Actor.system(organization_id, "demo"), at, teams)


def _assign(actor: Actor, at: datetime, teams: dict[str, UUID]) -> None:
    """What supports the thing comes before what supports the service, and the desk takes what is left."""
    networking = Skill.objects.filter(name="Networking").values_list("pk", flat=True).first()
    skills = [{"skill": str(networking), "level": 3, "is_required": False}] if networking else []
    rules: list[dict[str, Any]] = [
        {"name": "Whoever supports the configuration item", "destination": Destination.CONFIGURATION_ITEM},
        {"name": "Whoever supports the service", "destination": Destination.SERVICE},
        {
            "name": "Alarms of monitoring",
            "match": {"source": ["monitoring"]},
            "team_id": teams[NETWORK],
            "skills": skills,
        },
        {"name": "Everything else", "team_id": teams[DESK]},
    ]
    for rule in rules:
        configuring.create_rule(actor=actor, at=at, values=rule)
    for name, method in ((DESK, AssignmentMethod.LEAST_LOADED), (NETWORK, AssignmentMethod.SKILL)):
        configuring.create_queue(actor=actor, at=at, values={"team_id": teams[name], "method": method, **ANY_TIME})


def _close_by_the_calendar(actor: Actor, at: datetime) -> None:
    """So that both ways of counting can be seen."""
    row = records.lock(ClosingSettings, closing.settings(actor.organization_id, at=at).pk, actor=actor)
    closing.change(row, actor=actor, at=at, values={"close_days": Days.CALENDAR.value, "close_after": 7})
