"""A recorded fact of a ticket, turned into a change, and what the change does to the ticket's timers written down."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.audit.models import Event
from apps.sla import history, library, recording, situation
from apps.sla.book import Book
from apps.sla.choices import EndReason, Stretch
from apps.sla.clock import Cause, Span, whole
from apps.sla.conditions import FROM_REQUESTER, TO_REQUESTER
from apps.sla.engine import Change, Evaluation, Held, SpansOf
from apps.sla.escalation import chains
from apps.sla.models import Segment
from apps.sla.situation import OWN, RELATED, Situation
from apps.tickets.choices import Visibility, Voice

# A change of none of these, and nothing said, moves no timer.
READ = frozenset(OWN) | {"assignee", "deleted_at", "merged_into"}
SAID = frozenset({"commented", "comment_edited"})
BACK = frozenset({"restored", "unmerged"})


def follow(event: Event) -> None:
    """Evaluate the ticket that the fact is about, in the transaction that records it, at the time at which it became true."""
    if not is_read(event):
        return
    now = situation.read(event.organization_id, event.subject_id)
    if now.stamp is None and not now.timers:
        return
    held = now.held()
    write(now, evaluate(event, now, held, library.book(now.organization_id, now.stamp), spans_of), held, event)
    if not event.is_historic:
        chains.follow(event, change_of(event, now), now)


def is_read(event: Event) -> bool:
    """Whether timers may move by it at all."""
    past = _past(event)
    return past == "created" or bool(READ & event.changes.keys()) or (past in SAID and bool(event.data.get("voice")))


def evaluate(event: Event, now: Situation, held: Sequence[Held], book: Book, spans: SpansOf) -> list[Held]:
    """The timers that the fact changed, new ones last. Nothing is written."""
    change = change_of(event, now)
    evaluation = Evaluation(
        change,
        book,
        {each.key: each for each in held},
        spans,
        lambda: history.past_of(
            now.organization_id, now.ticket_id, change.before or change.after, until=event.at, before=event.id
        ),
    )
    touched = evaluation.run()
    if event.is_historic:
        for each in touched:
            each.live_from = whole(event.recorded_at)
    return touched


def change_of(event: Event, now: Situation) -> Change:
    """What conditions read before and after."""
    past = _past(event)
    after = {**now.facts, "message": _message(event)}
    return Change(
        at=event.at,
        before=None if past == "created" else before(event, past, now),
        after=after,
        opened_at=now.opened_at,
        created_at=now.created_at,
        because=past,
        event_id=event.id,
        owner_id=now.owner_id,
        ends=_end(now, past),
        is_back=past in BACK,
    )


def _message(event: Event) -> str:
    """Whether the requester reads it or says it; what is automatic or internal is no message."""
    if event.data.get("visibility") != Visibility.PUBLIC:
        return ""
    return {Voice.REQUESTER: FROM_REQUESTER, Voice.DESK: TO_REQUESTER}.get(event.data.get("voice", ""), "")


def before(event: Event, past: str, now: Situation) -> dict[str, Any]:
    """The facts without this change; other records' as they were last written down."""
    known = (RELATED if now.timers else now.related) if now.known is None else now.known
    found = history.undone({**now.facts, **known}, event.changes)
    if past in SAID and now.responded_at == event.at:
        found["is_responded"] = False
    return found


def _end(now: Situation, past: str) -> EndReason:
    if now.is_deleted:
        return EndReason.DELETED
    if now.is_merged:
        return EndReason.MERGED
    return EndReason.TICKET_CANCELLED if now.facts["phase"] == "cancelled" else EndReason.NONE


def spans_of(held: Held) -> Sequence[Span]:
    """The stretches of a stored timer that are over."""
    if held.is_new or not held.segment_count:
        return []
    return [_span(row) for row in Segment.objects.filter(timer_id=held.id).order_by("number")]


def spans_of_all(timers: Iterable[Held]) -> dict[UUID, list[Span]]:
    """As `spans_of`, of many timers in one query."""
    found: dict[UUID, list[Span]] = defaultdict(list)
    wanted = [held.id for held in timers if held.segment_count and not held.is_new]
    for row in Segment.objects.filter(timer_id__in=wanted).order_by("timer_id", "number"):
        found[row.timer_id].append(_span(row))
    return found


def _span(row: Segment) -> Span:
    cause = Cause(row.because, row.event_id, _text(row.team_id), _text(row.assignee_id))
    return Span(Stretch(row.kind), row.began_at, row.ended_at, row.business_seconds, row.wall_seconds, cause)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def write(now: Situation, touched: Sequence[Held], held: Sequence[Held], event: Event) -> None:
    """Rows, facts and the nearest deadline; the ticket in hand shows it too."""
    writing = recording.Writing(now.organization_id)
    known: Mapping[str, Any] = RELATED if now.known is None else now.known
    if now.related != known:
        writing.read(now.ticket_id, event.id, event.at, now.related)
    for each in touched:
        firings = recording.tell(each, event.subject, at=written_at(event), is_historic=event.is_historic)
        writing.take(each, now.ticket_id, firings)
    if touched:
        current = {each.key: each for each in (*held, *touched)}
        due_at = recording.nearest(current.values())
        if due_at != now.due_at:
            writing.due(now.ticket_id, due_at)
            event.subject.sla_due_at = due_at
    writing.send()


def written_at(event: Event) -> datetime:
    """When what follows from it counts as written down."""
    return event.recorded_at if event.is_historic else event.at


def _past(event: Event) -> str:
    return event.name.partition(".")[2]
