"""Addresses of the web that people write into a record."""

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

MAX_ADDRESS = 2000
ADDRESS = re.compile(r"https?://[^\s\x00-\x1f]+", re.IGNORECASE)


def is_web(value: Any) -> bool:
    """Whether it is the address of a page, not longer than others may be."""
    return _parts(value) is not None


def is_https(value: Any) -> bool:
    """Whether it is one that is reached by TLS alone; nobody's name and password stand in it."""
    parts = _parts(value)
    return parts is not None and parts.scheme == "https" and "@" not in parts.netloc


def _parts(value: Any) -> SplitResult | None:
    if not isinstance(value, str) or len(value) > MAX_ADDRESS or ADDRESS.fullmatch(value) is None:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return parts if parts.hostname else None
