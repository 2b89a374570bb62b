"""The relay: finds deliveries that are due, in all tenants, and hands them to Celery; does them itself while the broker is away.

It lists (organization, id) with the system login, which sees nothing else; claiming and effect happen inside each tenant.
"""

import time
from contextlib import suppress
from uuid import UUID

import psycopg
import structlog
from django.db import close_old_connections, connections, transaction
from django.db.utils import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError

from apps.audit import services
from apps.audit.tasks import deliver_dispatch
from apps.core import tenancy

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
BATCH = 200
# No more than this many leased and undone at once, so that a slow worker's queue never grows without end.
IN_FLIGHT_LIMIT = 1000
BROKER_REST_SECONDS = 5.0

DUE = """
SELECT organization_id, id FROM audit_dispatch
WHERE done_at IS NULL AND dead_at IS NULL AND next_at <= now() AND (lease_until IS NULL OR lease_until < now())
ORDER BY next_at LIMIT %s
"""
IN_FLIGHT = """
SELECT count(*) FROM (
    SELECT 1 FROM audit_dispatch WHERE done_at IS NULL AND dead_at IS NULL AND lease_until >= now() LIMIT %s
) AS leased
"""


class Relay:
    """One relay process. Any number may run; SKIP LOCKED keeps them apart."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.broker_rests_until = 0.0
        self.listener: psycopg.Connection | None = None

    def stop(self) -> None:
        self.is_stopping = True

    def run(self) -> None:
        """Work until stopped. An outage of the database is waited out."""
        log.info("relay_started")
        while not self.is_stopping:
            try:
                if self.pass_on() < BATCH:
                    self.wait()
            except (OperationalError, InterfaceError, psycopg.OperationalError) as error:
                log.warning("relay_waits_for_database", error=str(error))
                self._disconnect()
                time.sleep(POLL_SECONDS / 2)
        self._disconnect()
        log.info("relay_stopped")

    def pass_on(self) -> int:
        """Claim and hand over one batch; returns how many were due."""
        close_old_connections()
        due = list_due(BATCH)
        for organization_id, ids in due.items():
            with tenancy.tenant(organization_id, via="relay"), transaction.atomic():
                claimed = services.claim(organization_id, ids)
            for dispatch_id in claimed:
                self.hand_over(organization_id, dispatch_id)
        return sum(map(len, due.values()))

    def hand_over(self, organization_id: UUID, dispatch_id: UUID) -> None:
        """To Celery; or, while the broker is away, straight to the consumer."""
        if time.monotonic() >= self.broker_rests_until:
            try:
                deliver_dispatch.apply_async((str(organization_id), str(dispatch_id)), retry=False)
                return
            except (BrokerError, OSError) as error:
                log.warning("broker_away", error=str(error))
                self.broker_rests_until = time.monotonic() + BROKER_REST_SECONDS
        services.deliver(organization_id, dispatch_id)

    def wait(self) -> None:
        """Sleep until something is committed, at most POLL_SECONDS."""
        if self.listener is None:
            parameters = connections["system"].get_connection_params()
            parameters = {
                k: v
                for k, v in parameters.items()
                if k in {"host", "port", "user", "password", "dbname", "connect_timeout"}
            }
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


def list_due(limit: int) -> dict[UUID, list[UUID]]:
    """Due deliveries by organization, oldest first, no more than what may still be in flight."""
    due: dict[UUID, list[UUID]] = {}
    with connections["system"].cursor() as cursor:
        cursor.execute(IN_FLIGHT, [IN_FLIGHT_LIMIT])
        free = IN_FLIGHT_LIMIT - cursor.fetchone()[0]
        if free > 0:
            cursor.execute(DUE, [min(limit, free)])
            for organization_id, dispatch_id in cursor.fetchall():
                due.setdefault(organization_id, []).append(dispatch_id)
    return due
