"""The demo's people. Their passwords are published, so they exist in demo and test mode alone."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from apps.core import demo, tenancy
from apps.core.actors import Actor
from apps.organizations.services import find_organization
from apps.users.models import UserType
from apps.users.services import create_user, find_user

CAST = {
    "admin": ("Dana Admin", UserType.ADMIN),
    "manager": ("Carol Manager", UserType.MANAGER),
    "agent": ("Alice Agent", UserType.AGENT),
    "agent2": ("Arthur Agent", UserType.AGENT),
    "requester": ("Bob Requester", UserType.END_USER),
    "requester2": ("Rita Requester", UserType.END_USER),
}
OPERATORS = {"operator": ("Olga Operator", UserType.ADMIN)}


@demo.part(floor=2)
def load(at: datetime, accounts: dict[str, Any]) -> None:
    if settings.ITSM_MODE == "production":
        raise ImproperlyConfigured("The demo's accounts are never made in production.")
    for slug, people in accounts.items():
        cast = OPERATORS if slug == "operators" else CAST
        for role, (name, user_type) in cast.items():
            account = {"email": f"{role}@{slug}.example", "password": f"demo-{slug}-{role}"}
            people[role] = account
            if find_user(account["email"]) is None:
                _create(slug, at, name, user_type, account)


def _create(slug: str, at: datetime, name: str, user_type: str, account: dict[str, str]) -> None:
    organization_id = find_organization(slug)
    assert organization_id is not None
    with tenancy.tenant(organization_id), transaction.atomic():
        actor = Actor.system(organization_id, "demo")
        create_user(actor=actor, at=at, full_name=name, user_type=user_type, **account)
