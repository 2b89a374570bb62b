"""Accounts of integrations: they hold roles and API tokens, and nobody signs in as them."""

from datetime import datetime

from django.contrib.auth.hashers import make_password

from apps.core import events
from apps.core.actors import Actor
from apps.core.models import new_id
from apps.users.models import ServiceAccount

# RFC 2606 keeps .invalid from ever being anybody's: no mail can reach it, and no person's address can clash.
DOMAIN = "service.invalid"


def create(*, actor: Actor, at: datetime, name: str, is_active: bool = True) -> ServiceAccount:
    """A service account without any role; what it may do is assigned to it as to anybody."""
    account_id = new_id()
    address = f"{account_id.hex}@{DOMAIN}"
    account = ServiceAccount(
        id=account_id,
        organization_id=actor.organization_id,
        full_name=name,
        is_active=is_active,
        is_service_account=True,
        email=address,
        email_normalised=address,
        password=make_password(None),
        created_at=at,
        updated_at=at,
    )
    account.save(force_insert=True)
    changes = {"full_name": (None, name), "email": (None, address), "is_active": (None, is_active)}
    events.record("service_account.created", account, actor=actor, at=at, changes=changes)
    return account
