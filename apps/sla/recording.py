"""Write down what an evaluation did: timers, stretches, levels, the ticket's nearest deadline, in one statement; and tell it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.core import events
from apps.core.actors import Actor
from apps.core.models import new_id
from apps.sla.choices import Agreement, Outcome, Stage
from apps.sla.clock import SECOND, LevelRule, Passed, reckoned, whole
from apps.sla.engine import Held
from apps.sla.events import ACTION_DUE, BREACHED, ESCALATED, WARNED
from apps.sla.models import LevelFiring, Reading, Segment, Timer
from apps.tickets.models import Ticket

Row = dict[str, Any]
FIXED = frozenset({"id", "organization_id", "ticket_id"})
# Twice the sweep's rhythm: so late a level is still told as if it came in time.
PROMPT = timedelta(minutes=1)


class Writing:
    """The rows of one evaluation, or of a sweep's batch of them."""

    def __init__(self, organization_id: UUID) -> None:
        self.organization_id = organization_id
        self.changed: list[Row] = []
        self.added: list[Row] = []
        self.segments: list[Row] = []
        self.firings: list[Row] = []
        self.readings: list[Row] = []
        self.deadlines: list[Row] = []

    def take(self, held: Held, ticket_id: UUID, firings: Iterable[Row]) -> Row:
        """A timer as it is now, with what it went through; the timer's row is returned."""
        for number, span in enumerate(held.clock.spans, held.segment_count + 1):
            self.segments.append(
                {
                    "id": new_id(),
                    "organization_id": self.organization_id,
                    "timer_id": held.id,
                    "number": number,
                    "kind": span.kind,
                    "began_at": span.began_at,
                    "ended_at": span.ended_at,
                    "business_seconds": span.business_seconds,
                    "wall_seconds": span.wall_seconds,
                    "because": span.cause.because,
                    "event_id": span.cause.event_id,
                    "calendar_version_id": span.calendar_version_id,
                    "team_id": span.cause.team_id,
                    "assignee_id": span.cause.owner_id,
                }
            )
        held.segment_count += len(held.clock.spans)
        self.firings += firings
        row = self._timer(held, ticket_id)
        (self.added if held.is_new else self.changed).append(row)
        return row

    def _timer(self, held: Held, ticket_id: UUID) -> Row:
        state = held.clock.state
        return {
            "id": held.id,
            "organization_id": self.organization_id,
            "ticket_id": ticket_id,
            "version_id": held.version.id,
            "target_id": held.target_id,
            "calendar_version_id": held.calendar_version_id,
            "agreement": held.agreement,
            "metric": held.metric,
            "team_id": held.team_id,
            "sequence": held.sequence,
            "cycle": held.cycle,
            "replaces_id": held.replaces_id,
            "segment_count": held.segment_count,
            "attached_at": held.attached_at,
            "live_from": held.live_from,
            "stage": state.stage,
            "end_reason": state.end_reason,
            "started_at": state.started_at,
            "ended_at": state.ended_at,
            "target_seconds": state.target_seconds,
            "original_due_at": state.original_due_at,
            "due_at": state.due_at,
            "at_risk_at": state.at_risk_at,
            "breached_at": state.breached_at,
            "fixed_due_at": state.fixed_due_at,
            "since": state.since,
            "because": state.cause.because,
            "event_id": state.cause.event_id,
            "owner_team_id": state.cause.team_id,
            "owner_id": state.cause.owner_id,
            "elapsed_seconds": state.elapsed_seconds,
            "wall_seconds": state.wall_seconds,
            "paused_seconds": state.paused_seconds,
            "breach_seconds": state.breach_seconds,
            "breach_wall_seconds": state.breach_wall_seconds,
            "pending": state.pending,
            "next_due_at": state.next_due_at,
            "set_by_id": held.set_by_id,
            "set_because": held.set_because,
        }

    def read(self, ticket_id: UUID, event_id: UUID, at: datetime, values: Mapping[str, Any]) -> None:
        """What other records said."""
        self.readings.append(
            {
                "id": new_id(),
                "organization_id": self.organization_id,
                "ticket_id": ticket_id,
                "event_id": event_id,
                "at": at,
                "values": values,
            }
        )

    def due(self, ticket_id: UUID, due_at: datetime | None) -> None:
        """The nearest deadline of a ticket: neither its version nor its time of update move, and no event tells it."""
        self.deadlines.append({"id": ticket_id, "due_at": due_at})

    def send(self) -> None:
        """In one statement; in two where a timer makes room for another, because at most one of a kind runs."""
        if self.changed and self.added:
            self._execute([_update(Timer)], [self.changed])
            self.changed = []
        parts = [
            (_update(Timer), self.changed),
            (_insert(Timer), self.added),
            (_insert(Segment), self.segments),
            (_insert(LevelFiring), self.firings),
            (_insert(Reading), self.readings),
            (DEADLINES, self.deadlines),
        ]
        wanted = [(sql, rows) for sql, rows in parts if rows]
        if wanted:
            self._execute([sql for sql, _ in wanted], [rows for _, rows in wanted])

    def _execute(self, statements: Sequence[str], rows: Sequence[list[Row]]) -> None:
        named = ", ".join(f"part{place} AS ({sql})" for place, sql in enumerate(statements))
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH {named} SELECT 1",
                [value for part in rows for value in (orjson.dumps(part).decode(), self.organization_id)],
            )


