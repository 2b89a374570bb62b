"""Which tickets somebody may see, and how queues ask for them."""

from typing import Any, Self

from django.db.models import Q

from apps.core.actors import Actor
from apps.core.authorization import Action, reach_columns_of
from apps.core.lifecycle import Phase
from apps.core.querysets import SoftDeleteQuerySet, TenantManager
from apps.tickets import kinds


class TicketQuerySet(SoftDeleteQuerySet[Any]):
    """Tickets of every kind."""

    def within_grants(self, actor: Actor, action: Action = Action.READ) -> Self:
        """What the actor's grants reach, kind by kind: each practice is a resource of its own."""
        if actor.is_system:
            return self
        if actor.authorizer is None:
            return self.none()
        columns, found, is_everything = reach_columns_of(self.model), Q(pk__in=[]), True
        for kind in kinds.every():
            condition = actor.authorizer.within_reach(action, kind.resource, columns)
            is_everything = is_everything and condition is None
            found |= Q(kind=kind.name) if condition is None else Q(kind=kind.name) & condition
        return self if is_everything else self.filter(found)

    def of_kind(self, kind: str) -> Self:
        return self.filter(kind=kind)

    def open(self) -> Self:
        """Not resolved, closed or cancelled."""
        return self.filter(phase__in=(Phase.NEW, Phase.OPEN, Phase.PENDING))


TicketObjects = TenantManager.from_queryset(TicketQuerySet)
