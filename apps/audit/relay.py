"""The relay: finds deliveries that are due, in all tenants, and hands them to Celery; does them itself while the broker is away.

It lists (organization, id) with the system login, which sees nothing else; claiming and effect happen inside each tenant.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import structlog
from django.db import close_old_connections, connections, transaction
from django.db.utils import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from apps.audit import services
from apps.audit.tasks import deliver_dispatch
from apps.core import proof, tenancy
from apps.core.wall.catalogue import assert_bound

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
BATCH = 200
# The broker holds no more messages than workers take in a few seconds: a lease that runs out in a long queue sends another.
QUEUE_LIMIT = 200
FULL_QUEUE_REST_SECONDS = 0.1
BROKER_REST_SECONDS = 5.0
# What the relay does itself while the broker is away must not keep the other deliveries waiting; longer work waits for a worker.
PATIENCE_SECONDS = 60
BROKER_ERRORS = (BrokerError, RedisError, OSError)
# What only Django's own connections may be given; all the rest, above all TLS, holds for the listener too.
DJANGO_PARAMETERS = frozenset({"context", "cursor_factory", "prepare_threshold"})

DUE = """
SELECT organization_id, id FROM audit_dispatch
WHERE done_at IS NULL AND dead_at IS NULL AND next_at <= now() AND (lease_until IS NULL OR lease_until < now())
ORDER BY next_at LIMIT %s
"""
STATUS = """
SELECT count(*), COALESCE(EXTRACT(EPOCH FROM now() - min(next_at)), 0)::float,
       (SELECT count(*) FROM audit_dispatch WHERE done_at IS NULL AND dead_at IS NOT NULL)
FROM audit_dispatch WHERE done_at IS NULL AND dead_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Status:
    """How far delivery is behind in all tenants together; `overdue_seconds` is the age of the oldest that is due."""

    waiting: int
    overdue_seconds: float
    dead: int


class Relay:
    """One relay process. Any number may run; SKIP LOCKED keeps them apart."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.is_proved = False
        self.is_queue_full = False
        self.broker_rests_until = 0.0
        self.listener: psycopg.Connection | None = None

    def stop(self) -> None:
        self.is_stopping = True

    def run(self) -> None:
        """Work until stopped. An outage of the database is waited out.

        Raises ImproperlyConfigured when the wall between the tenants has a hole.
        """
        log.info("relay_started")
        while not self.is_stopping:
            try:
                self.prove_wall()
                if not self.pass_on():
                    self.wait()
            except (OperationalError, InterfaceError, psycopg.OperationalError) as error:
                log.warning("relay_waits_for_database", error=str(error))
                self._disconnect()
                time.sleep(POLL_SECONDS / 2)
        self._disconnect()
        log.info("relay_stopped")

    def prove_wall(self) -> None:
        """Of both logins: the worker's, and the system's, which nothing else looks at."""
        if not self.is_proved:
            proof.complete()
            assert_bound("system")
            self.is_proved = True

    def pass_on(self) -> int:
        """Claim and hand over one batch; returns how many it claimed."""
        close_old_connections()
        claimed = 0
        for organization_id, ids in list_due(min(BATCH, self.room())).items():
            with tenancy.tenant(organization_id, via="relay"), transaction.atomic():
                leased = services.claim(organization_id, ids)
            claimed += len(leased)
            for dispatch_id in leased:
                self.hand_over(organization_id, dispatch_id)
        return claimed

    def room(self) -> int:
        """How many messages the broker may still be given; BATCH while it is away."""
        self.is_queue_full = False
        if not self.may_ask_broker():
            return BATCH
        try:
            free = max(0, QUEUE_LIMIT - queued())
        except BROKER_ERRORS as error:
            self.rest_broker(error)
            return BATCH
        self.is_queue_full = free == 0
        return free

    def hand_over(self, organization_id: UUID, dispatch_id: UUID) -> None:
        """To Celery; or, while the broker is away, straight to the consumer, unless that may take long."""
        if self.may_ask_broker():
            try:
                deliver_dispatch.apply_async((str(organization_id), str(dispatch_id)), retry=False)
                return
            except BROKER_ERRORS as error:
                self.rest_broker(error)
        services.deliver(organization_id, dispatch_id, patience_seconds=PATIENCE_SECONDS)

    def may_ask_broker(self) -> bool:
        return time.monotonic() >= self.broker_rests_until

    def rest_broker(self, error: Exception) -> None:
        """Leave it alone for a while: each attempt costs seconds when nothing answers."""
        log.warning("broker_away", error=str(error))
        self.broker_rests_until = time.monotonic() + BROKER_REST_SECONDS

    def wait(self) -> None:
        """Sleep until something is committed, at most POLL_SECONDS; while the queue is full, until there may be room again."""
        if self.is_queue_full:
            time.sleep(FULL_QUEUE_REST_SECONDS)
            return
        if self.listener is None:
            given = connections["system"].get_connection_params().items()
            parameters = {name: value for name, value in given if name not in DJANGO_PARAMETERS}
            self.listener = psycopg.connect(**parameters, autocommit=True)
            self.listener.execute(f"LISTEN {services.CHANNEL}")
        for _ in self.listener.notifies(timeout=POLL_SECONDS, stop_after=1):
            return

    def _disconnect(self) -> None:
        if self.listener is not None:
            with suppress(psycopg.Error):
                self.listener.close()
            self.listener = None
        connections.close_all()


def queued() -> int:
    """How many messages wait in Celery's queue."""
    app = deliver_dispatch.app
    with app.producer_pool.acquire(block=True) as producer:
        channel: Any = producer.channel
        return int(channel.queue_declare(app.conf.task_default_queue).message_count)


def list_due(limit: int) -> dict[UUID, list[UUID]]:
    """At most `limit` due deliveries by organization, oldest first."""
    due: dict[UUID, list[UUID]] = {}
    if limit > 0:
        with connections["system"].cursor() as cursor:
            cursor.execute(DUE, [limit])
            for organization_id, dispatch_id in cursor.fetchall():
                due.setdefault(organization_id, []).append(dispatch_id)
    return due


def status() -> Status:
    """As the system login sees it: counts and times of all tenants, no content of any."""
    with connections["system"].cursor() as cursor:
        cursor.execute(STATUS)
        waiting, overdue, dead = cursor.fetchone()
    return Status(waiting, round(max(0.0, overdue), 1), dead)
