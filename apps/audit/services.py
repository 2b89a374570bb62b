"""Record a fact, and deliver it to its consumers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit.events import DISPATCH_REPLAYED
from apps.audit.models import Dispatch, Event
from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError
from apps.core.models import new_id
from apps.core.records import noun

COLUMNS: list[Any] = list(Event._meta.concrete_fields)
INSERT = (
    f'INSERT INTO "{Event._meta.db_table}"'  # noqa: S608 - our table
    f" ({', '.join(field.column for field in COLUMNS)}) VALUES "
)
ROW = f"({', '.join('%s' for _ in COLUMNS)})"
log = structlog.get_logger(__name__)

CHANNEL = "itsm_dispatch"
# Due by the database's clock, as everything about a delivery: one process with a wrong clock delays nothing. PostgreSQL hands
# the notice over at commit, and never if the transaction fails; equal notices are folded into one.
QUEUE = f"""
WITH queued AS (
    INSERT INTO audit_dispatch (id, organization_id, event_id, consumer, next_at, attempts, last_error)
    SELECT id, %(organization)s, event, consumer, statement_timestamp(), 0, ''
    FROM unnest(%(ids)s::uuid[], %(events)s::uuid[], %(consumers)s::text[]) AS wanted (id, event, consumer)
)
SELECT pg_notify('{CHANNEL}', '')
"""  # noqa: S608 - our table
# Covers only the wait between claim and worker: while a consumer runs, its row lock keeps others away. What a broker forgot
# is sent again after this.
LEASE = timedelta(seconds=6)
# Seconds until the next attempt, by attempts made; the last repeats.
BACKOFF_SECONDS = (2, 5, 15, 60, 300, 900, 3600)
MAX_ATTEMPTS = 8


class UnknownConsumer(DomainError):
    """A release removed or renamed a consumer that still had deliveries."""

    code = "unknown_consumer"


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
    event = Event(
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
        data={**data, **_from_elsewhere(actor), **_by_token(actor)},
    )
    event.subject = subject
    gathered = _gathered.get()
    if gathered is None:
        _insert([event])
    else:
        gathered.append(event)
    for handle in events.subscribers_inside(name):
        handle(event)
    if gathered is None:
        _queue([event])
    return event


# What waits for the end of the block; None where facts are written one by one.
_gathered: ContextVar[list[Event] | None] = ContextVar("gathered", default=None)


@contextmanager
def together() -> Iterator[None]:
    """What is recorded in the block is written when it ends, in two statements however much it is.

    For who records by the hundred in one transaction, all in one tenant. What subscribes inside the transaction runs at once, and
    finds none of it in the database yet. A block that raises writes nothing, so its transaction must not commit.
    """
    facts = list[Event]()
    token = _gathered.set(facts)
    try:
        yield
    finally:
        _gathered.reset(token)
    _insert(facts)
    _queue(facts)


def _insert(facts: Sequence[Event]) -> None:
    """What save() arrives at, at a third of its price; every fact pays it."""
    if not facts:
        return
    values = [field.get_db_prep_save(getattr(fact, field.attname), connection) for fact in facts for field in COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(INSERT + ", ".join([ROW] * len(facts)), values)
    for fact in facts:
        fact._state.adding, fact._state.db = False, connection.alias


def _from_elsewhere(actor: Actor) -> dict[str, str]:
    """A platform operator who acts in an organization that is not theirs is told apart from its own people."""
    home = actor.home_organization_id
    return {"operator_of": str(home)} if home is not None and home != actor.organization_id else {}


def _by_token(actor: Actor) -> dict[str, str]:
    """What somebody's program did is told apart from what they did themselves."""
    return {"by_api_token": str(actor.token_id)} if actor.token_id is not None else {}


def _queue(facts: Sequence[Event]) -> None:
    wanted = [(fact, consumer) for fact in facts if not fact.is_historic for consumer in events.consumers_of(fact.name)]
    if not wanted:
        return
    parameters: dict[str, Any] = {
        "organization": facts[0].organization_id,
        "ids": [new_id() for _ in wanted],
        "events": [fact.pk for fact, _ in wanted],
        "consumers": [consumer.name for _, consumer in wanted],
    }
    with connection.cursor() as cursor:
        cursor.execute(QUEUE, parameters)


def _wake_relay() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")


def claim(organization_id: UUID, dispatch_ids: list[UUID]) -> list[UUID]:
    """Lease those of these deliveries that are due and free, for LEASE, and return their ids.

    Runs in the tenant's transaction; what another process holds is skipped, not waited for.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE audit_dispatch SET lease_until = statement_timestamp() + %s::interval WHERE id IN (
                SELECT id FROM audit_dispatch
                WHERE organization_id = %s AND id = ANY(%s) AND done_at IS NULL AND dead_at IS NULL
                  AND next_at <= statement_timestamp() AND (lease_until IS NULL OR lease_until < statement_timestamp())
                ORDER BY id FOR UPDATE SKIP LOCKED
            ) RETURNING id
            """,
            [f"{LEASE.total_seconds()} seconds", organization_id, dispatch_ids],
        )
        return [row[0] for row in cursor.fetchall()]


