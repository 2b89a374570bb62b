"""If-Match: which version of a record the caller has read (RFC 9110 section 13.1.1)."""

import re

from rest_framework.request import Request

from apps.core.errors import Invalid, PreconditionRequired

ETAG = re.compile(r'"(0|[1-9][0-9]{0,9})"')
TAG = r'(?:W/)?"[^"]*+"'
TAGS = re.compile(rf"{TAG}(?:\s*+,\s*+{TAG})*+")


def expected_version(request: Request, *, is_required: bool) -> frozenset[int] | None:
    """The versions in If-Match, of which one must be the record's; None without the header, or for `*`.

    A weak or foreign tag can never match, so it adds no version. Raises Invalid, or PreconditionRequired when it is required.
    """
    given = request.headers.get("If-Match", "").strip()
    if not given:
        if is_required:
            raise PreconditionRequired('Send If-Match: "<version>" with the version you read.')
        return None
    if given == "*":
        return None
    if TAGS.fullmatch(given) is None:
        raise Invalid('If-Match is not accepted; accepted: "<version>" as ETag gave it, or *.', code="invalid_if_match")
    matches = (ETAG.fullmatch(tag) for tag in re.findall(TAG, given))
    return frozenset(int(match[1]) for match in matches if match is not None)
