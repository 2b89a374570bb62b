"""Priority = impact x urgency, by the organization's matrix."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import connection

from apps.core import tenancy
from apps.tickets.choices import Kind
from apps.tickets.models import PriorityCell

# ServiceNow's: (impact, urgency) -> priority.
DEFAULT: Mapping[tuple[int, int], int] = {
    (1, 1): 1,
    (1, 2): 2,
    (1, 3): 3,
    (2, 1): 2,
    (2, 2): 3,
    (2, 3): 4,
    (3, 1): 3,
    (3, 2): 4,
    (3, 3): 5,
}
# By hand, because every new ticket pays for it: the ORM takes longer to put this together than PostgreSQL to answer it.
CELL = f"""
SELECT priority FROM {PriorityCell._meta.db_table}
WHERE organization_id = %s AND kind = %s AND impact = %s AND urgency = %s
"""  # noqa: S608 - our table


def create_default_matrix(organization_id: UUID, kind: str = Kind.INCIDENT, *, at: datetime) -> None:
    """The nine cells of a new organization; part of the fact that it was created. Cells that are there stay as they are."""
    PriorityCell.objects.bulk_create(
        (
            PriorityCell(
                organization_id=organization_id,
                kind=kind,
                impact=impact,
                urgency=urgency,
                priority=priority,
                created_at=at,
                updated_at=at,
            )
            for (impact, urgency), priority in DEFAULT.items()
        ),
        ignore_conflicts=True,
    )


def priority_of(kind: str, impact: int, urgency: int) -> int:
    """What the matrix of the tenant in force says; a kind without one of its own follows the default."""
    with connection.cursor() as cursor:
        cursor.execute(CELL, [tenancy.required_organization_id(), kind, impact, urgency])
        found = cursor.fetchone()
    return int(found[0]) if found is not None else DEFAULT[impact, urgency]
