"""Whose request it is, seen through our own proxies and nobody else's."""

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The address that sent the request; None when it cannot be told.

    X-Forwarded-For counts only as far as trusted proxies wrote it: read from the right, the first one that is not ours is
    the client. Whatever a client puts there itself stands further left.
    """
    address = _parse(request.META.get("REMOTE_ADDR", ""))
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if address is None or not _is_trusted(address):
            break
        forwarded = _parse(hop.strip())
        if forwarded is None:
            break
        address = forwarded
    return address


def _parse(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _is_trusted(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(network) for network in settings.TRUSTED_PROXIES)


def network_of(address: str | None) -> str:
    """Whom an address belongs to, roughly: a /24 of IPv4, a /64 of IPv6."""
    if not address:
        return "unknown"
    ip = ipaddress.ip_address(address)
    v4 = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else ip
    return str(ipaddress.ip_network(f"{v4}/24" if v4 is not None else f"{ip}/64", strict=False))