def _columns(model: type[Any]) -> list[str]:
    return [field.column for field in model._meta.concrete_fields]


def _insert(model: type[Any]) -> str:
    columns = ", ".join(f'"{name}"' for name in _columns(model))
    table = model._meta.db_table
    return (
        f'INSERT INTO "{table}" ({columns}) SELECT {columns}'  # noqa: S608 - our tables
        f' FROM jsonb_populate_recordset(NULL::"{table}", %s) WHERE organization_id = %s'
    )


def _update(model: type[Any]) -> str:
    names = [name for name in _columns(model) if name not in FIXED]
    columns, values = ", ".join(f'"{name}"' for name in names), ", ".join(f'r."{name}"' for name in names)
    table = model._meta.db_table
    return (
        f'UPDATE "{table}" t SET ({columns}) = ROW({values})'  # noqa: S608 - our tables
        f' FROM jsonb_populate_recordset(NULL::"{table}", %s) r WHERE t.organization_id = %s AND t.id = r.id'
    )


DEADLINES = f"""
UPDATE "{Ticket._meta.db_table}" t SET sla_due_at = r.due_at
FROM jsonb_to_recordset(%s) AS r (id uuid, due_at timestamptz) WHERE t.organization_id = %s AND t.id = r.id
"""  # noqa: S608 - our tables


def nearest(held: Iterable[Held]) -> datetime | None:
    """The nearest deadline that runs of what was promised to the customer: every reader of the ticket sees it."""
    promised = (each.clock.state for each in held if each.agreement == Agreement.SLA)
    return min(
        (state.due_at for state in promised if state.stage is Stage.RUNNING and state.due_at is not None),
        default=None,
    )


# --- levels


def tell(held: Held, ticket: Any, *, at: datetime, is_historic: bool) -> list[Row]:
    """The firings of the levels that a timer passed, each told as it deserves; `at` is when they are written down."""
    return judge(
        held,
        at=at,
        is_historic=is_historic,
        organization_id=ticket.organization_id,
        record=lambda level, outcome, fired_at: _record(held, level, ticket, outcome, fired_at),
    )


def judge(
    held: Held,
    *,
    at: datetime,
    is_historic: bool,
    organization_id: UUID,
    record: Callable[[Passed, Outcome, datetime], UUID | None],
) -> list[Row]:
    """What becomes of the levels that a timer passed; `record` tells one, and says by which event.

    Each fires that is told within PROMPT. After an outage the highest of several fires and the older ones are collapsed; a breach
    is told in any case. What passed before the timer was attached is told once, as a breach; history is told to nobody.
    """
    passed, late = held.clock.passed, held.late_count
    rows = []
    for place, level in enumerate(passed):
        is_last, is_late = place == len(passed) - 1, place < late
        if is_historic or (level.due_at < held.live_from and not is_late):
            outcome = Outcome.PAST
        elif is_late:
            outcome = Outcome.LATE
        else:
            is_prompt = whole(at) - level.due_at <= PROMPT
            outcome = Outcome.FIRED if is_last or is_prompt else Outcome.COLLAPSED
        is_told = outcome is Outcome.FIRED or (
            level.is_breach and outcome is not Outcome.PAST and not held.is_breach_told
        )
        fired_at = max(whole(at), level.due_at)
        event = record(level, outcome, fired_at) if is_told else None
        rows.append(
            {
                "id": new_id(),
                "organization_id": organization_id,
                "timer_id": held.id,
                "level_id": level.level_id,
                "cycle": held.cycle,
                "outcome": outcome,
                "due_at": level.due_at,
                "fired_at": fired_at,
                "event_id": event,
            }
        )
    return rows


def _record(held: Held, passed: Passed, ticket: Any, outcome: Outcome, fired_at: datetime) -> UUID:
    state, plan = held.clock.state, held.clock.plan
    level = next(level for level in plan.levels if level.id == passed.level_id)
    at = state.breached_at if passed.is_breach and state.breached_at is not None else passed.due_at
    # Whoever is told at night by an office-hours policy is told when it opens.
    notify_at = passed.due_at
    if not (level.is_around_the_clock or plan.hours.is_open(passed.due_at)):
        notify_at = reckoned(passed.due_at, 1, plan.hours) - SECOND
    platform = Actor.system(ticket.organization_id, "sla")
    data: dict[str, Any] = {
        "timer": str(held.id),
        "metric": held.metric,
        "agreement": held.agreement,
        "policy": str(held.version.policy_id),
        "policy_version": str(held.version.id),
        "level": str(level.id),
        "percent": level.percent,
        "offset_seconds": level.offset_seconds,
        "outcome": outcome,
    }
    more: dict[str, Any] = {
        "target_seconds": state.target_seconds,
        "due_at": state.due_at,
        "fired_at": fired_at,
        "notify_at": notify_at,
    }
    fact = events.record(_name(level, state.target_seconds), ticket, actor=platform, at=at, **data, **more)
    if level.has_action and outcome is Outcome.FIRED:
        events.record(ACTION_DUE, ticket, actor=platform, at=at, **data, notify_at=notify_at)
    return fact.id


def _name(level: LevelRule, target_seconds: int) -> str:
    if level.is_breach:
        return BREACHED
    return WARNED if level.threshold(target_seconds) < target_seconds else ESCALATED
