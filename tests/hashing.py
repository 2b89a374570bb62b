"""Passwords hashed by the platform's algorithm without its price, where the hash is not what a test is about."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import override_settings

from apps.users import services
from tests import factories

REAL = ["apps.users.hashers.Argon2Hasher"]


class CheapHasher(Argon2PasswordHasher):
    """A thousandth of the memory and half the passes."""

    memory_cost = 8
    time_cost = 1
    parallelism = 1


@contextmanager
def hashed_by(*hashers: str) -> Iterator[None]:
    """What was hashed before and is kept in the process is hashed anew, inside and afterwards."""
    with override_settings(PASSWORD_HASHERS=list(hashers)), pytest.MonkeyPatch.context() as patch:
        patch.setattr(factories, "_hashed", [])
        patch.setattr(services, "_nobody", [])
        yield
