"""Argon2id at OWASP's minimum, about 40 ms; Django's default costs ten times that and 100 MB a sign-in."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """OWASP Password Storage Cheat Sheet: m=19456 KiB, t=2, p=1."""

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1
