"""What the demo's organizations look like before anybody works in them."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.core import demo, records, tenancy
from apps.core.actors import Actor
from apps.organizations import holiday_proposals
from apps.organizations.holiday_sources import public_holidays
from apps.organizations.models import BusinessCalendar, CostCentre, Department, Site, Team
from apps.organizations.services import OFFICE_HOURS, create_organization, find_organization

ORGANIZATIONS = {
    "acme": ("Acme Corporation", "Europe/Berlin", ("Berlin", "Munich")),
    "globex": ("Globex", "America/New_York", ("New York", "Chicago")),
    "operators": ("Platform operators", "UTC", ()),
}
# Whose holidays the office keeps: this year's are confirmed, next year's wait for somebody to do so.
HOLIDAYS = {"acme": ("DE", "BE"), "globex": ("US", "NY")}
SITE_ZONES = {"Chicago": "America/Chicago"}


@demo.part(floor=1)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    for slug, (name, time_zone, sites) in ORGANIZATIONS.items():
        accounts[slug] = {}
        if find_organization(slug) is not None:
            continue
        is_operator = slug == "operators"
        organization = create_organization(
            at=at, part="demo", name=name, slug=slug, time_zone=time_zone, is_operator=is_operator, is_demo=True
        )
        if not is_operator:
            with tenancy.tenant(organization.pk), transaction.atomic():
                actor = Actor.system(organization.pk, "demo")
                _structure(actor, at, time_zone, sites)
                _holidays(actor, at, *HOLIDAYS[slug])


def _structure(actor: Actor, at: datetime, time_zone: str, sites: tuple[str, ...]) -> None:
    for site in sites:
        records.create(Site, actor=actor, at=at, values={"name": site, "time_zone": SITE_ZONES.get(site, time_zone)})
    it_costs = records.create(CostCentre, actor=actor, at=at, values={"code": "4100", "name": "Information technology"})
    head_office = records.create(Department, actor=actor, at=at, values={"name": "Head office"})
    for department in ("Information technology", "Finance"):
        values: dict[str, Any] = {"name": department, "parent_id": head_office.pk}
        if department == "Information technology":
            values["cost_centre_id"] = it_costs.pk
        records.create(Department, actor=actor, at=at, values=values)
    office = BusinessCalendar.objects.get(name=OFFICE_HOURS)
    for team, purpose in (("Service Desk", "First line for everybody"), ("Network", "Lines, switches and Wi-Fi")):
        values = {"name": team, "description": purpose, "calendar_id": office.pk}
        records.create(Team, actor=actor, at=at, values=values)


def _holidays(actor: Actor, at: datetime, country: str, region: str) -> None:
    office = records.lock(BusinessCalendar, BusinessCalendar.objects.get(name=OFFICE_HOURS).pk, actor=actor)
    found = public_holidays(country, region, [at.year, at.year + 1], language="en")
    made = holiday_proposals.propose(office, found, actor=actor, at=at, source=f"holidays {country}-{region}")
    this_year = [proposal.pk for proposal in made if proposal.date.year == at.year]
    holiday_proposals.confirm(office, this_year, actor=actor, at=at)
