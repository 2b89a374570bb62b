"""Access tokens: signed by simplejwt, short-lived, naming a session row that is read on every request."""

import hmac
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken

from apps.core.errors import NotSignedIn

TYPE = "access"
_configuration: dict[str, Any] = settings.SIMPLE_JWT
_named_by: dict[str, str] = {"aud": _configuration["AUDIENCE"], "iss": _configuration["ISSUER"]}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid access token says; whether it still holds only the session row knows."""

    user_id: UUID
    session_id: UUID
    organization_id: UUID


def issue(*, user_id: UUID, session_id: UUID, organization_id: UUID, at: datetime) -> str:
    """A token that ends ACCESS_TOKEN_LIFETIME after `at` (UTC)."""
    issued = int(at.timestamp())
    claims = {
        "sub": str(user_id),
        "sid": str(session_id),
        "org": str(organization_id),
        "typ": TYPE,
        "iat": issued,
        "exp": issued + int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
    }
    key = _configuration["SIGNING_KEY"]
    headers = {"kid": key_id(key)}
    return jwt.encode({**claims, **_named_by}, key, algorithm=_configuration["ALGORITHM"], headers=headers)


def key_id(key: str) -> str:
    """What a token calls the key that signed it: of the key's digest too little to guess at the key by."""
    return hmac.digest(key.encode(), b"access-token", "sha256").hex()[:8]


@lru_cache(maxsize=1)
def _backends() -> dict[str, TokenBackend]:
    """By id, what checks a signature: for the key that signs and for those that may have signed."""
    algorithm, audience, issuer = (_configuration[name] for name in ("ALGORITHM", "AUDIENCE", "ISSUER"))
    keys = [_configuration["SIGNING_KEY"], *settings.SECRET_KEY_FALLBACKS]
    return {key_id(key): TokenBackend(algorithm, signing_key=key, audience=audience, issuer=issuer) for key in keys}


def read(token: str) -> Claims:
    """The claims of a token that we signed, that has not expired and is for us. Raises NotSignedIn saying which it is not."""
    try:
        claims, expires = _verified(token)
    except TokenBackendExpiredToken as error:
        raise _expired() from error
    except (TokenBackendError, jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotSignedIn("The access token is not valid.", code="token_invalid") from error
    if expires <= time.time():
        raise _expired()
    return claims


@lru_cache(maxsize=4096)
def _verified(token: str) -> tuple[Claims, int]:
    """What a token says and when it ends (seconds since 1970). Its signature holds for ever, so it is checked once."""
    backend = _backends()[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = backend.decode(token)  # type: ignore[arg-type]
    if claims.get("typ") != TYPE or "exp" not in claims:
        raise ValueError("not an access token")
    return Claims(UUID(claims["sub"]), UUID(claims["sid"]), UUID(claims["org"])), int(claims["exp"])


def _expired() -> NotSignedIn:
    return NotSignedIn("The access token has expired; refresh it.", code="token_expired")
