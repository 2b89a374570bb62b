"""JSON in, strictly: nothing that would surprise the code behind it, refused cheaply."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from math import isinf
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from apps.core.api.refusals import TooLarge, UnsupportedMediaType
from apps.core.errors import Invalid

MAX_DEPTH = 32
MAX_NODES = 10_000
# What orjson can write again, and PostgreSQL's bigint can hold.
MAX_INTEGER, MIN_INTEGER = 2**63 - 1, -(2**63)
MAX_INTEGER_DIGITS = len(str(MIN_INTEGER))

# Possessive, and an unterminated string is swallowed to the end: each byte is looked at once, whatever the body.
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
CHARSET = re.compile(r";\s*charset\s*=\s*(\S+?)\s*(?:;|\Z)", re.IGNORECASE)
UTF_8 = frozenset({"utf-8", "utf8"})
BRACKET = re.compile(rb"[\[\]{}]")


class StrictJSONParser(BaseParser):
    """UTF-8 JSON of at most 2 MiB, 32 levels and 10,000 values; no duplicate keys, NUL, lone surrogates, NaN, Infinity or
    whole numbers beyond 64 bits."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        charset = CHARSET.search(media_type or "")
        if charset and charset[1].strip('"').lower() not in UTF_8:
            raise UnsupportedMediaType("The charset is not accepted; accepted: utf-8.")
        raw = stream.read(settings.BODY_LIMIT_BYTES + 1)
        if len(raw) > settings.BODY_LIMIT_BYTES:
            raise TooLarge(f"The body is larger than {settings.BODY_LIMIT_BYTES} bytes.")
        return parse_json(raw)


def refuse_unmeasured(request: Request) -> None:
    """Django reads nothing of a body that comes in chunks without a length; silence would look like an empty one."""
    if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
        raise malformed("The body's length is not said; accepted: a body with Content-Length.")


def parse_json(raw: bytes) -> Any:
    """The value. Raises Invalid with code `malformed` and what is accepted."""
    if not raw.strip():
        # An action without input may be called without a body.
        return {}
    _measure(raw)
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise malformed("The body is not UTF-8.") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise malformed(f"The body is not JSON: {error}.") from error
    if "\\u" in text:
        _refuse_unstorable(value)
    elif "\x00" in text:
        raise malformed("NUL characters are not accepted.")
    return value


def malformed(detail: str) -> Invalid:
    return Invalid(detail, code="malformed")


def _measure(raw: bytes) -> None:
    """Depth and size by counting brackets and commas outside strings: linear, and before anything is built."""
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") < MAX_DEPTH:
        return
    # No value has more than two strings of its own, its key and itself.
    bare, strings = STRING.subn(b"", raw, count=2 * MAX_NODES + 3)
    if strings > 2 * MAX_NODES + 2 or bare.count(b",") + bare.count(b"[") + bare.count(b"{") > MAX_NODES:
        raise malformed(f"The body holds more than {MAX_NODES} values.")
    depth = 0
    for bracket in BRACKET.finditer(bare):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            raise malformed(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = sorted(key[:50] for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise malformed(f"Keys appear twice: {', '.join(twice[:5])!r}.")
    return found


def _no_constant(name: str) -> Any:
    raise malformed(f"{name} is not a JSON number.")


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= MAX_INTEGER_DIGITS else MAX_INTEGER + 1
    if not MIN_INTEGER <= number <= MAX_INTEGER:
        raise malformed(f"A whole number is out of range; accepted: {MIN_INTEGER} to {MAX_INTEGER}.")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise malformed("A number is out of range; accepted: what fits a double (IEEE 754).")
    return number


def _refuse_unstorable(value: Any) -> None:
    """Escapes can smuggle in what PostgreSQL cannot store: U+0000 and lone surrogates, in keys as in values."""
    for text in _strings(value):
        if "\x00" in text:
            raise malformed("NUL characters are not accepted.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise malformed("Lone surrogates are not accepted.")


def _strings(value: Any) -> list[str]:
    found, pending = [], [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            found.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return found
