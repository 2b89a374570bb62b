"""A ticket as conditions read it, with its timers: everything that an evaluation needs, in one query."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.cmdb.models import ConfigurationItem, Service
from apps.sla import library
from apps.sla.choices import EndReason, Stage
from apps.sla.clock import Cause, Clock, Plan, State
from apps.sla.engine import Held
from apps.sla.models import Acknowledgement, EscalationRun, Reading, Settings, Timer
from apps.tickets.models import Ticket
from apps.users.models import User

OWN = (
    "kind", "phase", "status", "hold_reason", "priority", "impact", "urgency", "source", "service", "category",
    "configuration_item", "team", "requester", "is_major",
)  # fmt: skip
RELATED: Mapping[str, Any] = {
    "site": None,
    "department": None,
    "is_vip": False,
    "ci_criticality": None,
    "service_criticality": None,
}
# In the order of OWN and RELATED.
READ = """t.kind, t.phase, t.status, t.hold_reason, t.priority, t.impact, t.urgency, t.source, t.service_id, t.category_id,
       t.configuration_item_id, t.team_id, t.requester_id, t.is_major,
       u.site_id, u.department_id, u.is_vip, i.criticality, s.criticality"""
JOINED = f"""
FROM {Ticket._meta.db_table} t
JOIN {User._meta.db_table} u ON u.organization_id = t.organization_id AND u.id = t.requester_id
LEFT JOIN {ConfigurationItem._meta.db_table} i
    ON i.organization_id = t.organization_id AND i.id = t.configuration_item_id
LEFT JOIN {Service._meta.db_table} s ON s.organization_id = t.organization_id AND s.id = t.service_id
"""
# One round trip: the ticket, what it names, the organization's stamp, the last reading, of each agreement and metric the
# last timer, which is the live one where there is one, the chains that go on, and whether somebody has it in hand.
QUERY = f"""
SELECT {READ},
       t.assignee_id, t.responded_at, t.opened_at, t.created_at, t.sla_due_at, t.deleted_at, t.merged_into_id,
       (SELECT stamp FROM {Settings._meta.db_table} WHERE organization_id = t.organization_id),
       (SELECT r."values" FROM {Reading._meta.db_table} r WHERE r.organization_id = t.organization_id AND r.ticket_id = t.id
        ORDER BY r.at DESC, r.id DESC LIMIT 1),
       (SELECT jsonb_agg(to_jsonb(last)) FROM (
            SELECT DISTINCT ON (m.agreement, m.metric) m.* FROM {Timer._meta.db_table} m
            WHERE m.organization_id = t.organization_id AND m.ticket_id = t.id
            ORDER BY m.agreement, m.metric, m.sequence DESC) last),
       (SELECT array_agg(e.policy_id) FROM {EscalationRun._meta.db_table} e
        WHERE e.organization_id = t.organization_id AND e.ticket_id = t.id AND e.ended_at IS NULL),
       EXISTS (SELECT 1 FROM {Acknowledgement._meta.db_table} a
               WHERE a.organization_id = t.organization_id AND a.ticket_id = t.id)
{JOINED}WHERE t.organization_id = %s AND t.id = %s
"""  # noqa: S608 - our tables
FACTS = f"""
SELECT t.id, t.assignee_id IS NOT NULL, t.responded_at IS NOT NULL, {READ}
{JOINED}WHERE t.organization_id = %s AND t.id = ANY (%s)
"""


@dataclass(slots=True)
class Situation:
    """One ticket at the moment of a change. `facts` are those after it."""

    organization_id: UUID
    ticket_id: UUID
    facts: dict[str, Any]
    related: dict[str, Any]
    # What was last written down of other records; None where nothing ever was.
    known: dict[str, Any] | None
    owner_id: str | None
    responded_at: datetime | None
    opened_at: datetime
    created_at: datetime
    due_at: datetime | None
    is_deleted: bool
    is_merged: bool
    stamp: UUID | None
    timers: list[dict[str, Any]]
    # The policies whose chains go on.
    chains: frozenset[UUID] = frozenset()
    is_acknowledged: bool = False

    @property
    def noted(self) -> dict[str, Any]:
        """The facts, with what other records said when it was last written down.

        What is no fact of the ticket itself reads this: what changed elsewhere the ticket's own next fact notices, and notes.
        """
        return {**self.facts, **(RELATED if self.known is None else self.known)}

    def held(self) -> list[Held]:
        """The timers, in hand."""
        rules = library.versions(UUID(row["version_id"]) for row in self.timers)
        return [_held(row, rules[UUID(row["version_id"])]) for row in self.timers]


def read(organization_id: UUID, ticket_id: UUID) -> Situation:
    """As it stands in this transaction, which holds the ticket's lock."""
    with connection.cursor() as cursor:
        cursor.execute(QUERY, [organization_id, ticket_id])
        row = cursor.fetchone()
    own, related = _own_and_related(row)
    assignee, responded, opened, created, due, deleted, merged, stamp, known, timers, chains, is_acknowledged = row[
        len(OWN) + len(RELATED) :
    ]
    facts = _facts(own, related, is_assigned=assignee is not None, is_responded=responded is not None)
    return Situation(
        organization_id=organization_id,
        ticket_id=ticket_id,
        facts=facts,
        related=related,
        known=None if known is None else orjson.loads(known),
        owner_id=plain(assignee),
        responded_at=responded,
        opened_at=opened,
        created_at=created,
        due_at=due,
        is_deleted=deleted is not None,
        is_merged=merged is not None,
        stamp=stamp,
        timers=[] if timers is None else orjson.loads(timers),
        chains=frozenset(chains or ()),
        is_acknowledged=is_acknowledged,
    )


