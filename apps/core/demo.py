"""The demo's parts: each app adds what it would like a newcomer to find, floor by floor."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from apps.core import events

Part = Callable[[datetime, dict[str, Any]], None]

_parts: list[tuple[int, Part]] = []


def part(floor: int) -> Callable[[Part], Part]:
    """Register a part that runs after those of lower floors.

    It gets the time of loading (UTC) and the accounts written so far, adds to both database and accounts, and does nothing
    where it did so before. Each part opens its own transactions.
    """

    def register(load: Part) -> Part:
        _parts.append((floor, load))
        return load

    return register


def load(at: datetime) -> dict[str, Any]:
    """Run every part; returns what `DIR/demo.json` says of organizations and accounts."""
    accounts: dict[str, Any] = {}
    with events.historic():
        for _, run in sorted(_parts, key=lambda entry: entry[0]):
            run(at, accounts)
    return accounts
