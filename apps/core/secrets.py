"""Secrets at rest: encrypted with a named key, so that keys can be rotated, and authenticated, so that a changed bit is an error."""

import base64
from functools import lru_cache
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import Model

DERIVED = "derived"


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


def is_current(stored: str) -> bool:
    """Whether it is encrypted under the key that `encrypt` uses now."""
    return stored.partition(":")[0] == next(iter(_keys()))


def kept_in(model: type[Model], column: str) -> None:
    """Say, in ready(), that a column holds what `encrypt` gave, so that `rotate` finds it."""
    _columns.append((model, column))


def rotate(organization_id: UUID) -> tuple[int, list[str]]:
    """Encrypt one organization's secrets anew under the current key: how many, and which rows could not be read.

    What cannot be read stays as it is. Runs in the caller's transaction, inside the tenant.
    """
    written, unreadable = 0, []
    for model, column in _columns:
        rows = model._default_manager.filter(organization_id=organization_id).order_by("pk")
        for row in rows.select_for_update().only("pk", column):
            try:
                written += _rotate(row, column)
            except Unreadable:
                unreadable.append(f"{model._meta.db_table} {row.pk}")
    return written, unreadable


def _rotate(row: Model, column: str) -> int:
    stored = getattr(row, column)
    clear = decrypt(stored)
    if is_current(stored):
        return 0
    setattr(row, column, encrypt(clear))
    row.save(update_fields=[column])
    return 1


_columns: list[tuple[type[Model], str]] = []


@lru_cache(maxsize=1)
def _keys() -> dict[str, Fernet]:
    """By id, the current one first. The last is derived from SECRET_KEY: the only one until keys are configured, readable after."""
    configured: dict[str, str] = settings.ENCRYPTION_KEYS
    return {key_id: _fernet(secret) for key_id, secret in {**configured, DERIVED: settings.SECRET_KEY}.items()}


def _fernet(secret: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"itsm secrets at rest").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
