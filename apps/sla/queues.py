"""Lists of tickets by their timers (tickets.clocks)."""

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from apps.sla.choices import Agreement
from apps.sla.models import Timer
from apps.tickets.clocks import SlaState


def narrow(tickets: Any, state: str, at: datetime) -> Any:
    """Those of the tickets that are in this state at `at` (UTC), by what was promised to their requesters.

    What teams and suppliers owe the desk is no queue of the ticket's.
    """
    timers = Timer.objects.filter(ticket_id=OuterRef("pk"), agreement=Agreement.SLA)
    match state:
        case SlaState.BREACHED:
            return tickets.filter(Exists(timers.breached(at)))
        case SlaState.AT_RISK:
            return tickets.filter(Exists(timers.at_risk(at)))
        case SlaState.PAUSED:
            return tickets.filter(Exists(timers.paused()))
        case _:
            return tickets.filter(~Exists(timers))
