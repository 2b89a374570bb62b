"""Rate limits over HTTP: whom a request counts for, the 429, and the headers that tell how much is left.

`RateLimit` and `RateLimit-Policy` as draft-ietf-httpapi-ratelimit-headers-10 has them; beside them the three single headers
of its revision 6 and before, which most clients still read.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core import limits
from apps.core.addresses import client_address
from apps.core.errors import TooManyRequests
from apps.core.limits import Limit, Verdict
from apps.core.tenancy import TenantContext

HEADERS = ("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# Who has one IPv6 address has the whole network of it.
IPV6_NETWORK_BITS = 64


def caller_of(context: TenantContext, claims: Any) -> tuple[Limit, str]:
    """Whom a signed credential counts for: an API token (claims with a `token_id`) by itself, a person by their id."""
    token_id = getattr(claims, "token_id", None)
    return (limits.PER_TOKEN, str(token_id)) if token_id else (limits.PER_USER, str(context.actor_id))


def stranger_of(request: HttpRequest) -> tuple[Limit, str]:
    """Whom a request without a valid credential counts for: its address, and an IPv6 one's network."""
    address = client_address(request)
    if address is None:
        return limits.PER_ADDRESS, "unknown"
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ipaddress.ip_network((ip, IPV6_NETWORK_BITS), strict=False).network_address
    return limits.PER_ADDRESS, str(ip)


def admit(limit: Limit, caller: str, verdicts: list[Verdict]) -> None:
    """Count the request once, however often it is tried. Raises TooManyRequests; `verdicts` then holds why."""
    if any(verdict.limit.name == limit.name for verdict in verdicts):
        return
    verdict = limits.admit(limit, caller)
    if verdict is None:
        return
    verdicts.append(verdict)
    if not verdict.is_admitted:
        seconds = max(1, verdict.retry_after_seconds)
        raise TooManyRequests(f"Too many requests; send the next one in {seconds} s.", retry_after=seconds)


def describe(response: HttpResponseBase, verdicts: Sequence[Verdict]) -> None:
    """Tell the caller about every limit that counted this request; the old headers know only the tightest."""
    if not verdicts:
        return
    response["RateLimit-Policy"] = ", ".join(
        f'"{v.limit.name}";q={v.limit.size};w={v.limit.window_seconds}' for v in verdicts
    )
    response["RateLimit"] = ", ".join(f'"{v.limit.name}";r={v.remaining};t={v.reset_seconds}' for v in verdicts)
    tightest = min(verdicts, key=lambda verdict: verdict.remaining)
    response["RateLimit-Limit"] = str(tightest.limit.size)
    response["RateLimit-Remaining"] = str(tightest.remaining)
    response["RateLimit-Reset"] = str(tightest.reset_seconds)
