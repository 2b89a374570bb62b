"""What time brings, organization by organization: which of them have something due, how far behind it is, and the round itself.

A suspended organization has no turn: nobody of it could be told, or do what is asked of them. What came due meanwhile is due when it
is resumed, and done as after an outage.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import connection, connections

T = TypeVar("T")


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


def go_round(part: str, organizations: Iterable[UUID], visit: Callable[[UUID], T]) -> list[T]:
    """Visit each in turn; one that fails keeps no other from its turn. Returns what came of each visit.

    Raises ExceptionGroup in the end, of all failures.
    """
    done, failures = list[T](), list[Exception]()
    for organization_id in organizations:
        try:
            done.append(visit(organization_id))
        except Exception as failure:
            failure.add_note(f"organization {organization_id}")
            failures.append(failure)
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
    def due(self) -> str:
        """A statement for the organization and the time of everything due by %(now)s."""
        return " UNION ALL ".join(
            f"SELECT organization_id, {column} AS due_at FROM {table} WHERE {column} <= %(now)s"  # noqa: S608 - our tables
            for table, column in self.columns.items()
        )

    @property
    def which(self) -> str:
        """A statement for the organizations that have something due by %(now)s."""
        return f"SELECT DISTINCT organization_id FROM ({self.due}) late"  # noqa: S608 - our tables

    def organizations(self, now: datetime) -> list[UUID]:
        """The active ones that have something due by `now` (UTC); every one where this process has no system login to ask with."""
        if "system" not in connections.databases:
            return active_organization_ids()
        with connections["system"].cursor() as cursor:
            cursor.execute(self.which, {"now": now})
            return active_among(row[0] for row in cursor.fetchall())

    def lag(self, now: datetime) -> Lag:
        """As of `now` (UTC): counts and times, no content."""
        late = f"SELECT organization_id, count(*), min(due_at) FROM ({self.due}) late GROUP BY organization_id"  # noqa: S608 - our tables
        with connections["system"].cursor() as cursor:
            cursor.execute(late, {"now": now})
            found = {organization_id: (count, oldest) for organization_id, count, oldest in cursor.fetchall()}
        active = [found[organization_id] for organization_id in active_among(found)]
        ages = [(now - oldest).total_seconds() for _, oldest in active]
        return Lag(sum(count for count, _ in active), max(0.0, *ages) if ages else 0.0)
