"""The demo's service levels: what every new organization has, on hours with holidays, and one minute for whoever wants to watch."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from django.db import transaction

from apps.core import demo, records, tenancy
from apps.core.actors import Actor
from apps.organizations.calendar_records import change_calendar
from apps.organizations.models import BusinessCalendar
from apps.organizations.services import OFFICE_HOURS, find_organization
from apps.sla import policies
from apps.sla.choices import Metric
from apps.sla.models import Policy
from apps.tickets.models import Category

WATCH, CATEGORY = "One minute, to watch", "Service level in a minute"
LEVELS = (50, 75, 100, 200)
# Everywhere, and by zone: (month, day).
HOLIDAYS = ((1, 1), (12, 25))
OF_ZONE = {"Europe/Berlin": ((5, 1), (10, 3), (12, 26)), "America/New_York": ((6, 19), (7, 4), (11, 11))}


@demo.part(floor=4)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    for slug in accounts:
        organization_id = find_organization(slug)
        if organization_id is None or slug == "operators":
            continue
        with tenancy.tenant(organization_id), transaction.atomic():
            if not Policy.objects.filter(name=WATCH).exists():
                actor = Actor.system(organization_id, "demo")
                _close_on_holidays(actor, at)
                _watch(actor, at)


def _close_on_holidays(actor: Actor, at: datetime) -> None:
    """This year's and the next one's."""
    office = records.lock(BusinessCalendar, BusinessCalendar.objects.get(name=OFFICE_HOURS).pk, actor=actor)
    if not office.exceptions:
        change_calendar(office, actor=actor, at=at, values={"exceptions": list(_holidays(office.time_zone, at.year))})


def _holidays(time_zone: str, year: int) -> Iterator[dict[str, str]]:
    days = sorted({*HOLIDAYS, *OF_ZONE.get(time_zone, ())})
    for each in (year, year + 1):
        yield from ({"date": date(each, month, day).isoformat(), "kind": "closed"} for month, day in days)


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
