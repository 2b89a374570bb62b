"""Incidents as the base rows of their kind (G1, G4 of the tickets' guardrails)."""

from typing import Any, Self
from uuid import UUID

from apps.core.querysets import TenantManager
from apps.tickets.choices import Kind
from apps.tickets.querysets import TicketQuerySet


class IncidentQuerySet(TicketQuerySet):
    """Rows with the child joined: for the page of one incident. A list asks `Ticket.objects.of_kind("incident")`."""

    def in_tenant(self, organization_id: UUID) -> Self:
        """With tenant and kind on the base row too: that is where the planner finds the index."""
        if self.walled_for == organization_id:
            return self
        walled: Self = super().in_tenant(organization_id)
        kept: Any = walled.filter(organization_id=organization_id, kind=Kind.INCIDENT)
        kept.walled_for = organization_id
        return kept  # type: ignore[no-any-return]


IncidentObjects = TenantManager.from_queryset(IncidentQuerySet)
