"""Record a fact, and deliver it to its consumers."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.records import noun

log = structlog.get_logger(__name__)

CHANNEL = "itsm_dispatch"
# Covers only the wait between claim and worker: while a consumer runs, its row lock keeps others away.
LEASE = timedelta(seconds=10)
# Seconds until the next attempt, by attempts made; the last repeats.
BACKOFF_SECONDS = (2, 5, 15, 60, 300, 900, 3600)
MAX_ATTEMPTS = 8


def record(
    name: str,
    subject: Any,
    *,
    actor: Actor,
    at: datetime,
    changes: events.Changes | None = None,
    is_historic: bool = False,
    **data: Any,
) -> Event:
    """Write one event in the caller's transaction, run what subscribes inside it, queue what subscribes after it.

    A historic event (import, load, demo) moves clocks through the inside subscribers but is delivered to nobody.
    """
    context = tenancy.current()
    event = Event.objects.create(
        organization_id=actor.organization_id,
        name=name,
        subject_type=noun(subject),
        subject_id=subject.pk,
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_label=actor.label,
        at=at,
        recorded_at=timezone.now(),
        request_id=context.request_id if context else "",
        via=context.via if context else "command",
        is_historic=is_historic,
        changes={key: list(pair) for key, pair in (changes or {}).items()},
        data=data,
    )
    for handle in events.subscribers_inside(name):
        handle(event)
    if not is_historic:
        _queue(event)
    return event


def _queue(event: Event) -> None:
    consumers = events.consumers_of(event.name)
    if not consumers:
        return
    Dispatch.objects.bulk_create(
        Dispatch(
            organization_id=event.organization_id, event_id=event.pk, consumer=consumer.name, next_at=event.recorded_at
        )
        for consumer in consumers
    )
    # PostgreSQL hands this to the relay at commit, and never if the transaction fails; equal notices are folded into one.
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")


def claim(organization_id: UUID, dispatch_ids: list[UUID]) -> list[UUID]:
    """Lease those of these deliveries that are due and free, for LEASE, and return their ids.

    Runs in the tenant's transaction; what another process holds is skipped, not waited for.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE audit_dispatch SET lease_until = now() + %s::interval WHERE id IN (
                SELECT id FROM audit_dispatch
                WHERE organization_id = %s AND id = ANY(%s) AND done_at IS NULL AND dead_at IS NULL
                  AND next_at <= now() AND (lease_until IS NULL OR lease_until < now())
                ORDER BY id FOR UPDATE SKIP LOCKED
            ) RETURNING id
            """,
            [f"{LEASE.total_seconds()} seconds", organization_id, dispatch_ids],
        )
        return [row[0] for row in cursor.fetchall()]


def deliver(organization_id: UUID, dispatch_id: UUID) -> str:
    """Hand one event to its consumer. Returns done, gone (somebody else has or had it), failed or dead.

    The attempt is counted and committed first, so that a consumer that kills its worker cannot loop for ever. Then the
    consumer's database effects and the mark of delivery commit together: a kill at any moment leaves both or neither.
    While it runs the row is locked, and a second message about the same delivery passes by.
    """
    with tenancy.tenant(organization_id, via="task"):
        with transaction.atomic():
            attempt = _begin_attempt(dispatch_id)
        if attempt is None:
            return "gone"
        if attempt > MAX_ATTEMPTS:
            return _fail(dispatch_id, attempt, "gave up: earlier attempts ended without an answer")
        try:
            with transaction.atomic():
                return _consume(dispatch_id, attempt)
        except Exception as error:
            log.exception("delivery_failed", dispatch_id=str(dispatch_id), attempt=attempt)
            return _fail(dispatch_id, attempt, f"{type(error).__name__}: {error}")


def _begin_attempt(dispatch_id: UUID) -> int | None:
    now = timezone.now()
    dispatch = (
        Dispatch.objects.select_for_update(skip_locked=True)
        .filter(pk=dispatch_id, done_at=None, dead_at=None, next_at__lte=now)
        .first()
    )
    if dispatch is None:
        return None
    dispatch.attempts += 1
    dispatch.lease_until = now + LEASE
    dispatch.save(update_fields=["attempts", "lease_until"])
    return dispatch.attempts


def _consume(dispatch_id: UUID, attempt: int) -> str:
    dispatch = (
        Dispatch.objects.select_for_update(skip_locked=True)
        .filter(pk=dispatch_id, attempts=attempt, done_at=None, dead_at=None)
        .first()
    )
    if dispatch is None:
        return "gone"
    consumer = events.consumer(dispatch.consumer)
    if consumer is None:
        raise LookupError(f"no consumer is called {dispatch.consumer}")
    consumer.handle(Event.objects.get(pk=dispatch.event_id))
    dispatch.done_at = timezone.now()
    dispatch.lease_until = None
    dispatch.save(update_fields=["done_at", "lease_until"])
    return "done"


def _fail(dispatch_id: UUID, attempt: int, reason: str) -> str:
    """Write the failure down in a transaction of its own, unless another attempt has begun meanwhile."""
    now = timezone.now()
    is_dead = attempt >= MAX_ATTEMPTS
    delay = timedelta(seconds=BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS)) - 1])
    with transaction.atomic():
        Dispatch.objects.filter(pk=dispatch_id, attempts=attempt, done_at=None).update(
            last_error=reason[:2000], lease_until=None, next_at=now + delay, dead_at=now if is_dead else None
        )
    return "dead" if is_dead else "failed"


def replay(dispatch: Dispatch, *, at: datetime) -> Dispatch:
    """Give a dead delivery its attempts back. Raises Conflict when it is not dead."""
    if dispatch.dead_at is None:
        raise Conflict("Only a dead delivery can be replayed.", code="not_dead")
    dispatch.dead_at, dispatch.attempts, dispatch.next_at = None, 0, at
    dispatch.save(update_fields=["dead_at", "attempts", "next_at"])
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")
    return dispatch
