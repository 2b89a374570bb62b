"""Sign in, stay signed in, sign out. Each opens its own transaction: before it there is no tenant to be in."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import connection, transaction

from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.core.errors import Conflict, NotSignedIn
from apps.core.models import new_id
from apps.organizations.lifecycle import OrganizationStatus
from apps.organizations.models import Organization
from apps.users import tokens
from apps.users.access import assign_built_in
from apps.users.events import SESSIONS_ENDED, SIGN_IN_FAILED, SIGNED_IN, SIGNED_OUT, TOKEN_REUSED
from apps.users.models import Session, User, UserType, normalise_email

# Losers of a race for the same refresh token get their successor's word instead of losing the session.
RACE_WINDOW = timedelta(seconds=10)
REFUSED = "E-mail address or password are wrong, or the account may not sign in."


@dataclass(frozen=True, slots=True)
class Pair:
    """What a client keeps: a short-lived access token and the secret that gets the next pair."""

    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class Device:
    """Where a sign-in came from, as far as it can be told."""

    address: str | None = None
    user_agent: str = ""
    via: str = "api"


def find_user(email: str) -> tuple[UUID, UUID] | None:
    """(user, organization) behind an address, before any tenant is known."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_id, organization_id FROM auth_find_user(%s)", [normalise_email(email)])
        row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def create_user(
    *,
    actor: Actor,
    at: datetime,
    email: str,
    full_name: str,
    user_type: str = UserType.END_USER,
    password: str | None = None,
    **fields: object,
) -> User:
    """A user of the actor's organization; without a password nobody can sign in as them yet."""
    user = User(
        organization_id=actor.organization_id,
        email=email.strip(),
        email_normalised=normalise_email(email),
        full_name=full_name,
        user_type=user_type,
        password=make_password(password),
        created_at=at,
        updated_at=at,
        **fields,
    )
    user.save(force_insert=True)
    events.record(
        "user.created",
        user,
        actor=actor,
        at=at,
        changes={"email": (None, user.email), "user_type": (None, str(user_type))},
    )
    assign_built_in(user, actor=actor, at=at)
    return user


def sign_in(*, email: str, password: str, at: datetime, device: Device) -> tuple[User, Session, Pair]:
    """Check the password and open a session. Raises NotSignedIn with one answer for every reason."""
    found = find_user(email)
    if found is None:
        # The same work as for a known address, so that the time tells nothing.
        check_password(password, _nobodys_hash())
        raise NotSignedIn(REFUSED, code="invalid_credentials")
    user_id, organization_id = found
    with tenancy.tenant(organization_id, actor_id=user_id, via=device.via), transaction.atomic():
        user = User.objects.get(pk=user_id)
        is_right = check_password(password, user.password)
        if is_right and user.may_sign_in and _is_open(organization_id):
            return user, *_open_session(user, at=at, device=device)
        events.record(SIGN_IN_FAILED, user, actor=user.as_actor(), at=at, address=device.address)
    raise NotSignedIn(REFUSED, code="invalid_credentials")


def refresh(*, token: str, at: datetime) -> Pair:
    """Rotate the refresh token: one winner by compare-and-swap.

    Raises Conflict `retry_with_new` for a loser within RACE_WINDOW of the winner; NotSignedIn `token_reused` for an older
    token, which also revokes the session; NotSignedIn `token_invalid` for what we never issued.
    """
    organization_id, session_id, digest = _parse_refresh(token)
    with tenancy.tenant(organization_id, via="api"), transaction.atomic():
        session = Session.objects.select_for_update(of=("self",)).select_related("user").filter(pk=session_id).first()
        if session is None:
            raise NotSignedIn("The refresh token is not valid.", code="token_invalid")
        is_usable = session.is_live(at) and session.user.may_sign_in and _is_open(organization_id)
        if not is_usable:
            raise NotSignedIn("The session has ended.", code="session_ended")
        if hmac.compare_digest(session.current_hash, digest):
            return _rotate(session, at=at)
        if (
            session.previous_hash
            and hmac.compare_digest(session.previous_hash, digest)
            and at - session.rotated_at < RACE_WINDOW
        ):
            raise Conflict("Another request has just refreshed this session; use its tokens.", code="retry_with_new")
        revoke(session, at=at)
        events.record(TOKEN_REUSED, session.user, actor=session.user.as_actor(), at=at, session_id=session.pk)
    raise NotSignedIn("This refresh token was used before; the session has been revoked.", code="token_reused")


