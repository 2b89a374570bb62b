"""The `mfa_token`: what a client holds between the password and the second factor.

Signed, five minutes long, it names user and tenant and the password that was checked. It opens nothing by itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.core.errors import NotSignedIn
from apps.users.models import User

LIFETIME = timedelta(minutes=5)
SALT = "mfa"
REQUIRED, SETUP = "mfa_required", "mfa_setup_required"
DETAILS = {
    REQUIRED: "The password is right; send a code of your authenticator, or a recovery code, to /auth/token/mfa/.",
    SETUP: "The password is right, but a second factor is required; set one up: /auth/mfa/setup/, then /auth/mfa/confirm/.",
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says; whether it still holds, the user's row knows."""

    purpose: str
    organization_id: UUID
    user_id: UUID
    proof: str


def challenge(user: User, purpose: str, *, at: datetime) -> NotSignedIn:
    """The 401 that asks for the second step; `purpose` is its code."""
    expires = int((at + LIFETIME).timestamp())
    token = signing.dumps([purpose, str(user.organization_id), str(user.pk), _proof_of(user), expires], salt=SALT)
    return NotSignedIn(DETAILS[purpose], code=purpose, mfa_token=token)


def read(token: str, *, at: datetime) -> Claims:
    """What a token that we signed says at `at` (UTC). Raises NotSignedIn `token_invalid` or `token_expired`."""
    try:
        purpose, organization, user, proof, expires = signing.loads(token, salt=SALT)
        claims = Claims(purpose, UUID(organization), UUID(user), proof)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise invalid() from error
    if at.timestamp() >= expires:
        raise NotSignedIn("The mfa_token has expired; sign in again.", code="token_expired")
    return claims


def still_holds(claims: Claims, user: User) -> bool:
    """Whether the user may still sign in, with the password that was checked."""
    return user.may_sign_in and constant_time_compare(_proof_of(user), claims.proof)


def invalid() -> NotSignedIn:
    return NotSignedIn("The mfa_token is not valid here; sign in again.", code="token_invalid")


def _proof_of(user: User) -> str:
    """Changes with the password, and tells nothing of it."""
    return salted_hmac(SALT, user.password, algorithm="sha256").hexdigest()[:32]