def deliver(organization_id: UUID, dispatch_id: UUID, *, patience_seconds: int | None = None) -> str:
    """Hand one event to its consumer. Returns done, again (there is more to do), gone (somebody else has or had it),
    failed or dead.

    The attempt is counted and committed first, so that a consumer that kills its worker cannot loop for ever. Then the
    consumer's database effects and the mark of delivery commit together: a kill at any moment leaves both or neither.
    While it runs the row is locked, and a second message about the same delivery passes by. What may take longer than
    `patience_seconds` is left alone, for somebody who has the time.
    """
    with tenancy.tenant(organization_id, via="task"):
        with transaction.atomic():
            attempt = _begin_attempt(dispatch_id, patience_seconds)
        if attempt is None:
            return "gone"
        if attempt.number > MAX_ATTEMPTS:
            return _fail(dispatch_id, attempt.number, "gave up: earlier attempts ended without an answer")
        try:
            if attempt.is_outward:
                return _reach_out(dispatch_id, attempt.number)
            with transaction.atomic():
                return _consume(dispatch_id, attempt.number)
        except Exception as error:
            log.exception("delivery_failed", dispatch_id=str(dispatch_id), attempt=attempt.number)
            return _fail(dispatch_id, attempt.number, _reason(error))


@dataclass(frozen=True, slots=True)
class _Attempt:
    number: int
    is_outward: bool


def _begin_attempt(dispatch_id: UUID, patience_seconds: int | None = None) -> _Attempt | None:
    dispatch = (
        Dispatch.objects.select_for_update(skip_locked=True)
        .filter(Q(running_until=None) | Q(running_until__lt=Now()))
        .filter(pk=dispatch_id, done_at=None, dead_at=None, next_at__lte=Now())
        .first()
    )
    if dispatch is None:
        return None
    consumer = events.consumer(dispatch.consumer)
    if patience_seconds is not None and consumer is not None and consumer.limit_seconds > patience_seconds:
        return None
    is_outward = consumer is not None and consumer.is_outward
    dispatch.attempts += 1
    limit = timedelta(seconds=consumer.limit_seconds) if consumer is not None and is_outward else LEASE
    dispatch.lease_until = Now() + limit
    dispatch.running_until = Now() + limit if is_outward else None
    dispatch.save(update_fields=["attempts", "lease_until", "running_until"])
    return _Attempt(dispatch.attempts, is_outward)


def _consume(dispatch_id: UUID, attempt: int) -> str:
    dispatch = _undelivered(dispatch_id, attempt).select_for_update(skip_locked=True).first()
    if dispatch is None:
        return "gone"
    if _consumer_of(dispatch).handle(Event.objects.get(pk=dispatch.event_id)) is events.AGAIN:
        return _put_back(dispatch)
    return _mark_done(dispatch)


def _reach_out(dispatch_id: UUID, attempt: int) -> str:
    """As _consume, but the effect is not undone when the mark of delivery is not written: it is seen again, and known."""
    with transaction.atomic():
        dispatch = _undelivered(dispatch_id, attempt).get()
        event = Event.objects.get(pk=dispatch.event_id)
    _consumer_of(dispatch).handle(event)
    with transaction.atomic():
        ours = _undelivered(dispatch_id, attempt).select_for_update().first()
        return "gone" if ours is None else _mark_done(ours)


def _undelivered(dispatch_id: UUID, attempt: int) -> QuerySet[Dispatch]:
    undelivered: QuerySet[Dispatch] = Dispatch.objects.filter(
        pk=dispatch_id, attempts=attempt, done_at=None, dead_at=None
    )
    return undelivered


def _consumer_of(dispatch: Dispatch) -> events.Consumer:
    consumer = events.consumer(dispatch.consumer)
    if consumer is None:
        raise UnknownConsumer(f"No consumer is called {dispatch.consumer}.")
    return consumer


def _mark_done(dispatch: Dispatch) -> str:
    dispatch.done_at = Now()
    dispatch.lease_until = dispatch.running_until = None
    dispatch.save(update_fields=["done_at", "lease_until", "running_until"])
    return "done"


def _put_back(dispatch: Dispatch) -> str:
    """Due at once, with all its attempts: it got somewhere."""
    dispatch.next_at, dispatch.attempts, dispatch.lease_until = Now(), 0, None
    dispatch.save(update_fields=["next_at", "attempts", "lease_until"])
    _wake_relay()
    return "again"


def _fail(dispatch_id: UUID, attempt: int, reason: str) -> str:
    """Write the failure down in a transaction of its own, unless another attempt has begun or ended meanwhile."""
    is_dead = attempt >= MAX_ATTEMPTS
    delay = timedelta(seconds=BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS)) - 1])
    with transaction.atomic():
        changed = Dispatch.objects.filter(pk=dispatch_id, attempts=attempt, done_at=None, dead_at=None).update(
            last_error=reason[:2000],
            lease_until=None,
            running_until=None,
            next_at=Now() + delay,
            dead_at=Now() if is_dead else None,
        )
        if changed and is_dead:
            _tell_dead(dispatch_id)
    if not changed:
        return "gone"
    return "dead" if is_dead else "failed"


def _tell_dead(dispatch_id: UUID) -> None:
    dispatch = Dispatch.objects.get(pk=dispatch_id)
    consumer = events.consumer(dispatch.consumer)
    if consumer is not None and consumer.on_dead is not None:
        consumer.on_dead(Event.objects.get(pk=dispatch.event_id))


def _reason(error: Exception) -> str:
    """What the tenant's administrator reads: a refusal in our own words, else only its kind; the log holds the rest."""
    return error.detail if isinstance(error, DomainError) else type(error).__name__


def replay(dispatch: Dispatch, *, actor: Actor, at: datetime) -> Dispatch:
    """Give a dead delivery its attempts back, and record who did. Raises Conflict when it is not dead."""
    locked: Dispatch = Dispatch.objects.select_for_update().get(pk=dispatch.pk)
    if locked.dead_at is None:
        raise Conflict("Only a dead delivery can be replayed.", code="not_dead")
    locked.dead_at, locked.attempts, locked.next_at = None, 0, Now()
    locked.save(update_fields=["dead_at", "attempts", "next_at"])
    events.record(DISPATCH_REPLAYED, locked, actor=actor, at=at, event_id=locked.event_id, consumer=locked.consumer)
    _wake_relay()
    return locked
