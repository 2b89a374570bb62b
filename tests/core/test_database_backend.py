"""The backend's short cuts: one message to begin, a look at the socket, instants read in C. None of them may show."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from django.db.utils import DataError, OperationalError

from apps.core import tenancy
from apps.organizations.models import Site
from tests.conftest import Tenant, superuser
from tests.factories import SiteFactory


def rows(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def test_what_begins_with_a_tenant_ends_in_autocommit(fresh_database: None, acme: Tenant) -> None:
    with acme.entered():
        assert (connection.get_autocommit(), rows("SELECT now() = statement_timestamp()")) == (False, [(False,)])
    assert (connection.get_autocommit(), connection.connection.autocommit) == (True, True)
    with transaction.atomic():
        assert connection.connection.autocommit is False
    assert connection.connection.autocommit is True


def test_a_rollback_undoes_what_a_tenant_wrote(fresh_database: None, acme: Tenant) -> None:
    with pytest.raises(ZeroDivisionError), acme.entered():
        SiteFactory()
        raise ZeroDivisionError
    with acme.entered():
        assert not Site.objects.exists()


def test_a_transaction_that_cannot_begin_is_not_gone_on_with(fresh_database: None, acme: Tenant) -> None:
    with superuser() as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'itsm_app' AND datname = current_database()"
        )
    with pytest.raises(OperationalError), acme.entered():
        raise AssertionError("it must not get here")
    with acme.entered():
        assert rows("SELECT current_setting('app.org_id')") == [(str(acme.id),)]


def test_autocommit_is_not_turned_on_over_an_open_transaction(fresh_database: None, acme: Tenant) -> None:
    with tenancy.tenant(acme.id):
        connection.set_autocommit(False)
        with pytest.raises(Exception, match="transaction"):
            connection.set_autocommit(True)
        connection.rollback()
        connection.set_autocommit(True)


def test_a_server_side_cursor_ends_with_its_transaction(fresh_database: None, acme: Tenant) -> None:
    with acme.entered():
        SiteFactory.create_batch(3)
    with acme.entered():
        names = Site.objects.order_by("name").values_list("name", flat=True).iterator(chunk_size=1)
        next(names)
        assert rows("SELECT is_holdable FROM pg_cursors WHERE name LIKE '_django%%'") == [(False,)]
    with acme.entered():
        assert rows("SELECT count(*) FROM pg_cursors WHERE name LIKE '_django%%'") == [(0,)]


def test_a_connection_that_the_server_closed_is_noticed_at_once(fresh_database: None, acme: Tenant) -> None:
    with acme.entered():
        assert connection.is_usable()
    with superuser() as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'itsm_app' AND datname = current_database()"
        )
    assert not connection.is_usable()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-21 08:30:00+00", datetime(2026, 11, 21, 8, 30, tzinfo=UTC)),
        ("2026-11-21 08:30:00.000001+01", datetime(2026, 11, 21, 7, 30, 0, 1, tzinfo=UTC)),
        ("2026-11-21 08:30:00.12-05:30", datetime(2026, 11, 21, 14, 0, 0, 120000, tzinfo=UTC)),
        ("0001-01-01 00:00:00+00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31 23:59:59.999999+00", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_an_instant_reads_as_django_reads_it(db: None, written: str, read: datetime) -> None:
    [(instant,)] = rows("SELECT %s::timestamptz", written)

    assert (instant, instant.tzinfo) == (read, UTC)


@pytest.mark.parametrize("written", ["infinity", "0044-03-15 12:00:00+00 BC", "12026-01-01 00:00:00+00"])
def test_an_instant_beyond_pythons_years_is_refused_as_before(db: None, written: str) -> None:
    with pytest.raises((DataError, ValueError)):
        rows("SELECT %s::timestamptz", written)


def test_the_loader_is_ours(db: None) -> None:
    """Django would replace a loader that names another zone, cursor by cursor."""
    rows("SELECT 1")
    loader = connection.connection.adapters.get_loader(1184, 0)

    assert loader.__name__ == "UtcLoader"
    assert issubclass(loader, BaseTzLoader)