def facts_of(organization_id: UUID, ticket_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """What conditions read of each of these tickets as it stands, in one query; for trials, which hold no lock."""
    with connection.cursor() as cursor:
        cursor.execute(FACTS, [organization_id, list(ticket_ids)])
        rows = cursor.fetchall()
    return {row[0]: _facts(*_own_and_related(row[3:]), is_assigned=row[1], is_responded=row[2]) for row in rows}


def _own_and_related(row: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of READ by name."""
    own = {name: plain(value) for name, value in zip(OWN, row, strict=False)}
    return own, dict(zip(RELATED, (plain(value) for value in row[len(OWN) : len(OWN) + len(RELATED)]), strict=True))


def _facts(
    own: Mapping[str, Any], related: Mapping[str, Any], *, is_assigned: bool, is_responded: bool
) -> dict[str, Any]:
    return {**own, **related, "is_assigned": is_assigned, "is_responded": is_responded, "message": ""}


def plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _instant(value: str | None) -> Any:
    return None if value is None else datetime.fromisoformat(value)


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _held(row: Mapping[str, Any], version: Any) -> Held:
    """A timer as JSON has it."""
    state = State(
        stage=Stage(row["stage"]),
        started_at=_instant(row["started_at"]),
        since=_instant(row["since"]),
        target_seconds=row["target_seconds"],
        original_due_at=_instant(row["original_due_at"]),
        due_at=_instant(row["due_at"]),
        at_risk_at=_instant(row["at_risk_at"]),
        breached_at=_instant(row["breached_at"]),
        ended_at=_instant(row["ended_at"]),
        end_reason=EndReason(row["end_reason"]),
        fixed_due_at=_instant(row["fixed_due_at"]),
        elapsed_seconds=row["elapsed_seconds"],
        wall_seconds=row["wall_seconds"],
        paused_seconds=row["paused_seconds"],
        breach_seconds=row["breach_seconds"],
        breach_wall_seconds=row["breach_wall_seconds"],
        cause=Cause(row["because"], _id(row["event_id"]), row["owner_team_id"], row["owner_id"]),
        pending=[(UUID(level_id), _instant(due)) for level_id, due in row["pending"]],
    )
    calendar_version_id = _id(row["calendar_version_id"])
    plan = Plan(library.hours(calendar_version_id), version.levels.get(row["metric"], ()), calendar_version_id)
    return Held(
        id=UUID(row["id"]),
        agreement=row["agreement"],
        metric=row["metric"],
        version=version,
        target_id=UUID(row["target_id"]),
        team_id=row["team_id"],
        sequence=row["sequence"],
        cycle=row["cycle"],
        clock=Clock(state, plan),
        live_from=_instant(row["live_from"]),
        attached_at=_instant(row["attached_at"]),
        replaces_id=_id(row["replaces_id"]),
        segment_count=row["segment_count"],
        set_by_id=_id(row["set_by_id"]),
        set_because=row["set_because"],
    )


def of_row(timer: Timer) -> Held:
    """A timer that was read as a row, in hand."""
    row = orjson.loads(
        orjson.dumps({field.column: getattr(timer, field.attname) for field in Timer._meta.concrete_fields})
    )
    return _held(row, library.versions([timer.version_id])[timer.version_id])
