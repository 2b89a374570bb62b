"""The Idempotency-Key header, and the answer it brings back."""

import re
from typing import Any

import orjson
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import idempotency
from apps.core.errors import Invalid

# RFC 8941 string, as the draft wants it, or the bare form that most clients send.
KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([!#-\[\]-~]{1,255})')


def idempotency_key(request: Request) -> str | None:
    """The key, from its quoted or bare form. Raises Invalid for any other."""
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    match = KEY.fullmatch(given)
    if match is None:
        detail = "The Idempotency-Key is not accepted; accepted: 1 to 255 printable characters, quoted or bare."
        raise Invalid(detail, code="invalid_idempotency_key")
    return match[1] or match[2]


def read_body(request: Request) -> bytes:
    """The body in one form for one value, so that a client which writes its JSON anew may still send it again."""
    body: bytes = request._request.body
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return body


def replayed(answer: idempotency.Answer) -> Response:
    """The kept answer again, marked as such."""
    response = Response(_parsed(answer.body), status=answer.status, headers={"Idempotency-Replayed": "true"})
    if answer.etag:
        response["ETag"] = answer.etag
    if answer.location:
        response["Location"] = answer.location
    return response


def _parsed(body: str | None) -> Any:
    return orjson.loads(body) if body else None
