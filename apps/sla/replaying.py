"""A ticket's timers built anew from its events by the engine itself, held against the rows that there are, and repaired by them.

What it takes from outside the log is what nobody can work out: the readings of other records, and when a sweep came by to write
down a level of history (which is told to nobody, so no event says so).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from apps.audit.models import Event
from apps.core import events, records
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.sla import calendar_moves, evaluating, library, moving, recording, situations
from apps.sla.book import Hours, Key
from apps.sla.choices import EndReason, Outcome
from apps.sla.chronicle import Chronicle
from apps.sla.clock import Cause, Clock, Passed, Span, whole
from apps.sla.engine import Held
from apps.sla.events import BREACHED, CALENDAR_CHANGED, DEADLINE_SET, ESCALATED, MIGRATED, REPAIRED, WARNED, WITHDRAWN
from apps.sla.models import LevelFiring, Segment, Timer
from apps.sla.recording import Row
from apps.sla.situation import Situation
from apps.tickets.models import Ticket

RESOURCE = "sla"
TOLD = frozenset({WARNED, BREACHED, ESCALATED})
Place = tuple[str, str, int]


@dataclass(slots=True)
class Rows:
    """A ticket's timers, stretches and levels, by what tells each from the others, and the nearest deadline."""

    timers: dict[UUID, Row] = field(default_factory=dict)
    segments: dict[tuple[UUID, int], Row] = field(default_factory=dict)
    firings: dict[tuple[UUID, UUID, int], Row] = field(default_factory=dict)
    due_at: datetime | None = None

    def add(self, segments: Iterable[Row], firings: Iterable[Row]) -> None:
        for row in segments:
            self.segments[row["timer_id"], row["number"]] = row
        for row in firings:
            self.firings[row["timer_id"], row["level_id"], row["cycle"]] = row


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is another by the history; a whole row where `column` is empty."""

    what: str
    column: str
    stored: Any
    rebuilt: Any

    def __str__(self) -> str:
        if not self.column:
            return f"{self.what} is {'missing' if self.stored is None else 'not in the history'}"
        return f"{self.what}: {self.column} is {self.stored}, by the history {self.rebuilt}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is there, what should be, and where they differ."""

    stored: Rows
    rebuilt: Rows
    differences: list[Difference]


def compare(ticket: Ticket, chronicle: Chronicle) -> Comparison:
    """Hold a locked ticket's rows against its history. Writes nothing."""
    stored = _stored(ticket)
    rebuilt = Replay(ticket, chronicle, stored).run()
    return Comparison(stored, rebuilt, list(_differences(stored, rebuilt)))


