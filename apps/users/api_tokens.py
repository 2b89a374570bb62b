"""API tokens: made, shown once, found on every request, revoked."""

import hashlib
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, FieldError, Invalid, NotSignedIn
from apps.core.models import new_id
from apps.organizations.lifecycle import OrganizationStatus
from apps.organizations.models import Organization
from apps.users import sessions, token_format
from apps.users.access import refuse_exceeding
from apps.users.events import API_TOKEN_CREATED, API_TOKEN_REVOKED
from apps.users.models import ApiToken, User
from apps.users.rights import rights_of

LONGEST = timedelta(days=365)
# How exact "last used" is, and so how seldom it is written.
USE_STAMPED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Found:
    """What a token leads to before the tenant is known: its secret is right; whether it still holds is not known yet."""

    token_id: UUID
    organization_id: UUID
    user_id: UUID


def create(
    *,
    actor: Actor,
    at: datetime,
    owner: User,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime,
    allowed_addresses: Sequence[str] = (),
) -> tuple[ApiToken, str]:
    """A token of `owner`, and its text, which is nowhere kept. Raises Invalid, Denied, ReauthRequired.

    Everybody makes their own, having signed in lately. For a service account it takes the grant to configure, and holding what
    the token can do.
    """
    sessions.require_recent(actor, at=at)
    if not at < expires_at <= at + LONGEST:
        raise Invalid(
            errors=[FieldError("/expires_at", "out_of_range", "Accepted: a later instant, at most 365 days from now.")]
        )
    if owner.pk != actor.id:
        _refuse_for_another(owner, scopes, actor=actor, at=at)
    prefix, text = token_format.make()
    token = ApiToken(
        organization_id=owner.organization_id,
        user=owner,
        name=name,
        prefix=prefix,
        secret_hash=_digest(text),
        scopes=list(scopes),
        allowed_addresses=list(allowed_addresses),
        expires_at=expires_at,
        created_at=at,
        updated_at=at,
    )
    token.save(force_insert=True)
    shown = ("name", "user_id", "prefix", "scopes", "allowed_addresses", "expires_at")
    changes = {field.removesuffix("_id"): (None, getattr(token, field)) for field in shown}
    events.record(API_TOKEN_CREATED, token, actor=actor, at=at, changes=changes)
    return token, text


def _refuse_for_another(owner: User, scopes: Sequence[str], *, actor: Actor, at: datetime) -> None:
    require(actor, Action.CONFIGURE, "api_tokens")
    if not owner.is_service_account:
        detail = "Only your own id, or a service account's: people make their own tokens."
        raise Invalid(errors=[FieldError("/user", "not_a_service_account", detail)])
    # Whoever holds the token acts as the account; it is no way to more than its maker may.
    refuse_exceeding(actor, rights_of(owner, at=at).narrowed(scopes))


def revoke(token: ApiToken, *, actor: Actor, at: datetime) -> None:
    """End a locked token; its next use is refused. Raises Denied for another's without the grant, Conflict when it is over."""
    if token.user_id != actor.id:
        require(actor, Action.CONFIGURE, "api_tokens", token)
    if token.revoked_at is not None:
        raise Conflict("It is revoked already.", code="already_revoked")
    token.revoked_at = token.updated_at = at
    token.version += 1
    token.save(update_fields=["revoked_at", "updated_at", "version"])
    events.record(API_TOKEN_REVOKED, token, actor=actor, at=at, owner_id=token.user_id)


def find(text: str) -> Found:
    """Where a token belongs. Its form and checksum come first, so that a guess costs no look-up. Raises NotSignedIn.

    Id and secret are looked up as one: whoever knows an id alone is a stranger, in whose owner's name nothing is counted.
    """
    prefix = token_format.read(text)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT token_id, organization_id, user_id FROM auth_find_token(%s, %s)", [prefix, _digest(text)]
        )
        row = cursor.fetchone()
    if row is None:
        raise _invalid()
    return Found(row[0], row[1], row[2])


