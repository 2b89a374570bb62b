"""How a ticket's timeline tells of its timers."""

from apps.audit.models import Event
from apps.sla.events import (
    ACTION_DUE,
    ACTION_REFUSED,
    BREACHED,
    DEADLINE_SET,
    ESCALATED,
    MIGRATED,
    REPAIRED,
    WARNED,
    WITHDRAWN,
)
from apps.tickets.timeline import put_into_words


def warned(event: Event) -> str:
    return f"warned: {_level(event)}"


def breached(event: Event) -> str:
    return f"noted that the {_target(event)} was missed; it was due {_instant(event)}"


def escalated(event: Event) -> str:
    return f"escalated: {_level(event)}"


def deadline_set(event: Event) -> str:
    return f"set the deadline of the {_target(event)} to {_instant(event)}: {event.data.get('reason', '')}"


def acts(event: Event) -> str:
    return f"let a level act: {_level(event)}"


def refused(event: Event) -> str:
    return f"could not pass it on, because the team is gone: {_level(event)}"


def migrated(event: Event) -> str:
    return f"carried its timers over to version {event.data.get('number', '')} of their policy"


def withdrawn(event: Event) -> str:
    return "ended its timers, because their policy was withdrawn"


def repaired(event: Event) -> str:
    return f"built its timers anew: {event.data.get('reason', '')}"


def _target(event: Event) -> str:
    return f"{str(event.data.get('metric', '')).replace('_', ' ')} target"


def _level(event: Event) -> str:
    percent, offset = event.data.get("percent"), event.data.get("offset_seconds") or 0
    if percent is not None:
        return f"{percent} % of the {_target(event)} have passed"
    return f"{abs(offset)} seconds {'before' if offset < 0 else 'after'} the deadline of the {_target(event)}"


def _instant(event: Event) -> str:
    return str(event.data.get("due_at", ""))[:19].replace("T", " ") + " UTC"


for name, sentence in (
    (WARNED, warned),
    (BREACHED, breached),
    (ESCALATED, escalated),
    (DEADLINE_SET, deadline_set),
    (ACTION_DUE, acts),
    (ACTION_REFUSED, refused),
    (MIGRATED, migrated),
    (WITHDRAWN, withdrawn),
    (REPAIRED, repaired),
):
    put_into_words(name, sentence)