def repair(ticket_id: UUID, chronicle: Chronicle, *, actor: Actor, at: datetime, reason: str) -> Comparison:
    """Write what the history says in place of what differs; nothing differs, nothing happens, and nobody is told of a level.

    The event keeps every old row and each difference. Raises Denied, NotFound.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    ticket = records.lock(Ticket, ticket_id, actor=actor)
    found = compare(ticket, chronicle)
    if found.differences:
        old = _put_right(ticket, found)
        told = [[each.what, each.column, each.stored, each.rebuilt] for each in found.differences]
        events.record(REPAIRED, ticket, actor=actor, at=at, reason=reason, differences=told, old=old)
    return found


# --- anew


class Replay:
    """One ticket's life once more, in memory."""

    def __init__(self, ticket: Ticket, chronicle: Chronicle, stored: Rows) -> None:
        self.ticket, self.chronicle = ticket, chronicle
        self.held: dict[Key, Held] = {}
        self.spans: dict[UUID, list[Span]] = defaultdict(list)
        self.rows = Rows()
        self.events = situations.of_ticket(ticket.pk)
        self.told = {
            (UUID(event.data["timer"]), UUID(event.data["level"])): event.id
            for event in self.events
            if event.name in TOLD
        }
        self.ids: dict[Place, UUID] = {
            (row["agreement"], row["metric"], row["sequence"]): pk for pk, row in stored.timers.items()
        }
        self.lost = self._lost(stored)
        # Levels of history that a sweep came by.
        self.looks = sorted(
            (row for row in stored.firings.values() if row["outcome"] == Outcome.PAST), key=lambda row: row["id"]
        )

    def _lost(self, stored: Rows) -> dict[Key, list[UUID]]:
        """Timers that were told of and are not there, in the order in which they were."""
        found: dict[Key, list[UUID]] = defaultdict(list)
        for event in self.events:
            if event.name not in TOLD | {DEADLINE_SET}:
                continue
            pk, key = UUID(event.data["timer"]), (event.data["agreement"], event.data["metric"])
            if pk not in stored.timers and pk not in found[key]:
                found[key].append(pk)
        return found

    def run(self) -> Rows:
        for event, now in situations.in_turn(self.ticket, self.events):
            while self.looks and self.looks[0]["id"] < event.id:
                self._look_for_history()
            self._follow(event, now)
        while self.looks:
            self._look_for_history()
        self.rows.due_at = recording.nearest(self.held.values())
        return self.rows

    def _follow(self, event: Event, now: Situation) -> None:
        now.timers = [{"id": each.id} for each in self.held.values()]
        held = list(self.held.values())
        if event.name in TOLD:
            told = event.data
            self._look(UUID(told["timer"]), UUID(told["level"]), datetime.fromisoformat(told["fired_at"]))
        elif event.name == DEADLINE_SET:
            self._set_deadline(event, now)
        elif event.name == MIGRATED:
            version = self.chronicle.version(UUID(event.data["policy_version"]))
            rule, book = library.compiled([version])[0], self.chronicle.book(event.id)
            touched = moving.migrated(now, held, rule, book, self._spans_of, at=event.at, event_id=event.id)
            self._take(touched, at=event.at)
        elif event.name == CALENDAR_CHANGED:
            earlier, version_id = {UUID(pk) for pk in event.data["earlier"]}, UUID(event.data["calendar_version"])
            hours = Hours(version_id, library.hours(version_id))
            self._take(calendar_moves.moved(now, held, earlier, hours, at=event.at, event_id=event.id), at=event.at)
        elif event.name == WITHDRAWN:
            versions = {UUID(pk) for pk in event.data["policy_versions"]}
            self._take(moving.given_up(held, versions, EndReason.WITHDRAWN, at=event.at), at=event.at)
        elif event.name.startswith(f"{self.ticket.kind}."):
            self._evaluate(event, now, held)

    def _evaluate(self, event: Event, now: Situation, held: Sequence[Held]) -> None:
        book = self.chronicle.book(event.id)
        if evaluating.is_read(event) and (held or book.versions):
            touched = evaluating.evaluate(event, now, held, book, self._spans_of)
            self._take(touched, at=evaluating.written_at(event), is_historic=event.is_historic)

    def _set_deadline(self, event: Event, now: Situation) -> None:
        told = event.data
        held = next((each for each in self.held.values() if each.id == UUID(told["timer"])), None)
        if held is None or not held.is_live:
            return
        cause = Cause("deadline_set", event.id, now.facts["team"], now.owner_id)
        due_at = datetime.fromisoformat(told["due_at"])
        held.clock.set_deadline(due_at, event.at, cause, is_floating=told["is_floating"])
        held.set_by_id = None if "operator_of" in told else event.actor_id
        held.set_because = told["reason"]
        self._take([held], at=event.at)

    # --- whoever came by

    def _look_for_history(self) -> None:
        row = self.looks.pop(0)
        self._look(row["timer_id"], row["level_id"], row["fired_at"])

    def _look(self, timer_id: UUID, level_id: UUID, at: datetime) -> None:
        """Somebody came by at `at` and wrote this level down, unless a change of the ticket did."""
        held = next((each for each in self.held.values() if each.id == timer_id), None)
        is_due = held is not None and any(level_id == pending for pending, _ in held.clock.state.pending)
        if held is not None and held.is_live and is_due:
            held.clock.reach(whole(at))
            if held.clock.passed:
                self._take([held], at=at)

    # --- what is written down

    def _spans_of(self, held: Held) -> Sequence[Span]:
        return [] if held.is_new else self.spans[held.id]

    def _take(self, touched: Iterable[Held], *, at: datetime, is_historic: bool = False) -> None:
        for held in touched:
            if held.is_new:
                held.id = self._id_of(held)
            writing = recording.Writing(self.ticket.organization_id)
            firings = recording.judge(
                held,
                at=at,
                is_historic=is_historic,
                organization_id=self.ticket.organization_id,
                record=lambda level, outcome, fired_at, pk=held.id: self._event_of(pk, level),  # type: ignore[misc]
            )
            row = writing.take(held, self.ticket.pk, firings)
            self.rows.timers[held.id] = row
            self.rows.add(writing.segments, writing.firings)
            self.spans[held.id] += held.clock.spans
            last = self.held.get(held.key)
            if last is None or held.sequence >= last.sequence:
                self.held[held.key] = _as_stored(held)

    def _id_of(self, held: Held) -> UUID:
        """That of the row which has its place, or of one that was told of and is lost."""
        place = (*held.key, held.sequence)
        if place not in self.ids:
            lost = self.lost[held.key]
            self.ids[place] = lost.pop(0) if lost else held.id
        return self.ids[place]

    def _event_of(self, timer_id: UUID, level: Passed) -> UUID | None:
        return self.told.get((timer_id, level.level_id))


