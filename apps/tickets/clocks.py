"""Queues by service level. Which tickets are meant the sla floor knows, and installs in its ready(); until then none is."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import TextChoices


class SlaState(TextChoices):
    """breached: a deadline was missed; at_risk: three quarters of a target have run; paused; none: nothing was promised."""

    BREACHED = "breached"
    AT_RISK = "at_risk"
    PAUSED = "paused"
    NONE = "none"


Narrow = Callable[[Any, str, datetime], Any]
_narrow: list[Narrow] = []


def install(narrow: Narrow) -> None:
    _narrow[:] = [narrow]


def narrowed(tickets: Any, state: str, at: datetime) -> Any:
    """Those of the tickets that are in this state at `at` (UTC)."""
    return _narrow[0](tickets, state, at) if _narrow else tickets.none()
