"""From password to session: what can be done with the `mfa_token`. Each verb opens its own transaction: there is no tenant yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from apps.core import events, tenancy
from apps.core.errors import NotSignedIn
from apps.users import attempts, mfa, mfa_tokens, services, sessions
from apps.users.events import SECOND_FACTOR_FAILED
from apps.users.mfa_tokens import SETUP
from apps.users.models import Session, User
from apps.users.refresh_tokens import Pair
from apps.users.services import Device


def finish(*, mfa_token: str, code: str, at: datetime, device: Device) -> tuple[User, Session, Pair]:
    """Use up a TOTP or recovery code and open the session. Raises NotSignedIn on a bad token or code, and TooManyAttempts.

    A code counts as a guess at the account, like a password.
    """
    with _meant(mfa_token, at=at, via=device.via) as user:
        if not mfa.is_enrolled(user):
            raise mfa_tokens.challenge(user, SETUP, at=at) if mfa.is_required(user, at=at) else mfa_tokens.invalid()
        known = services.known_place(user.pk, device, at=at)
    attempt = attempts.begin(user.email_normalised, device.address, known=known)
    signed_in = None
    with _meant(mfa_token, at=at, via=device.via) as user:
        actor = user.as_actor()
        # The slow hash of a recovery code first; what the code belongs to may be gone once the row is locked.
        match = mfa.find_match(user, code, at=at)
        if not services.still_may_sign_in(user):
            raise mfa_tokens.invalid()
        if match is not None and mfa.use_up(match, user, actor=actor, at=at):
            signed_in = (user, *services.open_session(user, at=at, device=device))
        else:
            events.record(SECOND_FACTOR_FAILED, user, actor=actor, at=at, address=device.address)
    if signed_in is None:
        attempts.failed(attempt)
        raise NotSignedIn(mfa.WRONG, code="wrong_code")
    attempts.succeeded(attempt)
    return signed_in


def set_up_and_finish(*, mfa_token: str, code: str, at: datetime, device: Device) -> tuple[list[str], User, Session]:
    """Confirm the second factor that was demanded and open the session: password and code are both proved.

    Returns the recovery codes with it. Raises NotSignedIn, Conflict, WrongProof.
    """
    with setting_up(mfa_token, at=at, via=device.via) as user:
        codes = mfa.confirm(user, actor=user.as_actor(), at=at, code=code)
        if not services.still_may_sign_in(user):
            raise mfa_tokens.invalid()
        return codes, user, services.open_session(user, at=at, device=device)[0]


def whom(mfa_token: str, *, at: datetime, via: str) -> User:
    """Whose second step it is. Raises NotSignedIn when the token does not hold (any more)."""
    with _meant(mfa_token, at=at, via=via) as user:
        return user


@contextmanager
def setting_up(mfa_token: str, *, at: datetime, via: str = "api") -> Iterator[User]:
    """In the tenant and a transaction of somebody who must set a second factor up before they get a session."""
    with _meant(mfa_token, at=at, via=via, purpose=SETUP) as user:
        yield user


@contextmanager
def _meant(mfa_token: str, *, at: datetime, via: str, purpose: str = "") -> Iterator[User]:
    """The user that the token means, in their tenant and a transaction. Raises NotSignedIn when it does not hold (any more)."""
    claims = mfa_tokens.read(mfa_token, at=at)
    if purpose and claims.purpose != purpose:
        raise mfa_tokens.invalid()
    organization_id, user_id = claims.organization_id, claims.user_id
    with tenancy.tenant(organization_id, actor_id=user_id, via=via), transaction.atomic():
        user: User | None = User.objects.filter(pk=user_id).first()
        if user is None or not mfa_tokens.still_holds(claims, user) or not sessions.is_open(organization_id):
            raise mfa_tokens.invalid()
        yield user
