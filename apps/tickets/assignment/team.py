"""A team's queue and its people as they are at an instant: two statements, of which the first is the lock.

The people are read after the lock is held, by a statement of their own: what whoever held it before gave out counts.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.core import tenancy
from apps.organizations.calendars import OpenHours, hours_of
from apps.organizations.calendars.hours import BeyondHorizon
from apps.organizations.models import CalendarVersion, Team
from apps.tickets.assignment.choosing import WEIGHTS, Candidate, SkillWish, Terms
from apps.tickets.models import AssignmentQueue, AssignmentTurn, Ticket
from apps.users.models import Absence, MemberSkill, Presence, Session, TeamMember, User, UserType

WEIGHT = " ".join(f"WHEN {priority} THEN {weight}" for priority, weight in WEIGHTS.items())
# By hand: one statement where the ORM takes four, for whatever every new ticket pays.
MEMBERS = f"""
SELECT m.user_id, u.full_name, m.capacity, coalesce(l.open_here, 0), coalesce(l.load, 0), t.last_assigned_at,
    CASE WHEN p.status IS NULL OR NOT EXISTS (
        SELECT FROM {Session._meta.db_table} s WHERE s.organization_id = %(tenant)s AND s.user_id = m.user_id
        AND s.revoked_at IS NULL AND s.idle_until > %(at)s AND s.absolute_until > %(at)s
    ) THEN 'offline' ELSE p.status END,
    u.is_active AND u.deleted_at IS NULL AND u.user_type <> '{UserType.END_USER}',
    EXISTS (
        SELECT FROM {Absence._meta.db_table} a WHERE a.organization_id = %(tenant)s AND a.user_id = m.user_id
        AND a.starts_at <= %(at)s AND a.ends_at > %(at)s
    ),
    m.is_lead, v.id,
    (SELECT jsonb_object_agg(k.skill_id, k.level) FROM {MemberSkill._meta.db_table} k
     WHERE k.organization_id = %(tenant)s AND k.member_id = m.id
     AND (%(skills)s::uuid[] IS NULL OR k.skill_id = ANY(%(skills)s::uuid[]))),
    (SELECT EXISTS (
        SELECT FROM {Ticket._meta.db_table} w WHERE w.organization_id = %(tenant)s AND w.team_id = %(team)s
        AND w.assignee_id IS NULL AND w.deleted_at IS NULL AND w.phase IN ('new', 'open')
    ))
FROM {TeamMember._meta.db_table} m
JOIN {User._meta.db_table} u ON u.organization_id = %(tenant)s AND u.id = m.user_id
LEFT JOIN {Presence._meta.db_table} p ON p.organization_id = %(tenant)s AND p.user_id = m.user_id
LEFT JOIN {AssignmentTurn._meta.db_table} t
    ON t.organization_id = %(tenant)s AND t.team_id = m.team_id AND t.user_id = m.user_id
JOIN {Team._meta.db_table} g ON g.organization_id = %(tenant)s AND g.id = m.team_id
LEFT JOIN LATERAL (
    SELECT c.id FROM {CalendarVersion._meta.db_table} c
    WHERE c.organization_id = %(tenant)s AND c.calendar_id = coalesce(m.calendar_id, g.calendar_id)
    ORDER BY c.number DESC LIMIT 1
) v ON true
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.team_id = m.team_id) AS open_here, sum(CASE k.priority {WEIGHT} END) AS load
    FROM {Ticket._meta.db_table} k
    WHERE k.organization_id = %(tenant)s AND k.assignee_id = m.user_id AND k.deleted_at IS NULL
    AND k.phase IN ('new', 'open', 'pending') AND (%(counts_on_hold)s OR k.phase <> 'pending')
) l ON true
WHERE m.organization_id = %(tenant)s AND m.team_id = %(team)s AND (%(only)s::uuid[] IS NULL OR m.user_id = ANY(%(only)s))
ORDER BY m.user_id
"""  # noqa: S608 - our tables
KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Crew:
    """The people of a team at an instant, and whether tickets of the team wait for one of them."""

    candidates: list[Candidate]
    has_waiting: bool


_hours: dict[UUID, OpenHours] = {}


def lock_queue(team_id: UUID | None) -> AssignmentQueue | None:
    """The queue of a team that gives its work out by itself, locked until the transaction ends; None of one that does not.

    Whoever locks tickets beside it has them already, or passes over those that somebody else has: so nobody waits in a circle.
    """
    if team_id is None:
        return None
    # Rows that refer to it may still be written: they need only its key.
    rows = AssignmentQueue.objects.select_for_update(of=("self",), no_key=True)
    return rows.filter(team_id=team_id, is_active=True, team__deleted_at=None).first()


def terms_of(queue: AssignmentQueue) -> Terms:
    return Terms(queue.method, queue.needs_presence, queue.needs_shift)


def members(
    queue: AssignmentQueue, skills: Collection[SkillWish] | None, at: datetime, *, only: Collection[UUID] | None = None
) -> Crew:
    """Everybody of the team, or some of them, as they are at `at` (UTC), by id. One statement. `skills`: None reads all of theirs."""
    given: dict[str, Any] = {
        "tenant": tenancy.required_organization_id(),
        "team": queue.team_id,
        "at": at,
        "skills": None if skills is None else [wish.skill_id for wish in skills],
        "counts_on_hold": queue.counts_on_hold,
        "only": None if only is None else list(only),
    }
    with connection.cursor() as cursor:
        cursor.execute(MEMBERS, given)
        rows = cursor.fetchall()
    known = _hours_of({row[10] for row in rows if row[10] is not None})
    return Crew([_candidate(row, known.get(row[10]), at) for row in rows], bool(rows and rows[0][12]))


def _candidate(row: tuple[Any, ...], hours: OpenHours | None, at: datetime) -> Candidate:
    return Candidate(
        user_id=row[0],
        name=row[1],
        capacity=row[2],
        open_tickets=row[3],
        load=row[4],
        last_assigned_at=row[5],
        presence=row[6],
        is_active=row[7],
        is_out=row[8],
        is_lead=row[9],
        is_in_shift=hours is None or _is_open(hours, at),
        skills=_skills(row[11]),
        hours=hours,
    )


def _skills(found: Any) -> dict[UUID, int]:
    """JSON comes as text from a plain cursor, or read, as the driver is set."""
    read = orjson.loads(found) if isinstance(found, str | bytes) else found
    return {UUID(skill): level for skill, level in (read or {}).items()}


def _hours_of(version_ids: set[UUID]) -> dict[UUID, OpenHours]:
    """A version never changes, so what was compiled is kept by its key; those that this process has not met are read.

    What is returned is the caller's own: another thread may empty what is kept at any moment.
    """
    found = {pk: hours for pk in version_ids if (hours := _hours.get(pk)) is not None}
    if missing := version_ids - found.keys():
        read = {version.pk: hours_of(version) for version in CalendarVersion.objects.filter(pk__in=missing)}
        if len(_hours) + len(read) > KEPT:
            _hours.clear()
        _hours.update(read)
        found |= read
    return found


def _is_open(hours: OpenHours, at: datetime) -> bool:
    try:
        return hours.is_open(at)
    except BeyondHorizon:
        return False
