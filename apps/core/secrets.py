"""Secrets at rest: encrypted with a named key, so that keys can be rotated, and authenticated, so that a changed bit is an error."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unreadable(Exception):
    """The stored secret was changed, or its key is gone."""


def encrypt(clear: str) -> str:
    """`<key id>:<token>` under the first configured key."""
    key_id = next(iter(_keys()))
    return f"{key_id}:{_keys()[key_id].encrypt(clear.encode()).decode()}"


def decrypt(stored: str) -> str:
    """The clear text. Raises Unreadable when the key is unknown or a bit has flipped."""
    key_id, _, token = stored.partition(":")
    try:
        return _keys()[key_id].decrypt(token.encode()).decode()
    except (KeyError, InvalidToken) as error:
        raise Unreadable(f"the secret under key {key_id!r} cannot be read") from error


@lru_cache(maxsize=1)
def _keys() -> dict[str, Fernet]:
    """By id, the current one first. Without configured keys one is derived from SECRET_KEY, under an id that says so."""
    configured: dict[str, str] = settings.ENCRYPTION_KEYS
    return {key_id: _fernet(secret) for key_id, secret in (configured or {"derived": settings.SECRET_KEY}).items()}


def _fernet(secret: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"itsm secrets at rest").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
