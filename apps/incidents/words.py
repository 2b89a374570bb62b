"""How a timeline tells of a major incident."""

from collections.abc import Mapping
from typing import Any

from apps.audit.models import Event
from apps.incidents import events
from apps.sla.words import reached
from apps.tickets.timeline import put_into_words

Names = Mapping[str, str]
WITHDRAWN = "withdrawn"


def _role(event: Event) -> str:
    return str(event.data.get("role", "")).replace("_", " ")


def _name(event: Event, key: str, names: Names) -> str:
    return names.get(str(event.data.get(key)), "somebody")


def _why(event: Event) -> str:
    reason = event.data.get("reason")
    return f": {reason}" if reason else ""


def _bridge(event: Event) -> str:
    """Only those who work on a major incident are told these facts, so only they learn the address."""
    address = event.changes.get("bridge_url", [None, ""])[1]
    return f"; they meet at {address}" if address else ""


def proposed(event: Event, names: Names) -> str:
    rule = event.data.get("rule_name")
    return (
        f"proposed it as a major incident, by the rule {rule}"
        if rule
        else f"proposed it as a major incident{_why(event)}{_bridge(event)}"
    )


def accepted(event: Event, names: Names) -> str:
    return f"made it a major incident{_why(event)}{_bridge(event)}"


def rejected(event: Event, names: Names) -> str:
    return f"found it to be no major incident{_why(event)}"


def demoted(event: Event, names: Names) -> str:
    return f"made it an incident like others again{_why(event)}"


def overdue(event: Event, names: Names) -> str:
    due = str(event.data.get("due_at", ""))[:16].replace("T", " ")
    number, untold = event.data.get("number", 1), event.data.get("untold", 0)
    told = ", ".join(names.get(str(each), "somebody") for each in reached(event)) or "nobody"
    again = f", for interval {number}" if number > 1 else ""
    missed = f" ({untold} before it went by untold)" if untold else ""
    return f"raised the alarm{again}{missed}: the public update due {due} UTC is overdue; told {told}"


def paced(event: Event, names: Names) -> str:
    minutes = event.changes.get("update_interval_minutes", [None, None])[1]
    every = f" every {minutes} minutes" if minutes else " as often as before, counted from now on"
    return f"promised updates{every}{_why(event)}"


def bridged(event: Event, names: Names) -> str:
    address = event.changes.get("bridge_url", [None, ""])[1]
    return f"let those who work on it meet at {address}" if address else "took away where those who work on it meet"


def offered(event: Event, names: Names) -> str:
    return f"asked {_name(event, 'to', names)} to take over as {_role(event)}{_why(event)}"


def refused(event: Event, names: Names) -> str:
    if event.data.get("outcome") == WITHDRAWN:
        return f"withdrew the question whether {_name(event, 'to', names)} takes over as {_role(event)}{_why(event)}"
    return f"declined to take over as {_role(event)}{_why(event)}"


def handed_over(event: Event, names: Names) -> str:
    before: Any = event.data.get("from")
    of = f" from {_name(event, 'from', names)}" if before else ""
    return f"took over as {_role(event)}{of}{_why(event)}"


for name, sentence in (
    (events.MAJOR_PROPOSED, proposed),
    (events.MAJOR_ACCEPTED, accepted),
    (events.MAJOR_REJECTED, rejected),
    (events.MAJOR_DEMOTED, demoted),
    (events.UPDATE_OVERDUE, overdue),
    (events.PACED, paced),
    (events.BRIDGED, bridged),
    (events.HANDOVER_OFFERED, offered),
    (events.HANDOVER_REFUSED, refused),
    (events.HANDED_OVER, handed_over),
):
    put_into_words(name, sentence)
