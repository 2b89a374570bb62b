"""If-Match: which version of a record the caller has read (RFC 9110 section 13.1.1)."""

import re

from rest_framework.request import Request

from apps.core.errors import Invalid, PreconditionRequired

ETAG = re.compile(r'"(0|[1-9][0-9]{0,9})"')


def expected_version(request: Request, *, is_required: bool) -> int | None:
    """The version in If-Match; None without one, or for `*`. Raises Invalid, or PreconditionRequired when it is required.

    A weak or foreign tag can never match (RFC 9110 section 13.1.1): it becomes version 0, which no record has.
    So does a list: a client has read one version.
    """
    given = request.headers.get("If-Match", "").strip()
    if not given:
        if is_required:
            raise PreconditionRequired('Send If-Match: "<version>" with the version you read.')
        return None
    if given == "*":
        return None
    match = ETAG.fullmatch(given)
    if match is not None:
        return int(match[1])
    if re.fullmatch(r'(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*', given):
        return 0
    raise Invalid('If-Match is not accepted; accepted: "<version>" as ETag gave it, or *.', code="invalid_if_match")
