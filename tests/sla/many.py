"""Very many tickets with a timer each, as copies of one that the engine made: for what has to be measured or explained."""

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from apps.sla.models import Timer
from apps.tickets.models import Ticket

ID = "('{prefix}-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
COPY = 'INSERT INTO "{table}" ({columns}) SELECT {values} FROM "{table}" t, generate_series(1, {count}) n WHERE t.id = \'{like}\''


def multiply(
    admin: "psycopg.Connection[Any]", timer: Timer, count: int, *, series: int, due_at: datetime | None = None
) -> None:
    """`count` more tickets like this timer's, each with a timer like it, or one that a sweep finds at `due_at`.

    Every `series` is another number, below 2**32. By a superuser and without triggers; copies share levels and instants with
    what they were made from.
    """
    key = ID.format(prefix=f"{series:08x}")
    _copy(admin, Ticket, timer.ticket_id, count, {"id": key, "number": f"'M{series}-' || n"})
    due = {} if due_at is None else {"next_due_at": f"'{due_at.isoformat()}'::timestamptz"}
    _copy(admin, Timer, timer.pk, count, {"id": key, "ticket_id": key, **due})


def _copy(admin: "psycopg.Connection[Any]", model: type[Any], like: UUID, count: int, other: dict[str, str]) -> None:
    names = [field.column for field in model._meta.local_concrete_fields]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(other.get(name, f't."{name}"') for name in names)
    admin.execute("SET session_replication_role = replica")
    sql: Any = COPY.format(table=model._meta.db_table, columns=columns, values=values, count=count, like=like)
    admin.execute(sql)
    admin.execute("SET session_replication_role = origin")
