"""Priority = impact x urgency, by the organization's matrix."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

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
    cells = PriorityCell.objects.filter(kind=kind, impact=impact, urgency=urgency)
    found: int | None = cells.values_list("priority", flat=True).first()
    return found if found is not None else DEFAULT[impact, urgency]
