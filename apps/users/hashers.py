"""Argon2id at OWASP's minimum, about 40 ms; Django's default costs ten times that and 100 MB a sign-in."""

from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher

# Of one process: more at once would only wait for the processor, with 19 MiB each.
AT_ONCE = 4
_places = BoundedSemaphore(AT_ONCE)


class Argon2Hasher(Argon2PasswordHasher):
    """OWASP Password Storage Cheat Sheet: m=19456 KiB, t=2, p=1."""

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1

    def encode(self, *args: Any, **kwargs: Any) -> str:
        with _places:
            return str(super().encode(*args, **kwargs))

    def verify(self, *args: Any, **kwargs: Any) -> bool:
        with _places:
            return bool(super().verify(*args, **kwargs))
