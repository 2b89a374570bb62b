"""The sweep: fire what is due. Reads what is due and nothing else, and may run any number of times at once.

A ticket's lock comes before its timers', as in every change of it; what another process holds is skipped and found again.
"""

import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction

from apps.audit.services import together
from apps.core import tenancy
from apps.organizations.rounds import LIMIT_SECONDS, Timetable, go_round
from apps.sla import recording, situation
from apps.sla.clock import whole
from apps.sla.models import Timer
from apps.tickets.models import Ticket

log = structlog.get_logger(__name__)

BATCH = 500
# Of one organization in one run: one that has much does not keep the others waiting.
MOST = 20_000
TABLE, TICKETS = Timer._meta.db_table, Ticket._meta.db_table
DUE = Timetable({TABLE: "next_due_at"})
CLAIM = f"""
SELECT k.id FROM {TABLE} t JOIN {TICKETS} k ON k.organization_id = t.organization_id AND k.id = t.ticket_id
WHERE t.organization_id = %(organization)s AND t.next_due_at <= %(now)s AND k.id <> ALL (%(but)s)
ORDER BY t.next_due_at LIMIT %(limit)s FOR UPDATE OF k SKIP LOCKED
"""  # noqa: S608 - our tables


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did, and how many tickets it had in hand."""

    timers: int = 0
    levels: int = 0
    tickets: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(self.timers + other.timers, self.levels + other.levels, self.tickets + other.tickets)


def sweep(now: datetime) -> Swept:
    """Fire everything that is due by `now` (UTC), organization by organization. Raises ExceptionGroup in the end, of all failures."""

    def visit(organization_id: UUID, until: float) -> Swept:
        return sweep_organization(organization_id, now, until=until)

    return sum(go_round("the sweep", DUE.organizations(now), visit, limit_seconds=LIMIT_SECONDS), Swept())


def sweep_organization(organization_id: UUID, now: datetime, *, until: float = math.inf) -> Swept:
    """Batch by batch, each a transaction of its own: what is fired is committed, whatever happens to the rest.

    Of a batch that fails each ticket is tried alone, so that one keeps no other from its turn. Raises ExceptionGroup in the end,
    of the tickets that failed. None is begun after `until` (`time.monotonic`).
    """
    swept, failures = Swept(), dict[UUID, Exception]()
    while swept.timers < MOST and time.monotonic() < until:
        try:
            done = _fire(organization_id, now, but=failures)
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            log.warning("sweep_batch_failed", organization=str(organization_id), exc_info=True)
            done = _fire_one_by_one(organization_id, now, failures, until)
        swept += done
        if not done.tickets:
            break
    if failures:
        raise ExceptionGroup(f"the levels of {len(failures)} tickets failed", list(failures.values()))
    return swept


def _fire(organization_id: UUID, now: datetime, *, but: Collection[UUID], limit: int = BATCH) -> Swept:
    with tenancy.tenant(organization_id, via="task"), transaction.atomic():
        return fire_batch(organization_id, now, limit=limit, but=but)


def _fire_one_by_one(organization_id: UUID, now: datetime, failures: dict[UUID, Exception], until: float) -> Swept:
    """As much as a batch is; what fails is noted in `failures` and passed over."""
    with tenancy.tenant(organization_id, via="task"), transaction.atomic():
        ids = _claim(organization_id, now, BATCH, failures)
    swept = Swept()
    for pk in ids:
        if time.monotonic() >= until:
            break
        try:
            with tenancy.tenant(organization_id, via="task"), transaction.atomic():
                free = Ticket.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=pk)
                swept += _fire_tickets(organization_id, now, [ticket.pk for ticket in free])
        except SoftTimeLimitExceeded:
            raise
        except Exception as failure:
            failure.add_note(f"ticket {pk}")
            failures[pk] = failure
    return Swept(swept.timers, swept.levels, len(ids))


def fire_batch(organization_id: UUID, now: datetime, *, limit: int, but: Collection[UUID] = ()) -> Swept:
    """Lock the tickets of the timers that are due longest, and fire what is due of them now that nobody else can."""
    return _fire_tickets(organization_id, now, _claim(organization_id, now, limit, but))


def _fire_tickets(organization_id: UUID, now: datetime, ids: list[UUID]) -> Swept:
    if not ids:
        return Swept()
    tickets = {ticket.pk: ticket for ticket in Ticket.objects.filter(pk__in=ids)}
    # Read anew under the lock: what was stopped, paused or fired meanwhile is not due any more.
    rows = Timer.objects.filter(ticket_id__in=ids, next_due_at__lte=now).order_by("next_due_at", "id")
    writing, timers, levels = recording.Writing(organization_id), 0, 0
    with together():
        for row in rows:
            held = situation.of_row(row)
            held.clock.reach(whole(now))
            firings = recording.tell(held, tickets[row.ticket_id], at=now, is_historic=False)
            writing.take(held, row.ticket_id, firings)
            timers, levels = timers + 1, levels + len(firings)
    writing.send()
    return Swept(timers, levels, len(tickets))


def _claim(organization_id: UUID, now: datetime, limit: int, but: Collection[UUID] = ()) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"organization": organization_id, "now": now, "limit": limit, "but": list(but)})
        return [row[0] for row in cursor.fetchall()]
