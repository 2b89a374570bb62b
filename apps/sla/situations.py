"""A ticket as conditions read it after each of its facts, worked out backwards from today's row by the log."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.audit.models import Event
from apps.sla.evaluating import SAID
from apps.sla.models import Reading
from apps.sla.situation import OWN, RELATED, Situation, plain
from apps.tickets.choices import Visibility, Voice
from apps.tickets.models import Ticket

KEPT = (*OWN, "assignee", "deleted_at", "merged_into")


def in_turn(ticket: Ticket, events: Sequence[Event]) -> Iterator[tuple[Event, Situation]]:
    """The ticket's facts in their order, each with what was read right after it; timers are whoever replays them's to add."""
    readings = {row.event_id: row for row in Reading.objects.filter(ticket_id=ticket.pk)}
    responded = _first_response(ticket, events)
    known: Reading | None = None
    for place, (event, values) in enumerate(zip(events, _after_each(ticket, events), strict=True)):
        read = readings.get(event.id, known)
        before = None if known is None else known.values
        related = dict(RELATED if read is None else read.values)
        responded_at = ticket.responded_at if responded is not None and place >= responded else None
        yield event, _situation(ticket, values, related, before, responded_at)
        known = _later(known, readings.get(event.id))


def _after_each(ticket: Ticket, events: Sequence[Event]) -> list[dict[str, Any]]:
    """Columns after each event: today's, and then without what came after."""
    values = {name: plain(getattr(ticket, Ticket._meta.get_field(name).attname)) for name in KEPT}  # type: ignore[union-attr]
    found = []
    for event in reversed(events):
        found.append(values)
        values = {**values, **{name: plain(old) for name, (old, _) in event.changes.items() if name in values}}
    return found[::-1]


def _first_response(ticket: Ticket, events: Sequence[Event]) -> int | None:
    """Which of the facts was the first response; None where there is none."""
    if ticket.responded_at is None:
        return None
    for place, event in enumerate(events):
        is_answer = event.data.get("voice") == Voice.DESK and event.data.get("visibility") == Visibility.PUBLIC
        if event.at == ticket.responded_at and _past(event) in SAID and is_answer:
            return place
    return next((place for place, event in enumerate(events) if event.at >= ticket.responded_at), None)


def _past(event: Event) -> str:
    return event.name.partition(".")[2]


def _later(known: Reading | None, read: Reading | None) -> Reading | None:
    """The last one by time, as an evaluation finds it."""
    if known is None or read is None:
        return read or known
    return max(known, read, key=lambda row: (row.at, row.id))


def _situation(
    ticket: Ticket,
    values: dict[str, Any],
    related: dict[str, Any],
    known: dict[str, Any] | None,
    responded_at: datetime | None,
) -> Situation:
    facts = {
        **{name: values[name] for name in OWN},
        **related,
        "is_assigned": values["assignee"] is not None,
        "is_responded": responded_at is not None,
        "message": "",
    }
    return Situation(
        organization_id=ticket.organization_id,
        ticket_id=ticket.pk,
        facts=facts,
        related=related,
        known=known,
        owner_id=values["assignee"],
        responded_at=responded_at,
        opened_at=ticket.opened_at,
        created_at=ticket.created_at,
        due_at=None,
        is_deleted=values["deleted_at"] is not None,
        is_merged=values["merged_into"] is not None,
        stamp=None,
        timers=[],
    )


def of_ticket(ticket_id: UUID) -> list[Event]:
    """Every event of a ticket, in the order in which they were recorded."""
    return list(Event.objects.filter(subject_id=ticket_id).order_by("id"))