def sign_out(*, actor: Actor, at: datetime) -> None:
    """End the session that the actor came with; its tokens are refused from the next request on."""
    assert actor.session_id is not None, "only somebody with a session signs out"
    session = Session.objects.select_for_update(of=("self",)).select_related("user").get(pk=actor.session_id)
    revoke(session, at=at)
    events.record(SIGNED_OUT, session.user, actor=actor, at=at, session_id=session.pk)


def revoke(session: Session, *, at: datetime) -> None:
    """End a locked session."""
    session.revoked_at = at
    session.save(update_fields=["revoked_at"])


def end_all_sessions(organization_id: UUID, *, at: datetime) -> int:
    """End every live session that was opened by `at`; returns how many. One event tells of all, on the organization."""
    live = Session.objects.filter(organization_id=organization_id, revoked_at=None, created_at__lte=at)
    ended = live.update(revoked_at=at)
    organization = Organization.objects.get(pk=organization_id)
    actor = Actor.system(organization_id, "end_sessions")
    events.record(SESSIONS_ENDED, organization, actor=actor, at=at, sessions=ended)
    return int(ended)


def live_session(session_id: UUID, *, at: datetime) -> tuple[Session, Organization] | None:
    """The session with its user, and the organization, if requests may still use it. Two look-ups by primary key."""
    session = Session.objects.select_related("user").filter(pk=session_id).first()
    if session is None or not session.is_live(at) or not session.user.may_sign_in:
        return None
    organization = Organization.objects.filter(pk=session.organization_id).first()
    if organization is None or organization.status != OrganizationStatus.ACTIVE or organization.deleted_at:
        return None
    return session, organization


def _is_open(organization_id: UUID) -> bool:
    return bool(
        Organization.objects.filter(pk=organization_id, status=OrganizationStatus.ACTIVE, deleted_at=None).exists()
    )


def _open_session(user: User, *, at: datetime, device: Device) -> tuple[Session, Pair]:
    session_id = new_id()
    token = _make_refresh(user.organization_id, session_id)
    session = Session.objects.create(
        id=session_id,
        organization_id=user.organization_id,
        user=user,
        current_hash=_digest(token),
        rotated_at=at,
        created_at=at,
        idle_until=at + settings.SESSION_IDLE_LIFETIME,
        absolute_until=at + settings.SESSION_ABSOLUTE_LIFETIME,
        user_agent=device.user_agent[:300],
        address=device.address,
    )
    events.record(
        SIGNED_IN,
        user,
        actor=user.as_actor(session_id=session_id),
        at=at,
        session_id=session_id,
        address=device.address,
    )
    return session, _pair(session, token, at=at)


def _rotate(session: Session, *, at: datetime) -> Pair:
    token = _make_refresh(session.organization_id, session.pk)
    session.previous_hash, session.current_hash = session.current_hash, _digest(token)
    session.rotated_at = at
    session.generation += 1
    session.idle_until = at + settings.SESSION_IDLE_LIFETIME
    session.save(update_fields=["previous_hash", "current_hash", "rotated_at", "generation", "idle_until"])
    return _pair(session, token, at=at)


def _pair(session: Session, refresh_token: str, *, at: datetime) -> Pair:
    access = tokens.issue(
        user_id=session.user_id, session_id=session.pk, organization_id=session.organization_id, at=at
    )
    return Pair(access, refresh_token)


def _make_refresh(organization_id: UUID, session_id: UUID) -> str:
    """Names tenant and session, so that the row is found by key; the rest is 256 random bits."""
    return f"{organization_id.hex}.{session_id.hex}.{secrets.token_urlsafe(32)}"


def _parse_refresh(token: str) -> tuple[UUID, UUID, str]:
    try:
        organization, session, secret = token.split(".")
        if len(secret) != 43:
            raise ValueError("not a secret of ours")
        return UUID(organization), UUID(session), _digest(token)
    except ValueError as error:
        raise NotSignedIn("The refresh token is not valid.", code="token_invalid") from error


def _digest(token: str) -> str:
    # A random 256-bit secret needs no slow hash.
    return hashlib.sha256(token.encode()).hexdigest()


_nobody: list[str] = []


def _nobodys_hash() -> str:
    if not _nobody:
        _nobody.append(make_password(secrets.token_urlsafe(16)))
    return _nobody[0]
