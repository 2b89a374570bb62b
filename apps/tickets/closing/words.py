"""How the timeline tells what time did, and why."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from apps.tickets.closing.terms import worded

# Why the platform did it, as its facts say.
TIME_HAS_COME, NO_ANSWER, NO_OBJECTION = "time_has_come", "no_answer", "no_objection"
Said = Callable[[Mapping[str, Any]], str]


def resumed(data: Mapping[str, Any]) -> str:
    return "resumed it: the time that it waited for has come"


def resolved(data: Mapping[str, Any]) -> str:
    return f"resolved it: its requester gave no answer within {_days(data)}"


def closed(data: Mapping[str, Any]) -> str:
    return f"closed it: nobody objected within {_days(data)} of its resolution"


def reminded(data: Mapping[str, Any]) -> str:
    said = f"reminded its requester ({data['number']} of {max(data['of'], data['number'])}), after {_days(data)}"
    return said + _ends(data.get("resolves_at"), "without an answer it is resolved")


def announced(data: Mapping[str, Any]) -> str:
    said = f"told its requester, after {_days(data)}, that it will be closed"
    return said + _ends(data.get("closes_at"), "without an objection it is closed")


def recalled(data: Mapping[str, Any]) -> str:
    return f"noted that the time has come until which it was to wait: {data['reason']}"


# By the reason that the fact gives.
BECAUSE: Mapping[str, Said] = {TIME_HAS_COME: resumed, NO_ANSWER: resolved, NO_OBJECTION: closed}
BY_ITSELF: Mapping[str, Said] = {"reminded": reminded, "closing_announced": announced, "hold_due": recalled}


def sentence(past: str, data: Mapping[str, Any]) -> str:
    """Of a fact that time brought; empty for what somebody did."""
    said = BY_ITSELF.get(past) or BECAUSE.get(str(data.get("because")))
    return said(data) if said else ""


def _days(data: Mapping[str, Any]) -> str:
    return worded(data["days"], data["unit"])


def _ends(at: str | None, what: str) -> str:
    return f"; {what} on {datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d at %H:%M} UTC" if at else ""