def live(found: Found, *, at: datetime, address: str | None) -> tuple[ApiToken, Organization]:
    """The token with its owner and its last use, and the organization, in one statement.

    Raises NotSignedIn naming the owner: revoked, expired, not from here, or an owner who may not sign in.
    """
    with connection.cursor() as cursor:
        cursor.execute(LIVE_SQL, [found.organization_id, found.token_id])
        row = cursor.fetchone()
    if row is None:
        raise _invalid()
    values = iter(row[1:])
    instances: list[Any] = [
        model.from_db("default", columns, list(islice(values, len(columns)))) for model, columns in LIVE
    ]
    token, user, organization = instances
    token.user, token.last_used_at = user, row[0]
    # A statement of our own gets JSON as text.
    token.scopes, token.allowed_addresses = json.loads(token.scopes), json.loads(token.allowed_addresses)
    refusal = _refusal(token, organization, at=at, address=address)
    if refusal is not None:
        raise refusal.naming(user.as_actor(token_id=token.pk))
    return token, organization


def _refusal(token: ApiToken, organization: Organization, *, at: datetime, address: str | None) -> NotSignedIn | None:
    is_open = organization.status == OrganizationStatus.ACTIVE and organization.deleted_at is None
    if token.revoked_at is not None or not token.user.may_sign_in or not is_open:
        return NotSignedIn("The API token was revoked, or its owner may not sign in.", code="token_revoked")
    if at >= token.expires_at:
        return NotSignedIn("The API token has expired; make another.", code="token_expired")
    if not is_allowed(token.allowed_addresses, address):
        return NotSignedIn("The API token is not accepted from this address.", code="address_not_allowed")
    return None


def is_allowed(allowed: Sequence[str], address: str | None) -> bool:
    """Whether `address` is one of `allowed` (addresses and networks; none: any). An unknown one is in no network."""
    if not allowed:
        return True
    if address is None:
        return False
    ip = ipaddress.ip_address(address)
    # Behind a dual-stack socket an IPv4 client arrives as ::ffff:192.0.2.1.
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in ipaddress.ip_network(network) for network in allowed)


def is_use_due(token: ApiToken, *, at: datetime) -> bool:
    return token.last_used_at is None or at - token.last_used_at >= USE_STAMPED_EVERY


def stamp_use(token: ApiToken, *, at: datetime, address: str | None) -> None:
    """Write the last use, unless another request did within the minute. Of many at once one writes."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO users_apitokenuse AS last (id, organization_id, credential_id, at, address)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (organization_id, credential_id) DO UPDATE SET at = EXCLUDED.at, address = EXCLUDED.address
            WHERE last.at <= %s
            """,
            [new_id(), token.organization_id, token.pk, at, address, at - USE_STAMPED_EVERY],
        )


def _in_model_order(model: type[Model], names: set[str]) -> list[str]:
    """As `from_db` expects them."""
    return [field.attname for field in model._meta.concrete_fields if field.attname in names]


LIVE: list[tuple[type[Model], list[str]]] = [
    (
        ApiToken,
        _in_model_order(
            ApiToken,
            {
                "id", "organization_id", "user_id", "scopes",
                "allowed_addresses", "expires_at", "revoked_at",
            },
        ),
    ),
    (User, _in_model_order(User, {"id", "organization_id", "full_name", "department_id", "is_active", "deleted_at"})),
    (
        Organization,
        _in_model_order(Organization, {"id", "slug", "status", "is_operator", "requires_if_match", "deleted_at"}),
    ),
]  # fmt: skip
LIVE_SQL = f"""
SELECT users_apitokenuse.at, {", ".join(f"{model._meta.db_table}.{column}" for model, columns in LIVE for column in columns)}
FROM users_apitoken
JOIN users_user ON users_user.organization_id = users_apitoken.organization_id AND users_user.id = users_apitoken.user_id
JOIN organizations_organization ON organizations_organization.id = users_apitoken.organization_id
LEFT JOIN users_apitokenuse ON users_apitokenuse.organization_id = users_apitoken.organization_id
  AND users_apitokenuse.credential_id = users_apitoken.id
WHERE users_apitoken.organization_id = %s AND users_apitoken.id = %s
"""  # noqa: S608 - names of our own columns


def _invalid() -> NotSignedIn:
    return NotSignedIn("The API token is not valid.", code="token_invalid")


def _digest(text: str) -> str:
    # A random 256-bit secret needs no slow hash.
    return hashlib.sha256(text.encode()).hexdigest()
