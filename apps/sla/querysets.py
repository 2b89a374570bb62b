"""Questions about many timers."""

from datetime import datetime
from typing import Any, Self

from django.db.models import Exists, OuterRef, Q

from apps.core.actors import Actor
from apps.core.querysets import TenantManager, TenantQuerySet
from apps.sla.choices import LIVE, EndReason, Stage


class TimerQuerySet(TenantQuerySet[Any]):
    """Timers of every ticket."""

    def live(self) -> Self:
        return self.filter(stage__in=LIVE)

    def breached(self, at: datetime) -> Self:
        """Also those whose deadline has passed and which the sweep has not reached."""
        return self.filter(Q(breached_at__isnull=False) | Q(stage=Stage.RUNNING, due_at__lt=at))

    def at_risk(self, at: datetime) -> Self:
        """Three quarters of the target have run, and it is not missed."""
        return self.filter(stage=Stage.RUNNING, breached_at=None, at_risk_at__lte=at, due_at__gte=at)

    def paused(self) -> Self:
        return self.filter(stage=Stage.PAUSED)

    def final(self) -> Self:
        """Without those whose start, pauses and breach another timer of their ticket took over: each promise once."""
        heirs = self.model._base_manager.filter(
            organization_id=OuterRef("organization_id"), ticket_id=OuterRef("ticket_id"), replaces_id=OuterRef("pk")
        )
        return self.filter(~Exists(heirs))

    def of_visible_tickets(self, actor: Actor, tickets: Any) -> Self:
        """Of these tickets as far as the actor may see them; hidden with a deleted one."""
        return self.visible_to(actor).filter(Exists(tickets.visible_to(actor).alive().filter(pk=OuterRef("ticket_id"))))


TimerObjects = TenantManager.from_queryset(TimerQuerySet)


# What took over from a replaced one has its breach.
NOT_LISTED = (EndReason.REPLACED, EndReason.MERGED, EndReason.DELETED)


class BreachManager(TenantManager[Any]):
    """Each deadline that was missed once, as the sweep has noted it; not of tickets that were merged or deleted."""

    def get_queryset(self) -> Any:
        missed: Any = super().get_queryset().filter(breached_at__isnull=False)
        return missed.exclude(end_reason__in=NOT_LISTED).final()


BreachObjects = BreachManager.from_queryset(TimerQuerySet)
