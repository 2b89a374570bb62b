"""Refresh tokens: opaque, one use each, rotated on the session's locked row."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction

from apps.core import events, tenancy
from apps.core.errors import Conflict, NotSignedIn
from apps.users import sessions, tokens
from apps.users.events import TOKEN_REUSED
from apps.users.models import Session

# Losers of a race for the same refresh token get their successor's word instead of losing the session.
RACE_WINDOW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Pair:
    """What a client keeps: a short-lived access token and the secret that gets the next pair."""

    access: str
    refresh: str


def refresh(*, token: str, at: datetime) -> Pair:
    """Rotate the refresh token, in a transaction of its own: one winner by compare-and-swap.

    Raises Conflict `retry_with_new` for a loser within RACE_WINDOW of the winner; NotSignedIn `token_reused` for an older
    token, which also revokes the session; NotSignedIn `token_invalid` for what we never issued.
    """
    organization_id, session_id, given = _parse(token)
    with tenancy.tenant(organization_id, via="api"), transaction.atomic():
        session = Session.objects.select_for_update(of=("self",)).select_related("user").filter(pk=session_id).first()
        if session is None:
            raise NotSignedIn("The refresh token is not valid.", code="token_invalid")
        is_usable = session.is_live(at) and session.user.may_sign_in and sessions.is_open(organization_id)
        if not is_usable:
            raise NotSignedIn("The session has ended.", code="session_ended").naming(session.user.as_actor())
        if hmac.compare_digest(session.current_hash, given):
            return _rotate(session, at=at)
        if (
            session.previous_hash
            and hmac.compare_digest(session.previous_hash, given)
            and at - session.rotated_at < RACE_WINDOW
        ):
            raise Conflict("Another request has just refreshed this session; use its tokens.", code="retry_with_new")
        sessions.revoke(session, at=at)
        events.record(TOKEN_REUSED, session.user, actor=session.user.as_actor(), at=at, session_id=session.pk)
    raise NotSignedIn("This refresh token was used before; the session has been revoked.", code="token_reused")


def _rotate(session: Session, *, at: datetime) -> Pair:
    token = make(session.organization_id, session.pk)
    session.previous_hash, session.current_hash = session.current_hash, digest(token)
    session.rotated_at = at
    session.generation += 1
    session.idle_until = at + settings.SESSION_IDLE_LIFETIME
    session.save(update_fields=["previous_hash", "current_hash", "rotated_at", "generation", "idle_until"])
    return pair_of(session, token, at=at)


def pair_of(session: Session, refresh_token: str, *, at: datetime) -> Pair:
    """The refresh token of the session's row, with the access token that goes with it from `at` (UTC) on."""
    access = tokens.issue(
        user_id=session.user_id, session_id=session.pk, organization_id=session.organization_id, at=at
    )
    return Pair(access, refresh_token)


def make(organization_id: UUID, session_id: UUID) -> str:
    """Names tenant and session, so that the row is found by key, with 256 random bits, signed.

    Without the signature, anybody who learned a session's id could end it by a made-up token that looks reused.
    """
    return _signer().sign(f"{organization_id.hex}.{session_id.hex}.{secrets.token_urlsafe(32)}")


def _parse(token: str) -> tuple[UUID, UUID, str]:
    try:
        organization, session, _ = _signer().unsign(token).split(".")
        return UUID(organization), UUID(session), digest(token)
    except (BadSignature, ValueError) as error:
        raise NotSignedIn("The refresh token is not valid.", code="token_invalid") from error


def _signer() -> Signer:
    return Signer(salt="refresh-token")


def digest(token: str) -> str:
    """What the row keeps of a token. A random 256-bit secret needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
