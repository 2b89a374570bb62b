"""How a ticket's timeline tells of its timers."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.audit.models import Event
from apps.sla.events import (
    ACKNOWLEDGED,
    ACTION_DUE,
    ACTION_REFUSED,
    BREACHED,
    CALENDAR_CHANGED,
    CHAIN_BEGUN,
    CHAIN_ENDED,
    CLIMBED,
    DEADLINE_SET,
    ESCALATED,
    MIGRATED,
    NOTIFIED,
    PAGED,
    REPAIRED,
    WARNED,
    WITHDRAWN,
)
from apps.tickets.timeline import put_into_words

Names = Mapping[str, str]


def warned(event: Event, names: Names) -> str:
    return f"warned: {_level(event)}"


def breached(event: Event, names: Names) -> str:
    return f"noted that the {_target(event)} was missed; it was due {_instant(event)}"


def escalated(event: Event, names: Names) -> str:
    return f"escalated: {_level(event)}"


def deadline_set(event: Event, names: Names) -> str:
    return f"set the deadline of the {_target(event)} to {_instant(event)}: {event.data.get('reason', '')}"


def acts(event: Event, names: Names) -> str:
    return f"let a level act: {_level(event)}"


def refused(event: Event, names: Names) -> str:
    return f"could not pass it on, because the team is gone: {_level(event)}"


def migrated(event: Event, names: Names) -> str:
    return f"carried its timers over to version {event.data.get('number', '')} of their policy"


def calendar_changed(event: Event, names: Names) -> str:
    return f"goes on by version {event.data.get('number', '')} of its calendar's hours"


def withdrawn(event: Event, names: Names) -> str:
    return "ended its timers, because their policy was withdrawn"


def repaired(event: Event, names: Names) -> str:
    return f"built its timers anew: {event.data.get('reason', '')}"


# --- chains


BEGUN = {
    "matched": "nobody has it in hand",
    "level": "a level of its service level says so",
    "step": "a step of another chain says so",
    "somebody": "somebody escalated it",
}
ENDED = {
    "acknowledged": "somebody has it in hand",
    "finished": "it is over",
    "unmatched": "it is not for this ticket any more",
    "exhausted": "everybody was told, and nobody came",
    "withdrawn": "the policy is switched off",
}


def begun(event: Event, names: Names) -> str:
    because = BEGUN.get(str(event.data.get("because")), "")
    return f"began to escalate by {event.data.get('policy_name')}, because {because}; first step {_at(event, 'next_due_at')}"


def climbed(event: Event, names: Names) -> str:
    done = [str(each) for each in event.data.get("done") or ()]
    people = _people(reached(event), names)
    did = "; ".join([*done, *([f"calls on {people}"] if people else [])]) or "reached nobody"
    left = "".join(f" ({each})" for each in event.data.get("left_out") or ())
    again = f", time {event.data['round'] + 1}" if event.data.get("round") else ""
    step = f"step {event.data.get('step')} of {event.data.get('steps')}{again}"
    return f"took {step} of {event.data.get('policy_name')}: {did}{left}"


def reached(event: Event) -> Sequence[Any]:
    """Whom a notice beside the fact told; the log keeps facts from before that, which name them as `users`."""
    told: Sequence[Any] = event.data.get("reached") or event.data.get("users") or ()
    return told


def ended(event: Event, names: Names) -> str:
    because = ENDED.get(str(event.data.get("because")), "")
    return f"stopped {event.data.get('policy_name')}: {because}"


def acknowledged(event: Event, names: Names) -> str:
    return "has it in hand"


def notified(event: Event, names: Names) -> str:
    return f"told {_told(event, names)}"


def paged(event: Event, names: Names) -> str:
    return f"called {_told(event, names)}"


def _told(event: Event, names: Names) -> str:
    why = dict.fromkeys(each for person in event.data.get("to") or () for each in person.get("why") or ())
    return f"{_people(event.data.get('users') or (), names)}: {'; '.join(why)}"


def _people(users: Sequence[Any], names: Names) -> str:
    return ", ".join(names.get(str(each), "somebody") for each in users)


def _target(event: Event) -> str:
    return f"{str(event.data.get('metric', '')).replace('_', ' ')} target"


def _level(event: Event) -> str:
    percent, offset = event.data.get("percent"), event.data.get("offset_seconds") or 0
    if percent is not None:
        return f"{percent} % of the {_target(event)} have passed"
    return f"{abs(offset)} seconds {'before' if offset < 0 else 'after'} the deadline of the {_target(event)}"


def _instant(event: Event) -> str:
    return _at(event, "due_at")


def _at(event: Event, name: str) -> str:
    return str(event.data.get(name, ""))[:19].replace("T", " ") + " UTC"


for name, sentence in (
    (WARNED, warned),
    (BREACHED, breached),
    (ESCALATED, escalated),
    (DEADLINE_SET, deadline_set),
    (ACTION_DUE, acts),
    (ACTION_REFUSED, refused),
    (MIGRATED, migrated),
    (CALENDAR_CHANGED, calendar_changed),
    (WITHDRAWN, withdrawn),
    (REPAIRED, repaired),
    (CHAIN_BEGUN, begun),
    (CLIMBED, climbed),
    (CHAIN_ENDED, ended),
    (ACKNOWLEDGED, acknowledged),
    (NOTIFIED, notified),
    (PAGED, paged),
):
    put_into_words(name, sentence)
