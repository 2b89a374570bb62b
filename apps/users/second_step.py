"""Between password and session: the `mfa_token` of API.md, and what can be done with it.

It is signed, lives five minutes, names user and tenant, and says whether it may set a factor up or only use one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.utils.crypto import salted_hmac

from apps.core import events, tenancy
from apps.core.errors import Invalid, NotSignedIn
from apps.users import attempts, mfa
from apps.users.events import SECOND_FACTOR_FAILED
from apps.users.models import User
from apps.users.services import Device, Pair, open_session

LIFETIME = timedelta(minutes=5)
SALT = "mfa"
REQUIRED, SETUP = "mfa_required", "mfa_setup_required"


def challenge(user: User, purpose: str, *, at: datetime) -> NotSignedIn:
    """The 401 that asks for the second step; `purpose` is its code."""
    expires = int((at + LIFETIME).timestamp())
    token = signing.dumps([purpose, str(user.organization_id), str(user.pk), _proof(user), expires], salt=SALT)
    detail = "Send a code to /auth/token/mfa/." if purpose == REQUIRED else "Set up a second factor: /auth/mfa/setup/, /auth/mfa/confirm/."
    return NotSignedIn(detail, code=purpose, mfa_token=token)


def finish(*, mfa_token: str, code: str, at: datetime, device: Device) -> Pair:
    """Open the session. Raises NotSignedIn on a bad token or code, TooManyAttempts after too many."""
    user, _ = _read(mfa_token, at=at)
    attempt = attempts.begin(f"mfa:{user.pk}", device.address, is_known_place=False)
    with tenancy.tenant(user.organization_id, actor_id=user.pk, via=device.via):
        with transaction.atomic():
            try:
                mfa.require_code(user, actor=user.as_actor(), at=at, code=code)
            except Invalid:
                events.record(SECOND_FACTOR_FAILED, user, actor=user.as_actor(), at=at, address=device.address)
                pair = None
            else:
                pair = open_session(user, at=at, device=device)[1]
    if pair is None:
        raise NotSignedIn(mfa.WRONG, code="wrong_code")
    attempts.succeeded(attempt)
    return pair


def begin_setup(*, mfa_token: str, at: datetime) -> tuple[str, str, str]:
    """As mfa.begin_setup, before there is a session. Raises NotSignedIn, Conflict."""
    with _setting_up(mfa_token, at=at) as user:
        return mfa.begin_setup(user, at=at)


def confirm(*, mfa_token: str, code: str, at: datetime) -> list[str]:
    """As mfa.confirm, before there is a session; the next step is to sign in with a fresh code."""
    with _setting_up(mfa_token, at=at) as user:
        return mfa.confirm(user, actor=user.as_actor(), at=at, code=code)


@contextmanager
def _setting_up(mfa_token: str, *, at: datetime) -> Iterator[User]:
    user, purpose = _read(mfa_token, at=at)
    if purpose != SETUP:
        raise _invalid()
    with tenancy.tenant(user.organization_id, actor_id=user.pk, via="api"), transaction.atomic():
        yield user


def _read(token: str, *, at: datetime) -> tuple[User, str]:
    """The user behind the token, if they may still sign in and their password is the one that was checked."""
    try:
        purpose, organization, user_id, proof, expires = signing.loads(token, salt=SALT)
        organization_id = UUID(organization)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise _invalid() from error
    if at.timestamp() > expires:
        raise NotSignedIn("The mfa_token has expired; sign in again.", code="token_expired")
    with tenancy.tenant(organization_id, via="api"), transaction.atomic():
        user: User | None = User.objects.filter(pk=UUID(user_id)).first()
    if user is None or not user.may_sign_in or _proof(user) != proof:
        raise _invalid()
    return user, purpose


def _proof(user: User) -> str:
    """Changes with the password, and tells nothing of it."""
    return salted_hmac(SALT, user.password).hexdigest()[:16]


def _invalid() -> NotSignedIn:
    return NotSignedIn("The mfa_token is not valid here; sign in again.", code="token_invalid")
