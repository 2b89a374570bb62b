"""Rules of single values that more than one app has, for model fields: API and admin then both keep them."""

import re
from functools import cache
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

# A wall clock's time; "24:00" is the day's end.
CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)


@cache
def zone_names() -> frozenset[str]:
    """IANA's names; reading them from disk on every check would cost more than the rest of a request."""
    return frozenset(available_timezones())


def validate_time_zone(name: str) -> None:
    if name not in zone_names():
        raise ValidationError("Not a time zone; accepted: an IANA name such as Europe/Berlin.", code="unknown_zone")


def validate_language(tag: str) -> None:
    """BCP 47, as far as a form can be checked."""
    if LANGUAGE.fullmatch(tag) is None:
        raise ValidationError("Not a language; accepted: a BCP 47 tag such as en or pt-BR.", code="unknown_language")
