"""The walk over what is due: organization by organization in rounds, each ticket in a transaction of its own.

It reads what is due and nothing else, and may run any number of times at once: a step is taken under its ticket's lock by whoever
comes first, and was then the next one's no more.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import Q

from apps.core import tenancy
from apps.organizations.rounds import LIMIT_SECONDS, active_organization_ids, in_turn
from apps.tickets.closing import acting, countdowns
from apps.tickets.closing.acting import Result
from apps.tickets.models import Countdown

log = structlog.get_logger(__name__)

# Of one organization in one round: one that has much does not keep the others waiting.
BATCH = 200

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Walk:
    """One organization's share of one run."""

    organization_id: UUID
    purpose: str
    taken: int = 0
    # The last one looked at: what has been tried is behind us, whatever became of it.
    behind: tuple[datetime, UUID] | None = None
    busy: list[UUID] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    is_over: bool = False

    def go_on(self, clock: Clock, until: float) -> None:
        """Another batch, or as much of it as there is time for; each ticket at its own instant."""
        with tenancy.tenant(self.organization_id, via="task"), transaction.atomic():
            recounted = countdowns.recount_stale(BATCH)
        if recounted == BATCH:
            return
        with tenancy.tenant(self.organization_id, via="task"), transaction.atomic():
            rows = list(due_rows(self.purpose, clock(), self.behind)[:BATCH])
        for due_at, pk, ticket_id in rows:
            if time.monotonic() >= until:
                return
            self.behind = (due_at, pk)
            self._try(ticket_id, clock(), self.busy)
        if len(rows) < BATCH:
            # Somebody had them in hand a moment ago; after this they are the next run's.
            again, self.busy = self.busy, []
            for ticket_id in again:
                self._try(ticket_id, clock(), self.busy)
            self.is_over = True

    def _try(self, ticket_id: UUID, now: datetime, busy: list[UUID]) -> None:
        """One that fails keeps no other from its turn."""
        try:
            with tenancy.tenant(self.organization_id, via="task"), transaction.atomic():
                result = acting.take(ticket_id, self.purpose, at=now)
        except SoftTimeLimitExceeded:
            raise
        except Exception as failure:
            log.warning("countdown_failed", ticket=str(ticket_id), purpose=self.purpose, exc_info=True)
            failure.add_note(f"ticket {ticket_id}")
            self.failures.append(failure)
            return
        self.taken += result is Result.TAKEN
        if result is Result.BUSY:
            busy.append(ticket_id)


def due_rows(purpose: str, now: datetime, behind: tuple[datetime, UUID] | None = None) -> Any:
    """What of the tenant in force is due by `now` (UTC), longest first: due time, id, ticket."""
    rows = Countdown.objects.filter(purpose=purpose, due_at__lte=now)
    if behind is not None:
        due_at, pk = behind
        rows = rows.filter(Q(due_at__gt=due_at) | Q(due_at=due_at, pk__gt=pk), due_at__gte=due_at)
    return rows.order_by("due_at", "pk").values_list("due_at", "pk", "ticket_id")


def sweep(purpose: str, clock: Clock, *, limit_seconds: float = LIMIT_SECONDS) -> int:
    """Take every step of this purpose that is due by the clock (UTC), in all active organizations. Returns how many were taken.

    Raises ExceptionGroup in the end, of all failures.
    """
    until = time.monotonic() + limit_seconds
    walks = [Walk(organization_id, purpose) for organization_id in in_turn(active_organization_ids())]
    going = list(walks)
    while going and time.monotonic() < until:
        for walk in going:
            _go_on(walk, clock, until)
        going = [walk for walk in going if not walk.is_over]
    if going:
        log.warning("countdowns_left", purpose=purpose, organizations=len(going))
    taken, failures = sum(walk.taken for walk in walks), [each for walk in walks for each in walk.failures]
    if taken:
        log.info("countdowns_swept", purpose=purpose, taken=taken)
    if failures:
        raise ExceptionGroup(f"{purpose} failed for {len(failures)} tickets or organizations", failures)
    return taken


def _go_on(walk: Walk, clock: Clock, until: float) -> None:
    if time.monotonic() >= until:
        return
    try:
        walk.go_on(clock, until)
    except SoftTimeLimitExceeded:
        raise
    except Exception as failure:
        failure.add_note(f"organization {walk.organization_id}")
        walk.failures.append(failure)
        walk.is_over = True


def sweep_organization(organization_id: UUID, purpose: str, now: datetime) -> int:
    """The same for one of them, at one instant (UTC)."""
    walk = Walk(organization_id, purpose)
    while not walk.is_over:
        walk.go_on(lambda: now, math.inf)
    if walk.failures:
        raise ExceptionGroup(f"{purpose} failed for {len(walk.failures)} tickets", walk.failures)
    return walk.taken
