"""The database backend: the tenant enters every transaction at BEGIN, and no statement escapes one.

Transaction-local settings are the only ones that survive connection pools and PgBouncer's transaction mode without leaking
to the next client, so a statement outside a transaction is refused while a tenant is set.
"""

from collections.abc import Callable
from typing import Any

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from apps.core import tenancy
from apps.core.errors import TenantTransactionRequired

SETTINGS_SQL = (
    "SELECT set_config('app.org_id', %s, true), set_config('app.actor_id', %s, true),"
    " set_config('app.request_id', %s, true), set_config('app.via', %s, true)"
)
READ_ONLY_SQL = ", set_config('transaction_read_only', 'on', true)"


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL with the tenant of `apps.core.tenancy` in force."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(self._refuse_outside_transaction)

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]
        context = tenancy.current()
        if not autocommit and context is not None:
            self._send(context, is_begin=True)

    def issue_tenant(self) -> None:
        """Tell the open transaction the tenant now in force, or that there is none.

        A failed transaction takes no statement any more; rolling back to the savepoint brings its setting back by itself.
        """
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            return
        self._send(tenancy.current(), is_begin=False)

    def _send(self, context: tenancy.TenantContext | None, *, is_begin: bool) -> None:
        sql, values = SETTINGS_SQL, ("", "", "", "")
        if context is not None:
            actor_id = str(context.actor_id) if context.actor_id else ""
            values = (str(context.organization_id), actor_id, context.request_id, context.via)
            # A transaction cannot become writable again, so only BEGIN may make it read-only.
            if is_begin and context.is_read_only:
                sql += READ_ONLY_SQL
        # Straight to the driver: Django's cursor would refuse it here, where `in_atomic_block` is not yet true.
        with self.wrap_database_errors:
            self.connection.execute(sql, values)

    def _refuse_outside_transaction(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if tenancy.current() is not None and not self.in_atomic_block and self.get_autocommit():
            raise TenantTransactionRequired(f"outside a transaction, with a tenant set: {sql[:200]}")
        return execute(sql, params, many, context)
