"""What the demo's organizations run, so that a ticket has something to be about."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.cmdb.models import CiClass, CiStatus, ConfigurationItem, Environment, Service
from apps.cmdb.services import create_item, create_service
from apps.core import demo, tenancy
from apps.core.actors import Actor
from apps.organizations.models import Site, Team
from apps.organizations.services import find_organization
from apps.users.services import find_user

DESK, NETWORK = "Service Desk", "Network"


@dataclass(frozen=True, slots=True)
class Offer:
    """A service: what it is for, how much hangs on it, who looks after it."""

    description: str
    criticality: int
    team: str = DESK


@dataclass(frozen=True, slots=True)
class Item:
    """A configuration item; `owner` names an account of the demo, `site` counts the organization's sites by name."""

    name: str
    ci_class: str
    service: str
    criticality: int = 3
    team: str = DESK
    owner: str = ""
    site: int = 0
    values: dict[str, Any] = field(default_factory=dict)


SERVICES = {
    "E-mail": Offer("Mailboxes, calendars and shared folders", 1),
    "Internet and Wi-Fi": Offer("Lines, switches and access points", 1, NETWORK),
    "Payroll": Offer("Salaries, on the last working day of each month", 2),
    "Printing": Offer("Printers on every floor", 4),
    "Workplace": Offer("Computers and telephones of everybody", 3),
}
TEST, MAINTENANCE = {"environment": Environment.TEST}, {"status": CiStatus.IN_MAINTENANCE}
ITEMS = (
    Item("mail-01", "server", "E-mail", 1),
    Item("mail-02", "server", "E-mail", 1, site=1),
    Item("mailstore", "database", "E-mail", 1),
    Item("mail.example certificate", "certificate", "E-mail", 2),
    Item("core-switch-01", "network_device", "Internet and Wi-Fi", 1, NETWORK, "agent2"),
    Item("core-switch-02", "network_device", "Internet and Wi-Fi", 1, NETWORK, "agent2", 1),
    Item("Office VLAN", "vlan", "Internet and Wi-Fi", 2, NETWORK, "agent2"),
    Item("access-point-07", "network_device", "Internet and Wi-Fi", 3, NETWORK, values=MAINTENANCE),
    Item("payroll-app", "application", "Payroll", 2, owner="requester2"),
    Item("payroll-app", "application", "Payroll", 4, owner="requester2", values=TEST),
    Item("payroll-db", "database", "Payroll", 2),
    Item("Printer 2nd floor", "printer", "Printing", 4),
    Item("Printer reception", "printer", "Printing", 4, site=1),
    Item("Notebook Bob", "workstation", "Workplace", 3, owner="requester", values={"asset_tag": "NB-0107"}),
    Item("Old notebook", "workstation", "Workplace", 4, values={"asset_tag": "NB-0012", "status": CiStatus.RETIRED}),
)


@demo.part(floor=3)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    for slug, people in accounts.items():
        organization_id = find_organization(slug)
        assert organization_id is not None, "the floors below have made it"
        with tenancy.tenant(organization_id), transaction.atomic():
            # Operators run the platform; what runs there is no business of theirs.
            if slug != "operators" and not ConfigurationItem.objects.exists():
                _inventory(Actor.system(organization_id, "demo"), at, people)


def _inventory(actor: Actor, at: datetime, people: dict[str, dict[str, str]]) -> None:
    owners = {role: known[0] for role, account in people.items() if (known := find_user(account["email"])) is not None}
    teams = dict(Team.objects.alive().values_list("name", "id"))
    classes = dict(CiClass.objects.values_list("key", "id"))
    sites = list(Site.objects.order_by("name").values_list("id", flat=True))
    services = {name: _service(actor, at, name, offer, teams).pk for name, offer in SERVICES.items()}
    for position, item in enumerate(ITEMS, start=1):
        values = {
            "name": item.name,
            "ci_class_id": classes[item.ci_class],
            "environment": Environment.PRODUCTION,
            "criticality": item.criticality,
            "serial_number": f"DEMO-{position:04d}",
            "owner_id": owners.get(item.owner),
            "support_team_id": teams.get(item.team),
            "service_id": services[item.service],
            "site_id": sites[item.site] if item.site < len(sites) else None,
        }
        create_item(actor=actor, at=at, values={**values, **item.values})


def _service(actor: Actor, at: datetime, name: str, offer: Offer, teams: dict[str, UUID]) -> Service:
    values = {
        "name": name,
        "description": offer.description,
        "criticality": offer.criticality,
        "support_team_id": teams.get(offer.team),
    }
    return create_service(actor=actor, at=at, values=values)