def _as_stored(held: Held) -> Held:
    """As the next evaluation finds it."""
    return replace(
        held,
        clock=Clock(held.clock.state, held.clock.plan),
        is_new=False,
        late_count=0,
        is_breach_told=False,
        touched=False,
    )


# --- what there is, and how it differs


def _stored(ticket: Ticket) -> Rows:
    rows = Rows(due_at=ticket.sla_due_at)
    rows.timers = {row["id"]: row for row in Timer.objects.filter(ticket_id=ticket.pk).values()}
    rows.add(
        [dict(row) for row in Segment.objects.filter(timer__ticket_id=ticket.pk).values()],
        [dict(row) for row in LevelFiring.objects.filter(timer__ticket_id=ticket.pk).values()],
    )
    return rows


def _differences(stored: Rows, rebuilt: Rows) -> Iterable[Difference]:
    names = {
        pk: f"{row['agreement']} {row['metric']} {row['sequence']}"
        for pk, row in (stored.timers | rebuilt.timers).items()
    }
    yield from _of_table(stored.timers, rebuilt.timers, lambda pk: f"timer {names[pk]}")
    yield from _of_table(stored.segments, rebuilt.segments, lambda key: f"segment {key[1]} of {names[key[0]]}")
    yield from _of_table(stored.firings, rebuilt.firings, lambda key: f"level {key[1]} of {names[key[0]]}")
    if stored.due_at != rebuilt.due_at:
        yield Difference("ticket", "sla_due_at", _comparable(stored.due_at), _comparable(rebuilt.due_at))


def _of_table(stored: dict[Any, Row], rebuilt: dict[Any, Row], named: Any) -> Iterable[Difference]:
    for key in sorted(stored.keys() | rebuilt.keys()):
        there, wanted = stored.get(key), rebuilt.get(key)
        if there is None or wanted is None:
            yield Difference(named(key), "", _comparable(there), _comparable(wanted))
            continue
        there, wanted = _comparable(there), _comparable(wanted)
        for column in there:
            if column != "id" and there[column] != wanted[column]:
                yield Difference(named(key), column, there[column], wanted[column])


def _comparable(value: Any) -> Any:
    """As JSON has it, so that a column and what the engine made are of one type."""
    return orjson.loads(orjson.dumps(value))


# --- put right


def _put_right(ticket: Ticket, found: Comparison) -> dict[str, Any]:
    """What differs of the rows as the history has it; returns the old rows."""
    stored, rebuilt = found.stored, found.rebuilt
    timers = _differing(stored.timers, rebuilt.timers)
    segments = _differing(stored.segments, rebuilt.segments)
    firings = _differing(stored.firings, rebuilt.firings)
    # Written anew under their old ids: a stretch and a firing are never changed.
    Segment.objects.filter(pk__in=[stored.segments[key]["id"] for key in segments if key in stored.segments]).delete()
    LevelFiring.objects.filter(pk__in=[stored.firings[key]["id"] for key in firings if key in stored.firings]).delete()
    Timer.objects.filter(pk__in=[key for key in timers if key not in rebuilt.timers]).delete()
    # What ended makes room for what runs: at most one of a kind does.
    for is_over in (True, False):
        writing = recording.Writing(ticket.organization_id)
        for key in timers:
            row = rebuilt.timers.get(key)
            if row is not None and (row["ended_at"] is not None) is is_over:
                (writing.changed if key in stored.timers else writing.added).append(row)
        writing.send()
    writing = recording.Writing(ticket.organization_id)
    writing.segments = _anew(segments, stored.segments, rebuilt.segments)
    writing.firings = _anew(firings, stored.firings, rebuilt.firings)
    if stored.due_at != rebuilt.due_at:
        writing.due(ticket.pk, rebuilt.due_at)
        ticket.sla_due_at = rebuilt.due_at
    writing.send()
    return {
        "timers": [_comparable(stored.timers[key]) for key in timers if key in stored.timers],
        "segments": [_comparable(stored.segments[key]) for key in segments if key in stored.segments],
        "firings": [_comparable(stored.firings[key]) for key in firings if key in stored.firings],
        "sla_due_at": _comparable(stored.due_at),
    }


def _differing(stored: dict[Any, Row], rebuilt: dict[Any, Row]) -> list[Any]:
    def read(row: Row | None) -> Any:
        return row and {name: value for name, value in _comparable(row).items() if name != "id"}

    return [key for key in sorted(stored.keys() | rebuilt.keys()) if read(stored.get(key)) != read(rebuilt.get(key))]


def _anew(keys: Iterable[Any], stored: dict[Any, Row], rebuilt: dict[Any, Row]) -> list[Row]:
    return [
        {**rebuilt[key], "id": stored[key]["id"] if key in stored else rebuilt[key]["id"]}
        for key in keys
        if key in rebuilt
    ]
