"""The database backend: the tenant enters every transaction at BEGIN, and no statement escapes one.

Transaction-local settings are the only ones that survive connection pools and PgBouncer's transaction mode without leaking
to the next client, so a statement outside a transaction is refused while a tenant is set.
"""

import select
import time
from collections.abc import Callable
from datetime import UTC
from typing import Any

from django.db.backends.postgresql import base
from psycopg import ClientCursor
from psycopg.pq import TransactionStatus

from apps.core import tenancy
from apps.core.errors import TenantTransactionRequired
from apps.core.postgresql.instants import UtcLoader

SETTINGS_SQL = (
    "SELECT set_config('app.org_id', %s, true), set_config('app.actor_id', %s, true),"
    " set_config('app.request_id', %s, true), set_config('app.via', %s, true)"
)
READ_ONLY_SQL = ", set_config('transaction_read_only', 'on', true)"
# A connection that was used so lately has not been dropped in silence by something on the way.
SURELY_ALIVE_SECONDS = 10


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL with the tenant of `apps.core.tenancy` in force."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(self._refuse_outside_transaction)
        self._used_at = 0.0

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        if self.timezone is UTC:
            connection.adapters.register_loader("timestamptz", UtcLoader)
        self._used_at = time.monotonic()
        return connection

    def is_usable(self) -> bool:
        """Whether the server still answers. Every request asks, so a look at the socket has to do while it was used lately."""
        was_used_at, self._used_at = self._used_at, time.monotonic()
        is_trusted = self._used_at - was_used_at < SURELY_ALIVE_SECONDS and not self.errors_occurred
        return (is_trusted and _is_quiet(self.connection)) or bool(super().is_usable())

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = super().create_cursor(name)
        if name is None or self.autocommit:
            return cursor
        # Django takes our autocommit for "outside a transaction", and a cursor WITH HOLD would outlive this one.
        return type(cursor)(self.connection, name=name, scrollable=False, withhold=False)

    def _set_autocommit(self, autocommit: bool) -> None:
        context = tenancy.current()
        if not autocommit and context is not None:
            self._begin(context)
        elif (
            self.connection.autocommit != autocommit
            or self.connection.info.transaction_status != TransactionStatus.IDLE
        ):
            super()._set_autocommit(autocommit)  # type: ignore[misc]

    def _begin(self, context: tenancy.TenantContext) -> None:
        """BEGIN and the tenant in one message; psycopg stays in autocommit, where it sends no BEGIN of its own."""
        sql, values = _settings(context)
        if context.is_read_only:
            sql += READ_ONLY_SQL
        level = self.connection.isolation_level
        begin = "BEGIN" if level is None else f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}"
        try:
            # Two statements in one message: only the simple protocol takes them, so the values are bound here.
            with self.wrap_database_errors, ClientCursor(self.connection) as cursor:
                cursor.execute(f"{begin}; {sql}", values)
        except Exception:
            # Perhaps begun, perhaps not: nobody may go on with it.
            self.close()
            raise

    def issue_tenant(self) -> None:
        """Tell the open transaction the tenant now in force, or that there is none.

        A failed transaction takes no statement any more; rolling back to the savepoint brings its setting back by itself.
        """
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            return
        # Straight to the driver: it is nobody's query, and what watches queries need not see it.
        with self.wrap_database_errors:
            self.connection.execute(*_settings(tenancy.current()))

    def _refuse_outside_transaction(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if tenancy.current() is not None and not self.in_atomic_block and self.get_autocommit():
            raise TenantTransactionRequired(f"outside a transaction, with a tenant set: {sql[:200]}")
        return execute(sql, params, many, context)


def _settings(context: tenancy.TenantContext | None) -> tuple[str, tuple[str, ...]]:
    """The statement that tells an open transaction its tenant. It cannot make one read-only, only BEGIN may."""
    if context is None:
        return SETTINGS_SQL, ("", "", "", "")
    actor_id = str(context.actor_id) if context.actor_id else ""
    return SETTINGS_SQL, (str(context.organization_id), actor_id, context.request_id, context.via)


def _is_quiet(connection: Any) -> bool:
    """Whether the server has sent nothing: it sends a farewell, or at least the end of the stream, before it goes."""
    if connection is None or connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
