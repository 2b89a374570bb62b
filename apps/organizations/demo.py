"""What the demo's organizations look like before anybody works in them."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.core import demo, records, tenancy
from apps.core.actors import Actor
from apps.organizations.models import BusinessCalendar, CostCentre, Department, Site, Team
from apps.organizations.services import OFFICE_HOURS, create_organization, find_organization

ORGANIZATIONS = {
    "acme": ("Acme Corporation", "Europe/Berlin", ("Berlin", "Munich")),
    "globex": ("Globex", "America/New_York", ("New York", "Chicago")),
    "operators": ("Platform operators", "UTC", ()),
}
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
                _structure(Actor.system(organization.pk, "demo"), at, time_zone, sites)


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
