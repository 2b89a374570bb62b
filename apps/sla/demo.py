"""The demo's promises: the defaults on calendars with holidays, and a policy that breaches while one watches."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from django.db import transaction

from apps.cmdb.models import Service
from apps.cmdb.services import create_service
from apps.core import demo, records, tenancy
from apps.core.actors import Actor
from apps.organizations.calendar_records import change_calendar
from apps.organizations.models import BusinessCalendar, Team
from apps.organizations.services import OFFICE_HOURS, find_organization
from apps.sla import policies
from apps.sla.choices import Metric
from apps.sla.models import Policy

SERVICE, NAME = "SLA demo", "SLA demo, one minute"
# Where those of everybody are not all: (month, day).
EVERYWHERE = ((1, 1), (12, 25))
OF_ZONE = {"Europe/Berlin": ((5, 1), (10, 3), (12, 26)), "America/New_York": ((6, 19), (7, 4), (11, 11))}
LEVELS = (50, 75, 100, 200)


@demo.part(floor=4)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    for slug in accounts:
        organization_id = find_organization(slug)
        assert organization_id is not None, "the floor below has made it"
        with tenancy.tenant(organization_id), transaction.atomic():
            if Team.objects.exists() and not Policy.objects.filter(name=NAME).exists():
                _promise(Actor.system(organization_id, "demo"), at)


def _promise(actor: Actor, at: datetime) -> None:
    office = records.lock(BusinessCalendar, BusinessCalendar.objects.get(name=OFFICE_HOURS).pk, actor=actor)
    if not office.exceptions:
        change_calendar(office, actor=actor, at=at, values={"exceptions": list(_holidays(office.time_zone, at.year))})
    values = {
        "name": SERVICE,
        "description": "Raise an incident about it, and watch its timers: one minute to solve it.",
        "criticality": 4,
    }
    service = create_service(actor=actor, at=at, values=values)
    policy = policies.create(
        actor=actor,
        at=at,
        values={"name": NAME, "description": "To watch a timer warn, breach and escalate.", "position": 0},
    )
    policies.publish(policies.draft(policy, actor=actor, at=at, content=_content(service)), actor=actor, at=at)


def _holidays(time_zone: str, year: int) -> Iterator[dict[str, str]]:
    days = sorted({*EVERYWHERE, *OF_ZONE.get(time_zone, ())})
    for each in (year, year + 1):
        yield from ({"date": date(each, month, day).isoformat(), "kind": "closed"} for month, day in days)


def _content(service: Service) -> dict[str, Any]:
    metrics = {Metric.FIRST_RESPONSE.value: 30, Metric.RESOLUTION.value: 60}
    return {
        "match": [{"service": [str(service.pk)]}],
        "targets": [{"metric": metric, "seconds": seconds} for metric, seconds in metrics.items()],
        "levels": [
            {
                "metric": metric,
                "percent": percent,
                "actions": [{"do": "notify", "to": ["assignee", "team_lead"]}],
                "is_around_the_clock": True,
            }
            for metric in metrics
            for percent in LEVELS
        ],
    }
