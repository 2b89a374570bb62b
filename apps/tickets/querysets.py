"""Which tickets somebody may see, and how queues ask for them."""

from typing import Any, Self

from apps.core.actors import Actor
from apps.core.authorization import Action, within_reach
from apps.core.lifecycle import Phase
from apps.core.querysets import SoftDeleteQuerySet, TenantManager
from apps.tickets.kinds import RESOURCE


class TicketQuerySet(SoftDeleteQuerySet[Any]):
    """Tickets of every kind."""

    def visible_to(self, actor: Actor) -> Self:
        """What the actor's grants reach, kind by kind: each practice is a resource of its own."""
        return within_reach(super().visible_to(actor), actor, Action.READ, RESOURCE)

    def of_kind(self, kind: str) -> Self:
        return self.filter(kind=kind)

    def open(self) -> Self:
        """Not resolved, closed or cancelled."""
        return self.filter(phase__in=(Phase.NEW, Phase.OPEN, Phase.PENDING))

    def in_phases(self, phases: frozenset[str]) -> Self:
        """Of these phases; of all where none is named. What narrows by status says so too, because the index has the phase."""
        if not phases:
            return self
        return self.filter(phase=next(iter(phases))) if len(phases) == 1 else self.filter(phase__in=sorted(phases))


TicketObjects = TenantManager.from_queryset(TicketQuerySet)
