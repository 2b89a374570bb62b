"""How an API token is written: `itsm_<environment>_<8-character id>_<43-character secret>_<crc32>`.

FORM finds tokens in text without false alarms, for secret scanners: fixed prefix, fixed length, and a checksum that tells a
token from what only looks like one. Letters and digits alone, so that a double click selects all of it.
"""

import re
import secrets
import string
import zlib

from django.conf import settings

from apps.core.errors import NotSignedIn

PREFIX = "itsm_"
ENVIRONMENTS = {"production": "live", "demo": "demo", "test": "test"}
FORM = re.compile(r"itsm_(live|demo|test)_([0-9A-Za-z]{8})_([0-9A-Za-z]{43})_([0-9a-f]{8})")
ALPHABET = string.digits + string.ascii_letters
ID_LENGTH, SECRET_LENGTH = 8, 43


def make() -> tuple[str, str]:
    """(id, token) with 256 random bits in the secret."""
    name, secret = (_random(length) for length in (ID_LENGTH, SECRET_LENGTH))
    start = f"{PREFIX}{_environment()}_{name}_{secret}"
    return name, f"{start}_{checksum(start)}"


def read(token: str) -> str:
    """The id in a well-formed token of this environment. Raises NotSignedIn, before anything is looked up."""
    found = FORM.fullmatch(token)
    if found is None or found[1] != _environment() or found[4] != checksum(token.rpartition("_")[0]):
        raise NotSignedIn("The API token is not valid.", code="token_invalid")
    return found[2]


def checksum(start: str) -> str:
    return f"{zlib.crc32(start.encode()):08x}"


def _environment() -> str:
    return ENVIRONMENTS[settings.ITSM_MODE]


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
