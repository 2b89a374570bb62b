"""What time brings, organization by organization: which of them have something due, how far behind it is, and the round itself.

A suspended organization has no turn: nobody of it could be told, or do what is asked of them. What came due meanwhile is due when it
is resumed, and done as after an outage.
"""

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, connections

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Well below the time that Celery gives a task and the lease of a due time; what is left has its turn with the next one.
LIMIT_SECONDS = 240.0


def organization_ids() -> list[UUID]:
    """Every organization, suspended ones too: their housekeeping goes on."""
    return _ids("SELECT * FROM organization_list()")


def active_organization_ids() -> list[UUID]:
    """Those that are not suspended."""
    return _ids("SELECT * FROM organization_list_active(NULL)")


def active_among(organizations: Iterable[UUID]) -> list[UUID]:
    """As many of these as are not suspended; costs nothing where there are none."""
    asked = list(organizations)
    return _ids("SELECT * FROM organization_list_active(%s)", asked) if asked else []


def _ids(statement: str, *parameters: list[UUID]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [row[0] for row in cursor.fetchall()]


def in_turn(organizations: Iterable[UUID]) -> list[UUID]:
    """In another order each time, so that where time is short it is nobody's alone.

    By chance: whoever begins by the clock begins with the same one whenever their number divides the job's interval.
    """
    order = list(organizations)
    random.shuffle(order)
    return order


def go_round(
    part: str, organizations: Iterable[UUID], visit: Callable[[UUID, float], T], *, limit_seconds: float = math.inf
) -> list[T]:
    """Visit each in turn; one that fails keeps no other from its turn. Returns what came of each visit.

    A visit is told by when (`time.monotonic`) it is to come back; after that no other begins, and the log says of how many
    something may be left. Raises ExceptionGroup in the end, of all failures; SoftTimeLimitExceeded at once, for it is everybody's.
    """
    until = time.monotonic() + limit_seconds
    done, failures, left = list[T](), list[Exception](), 0
    for organization_id in in_turn(organizations):
        try:
            if time.monotonic() < until:
                done.append(visit(organization_id, until))
        except SoftTimeLimitExceeded:
            raise
        except Exception as failure:
            failure.add_note(f"organization {organization_id}")
            failures.append(failure)
        # The one that time ran out upon, too.
        left += time.monotonic() >= until
    if left:
        log.warning("round_left", part=part, organizations=left)
    if failures:
        raise ExceptionGroup(f"{part} failed in {len(failures)} organizations", failures)
    return done


@dataclass(frozen=True, slots=True)
class Lag:
    """How much is due and not done in all active organizations together, and for how long the oldest of it has been."""

    due: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Timetable:
    """Rows of all tenants that wait for an instant: of each table the column that says for which.

    Asked with the system login, which sees ids and due times alone.
    """

    columns: Mapping[str, str]

    @property
    def which(self) -> str:
        """A statement for those of the organizations %(among)s that have something due by %(now)s.

        One look for each at the first entry of the index of what is due there: what is due elsewhere costs nothing.
        """
        first = " UNION ALL ".join(
            f"(SELECT FROM {table} WHERE organization_id = o.id AND {column} <= %(now)s ORDER BY {column} LIMIT 1)"
            for table, column in self.columns.items()
        )
        return f"SELECT o.id FROM unnest(%(among)s::uuid[]) o (id), LATERAL (SELECT FROM ({first}) found LIMIT 1) late"  # noqa: S608 - our tables

    @property
    def late(self) -> str:
        """A statement for how much is due by %(now)s in the organizations %(among)s, counted in each alone, and since when."""
        due = " UNION ALL ".join(
            f"SELECT {column} AS due_at FROM {table} WHERE organization_id = o.id AND {column} <= %(now)s"  # noqa: S608 - our tables
            for table, column in self.columns.items()
        )
        counted = f"SELECT count(*) AS due, min(due_at) AS oldest FROM ({due}) found"  # noqa: S608 - our tables
        # Fenced, because a planner that takes all tenants for alike would count by reading the whole table.
        return (
            f"WITH o AS MATERIALIZED ({self.which}) "  # noqa: S608 - our tables
            f"SELECT COALESCE(sum(due), 0)::bigint, min(oldest) FROM o, LATERAL ({counted}) late"
        )

    def organizations(self, now: datetime) -> list[UUID]:
        """The active ones that have something due by `now` (UTC); every one where this process has no system login to ask with."""
        active = active_organization_ids()
        if "system" not in connections.databases:
            return active
        with connections["system"].cursor() as cursor:
            cursor.execute(self.which, {"now": now, "among": active})
            return [row[0] for row in cursor.fetchall()]

    def lag(self, now: datetime) -> Lag:
        """As of `now` (UTC): counts and times, no content."""
        with connections["system"].cursor() as cursor:
            cursor.execute(self.late, {"now": now, "among": active_organization_ids()})
            due, oldest = cursor.fetchone()
        return Lag(due, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
