"""The tenant and its transaction: entered together, nested, left, failed; and reading never writes."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.utils import DataError, IntegrityError, InternalError, OperationalError
from django.utils import timezone

from apps.core import tenancy
from apps.core.errors import TenantTransactionRequired
from apps.organizations.api.views import TeamViewSet
from apps.organizations.models import Organization, Team
from tests.conftest import Tenant
from tests.factories import TeamFactory

pytestmark = pytest.mark.bar(9)


def told() -> str:
    """The tenant that the database itself has in force."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.org_id', true)")
        return cursor.fetchone()[0] or ""


def seen() -> list[UUID]:
    """The organizations that row-level security lets through, without the ORM's help."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM organizations_organization")
        return [row[0] for row in cursor.fetchall()]


def fail(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_statement_outside_a_transaction_is_refused_while_a_tenant_is_set(fresh_database: None, acme: Tenant) -> None:
    with tenancy.tenant(acme.id):
        with pytest.raises(TenantTransactionRequired):
            told()
        with pytest.raises(TenantTransactionRequired):
            Organization.objects.count()
        with pytest.raises(TenantTransactionRequired), connection.cursor() as cursor:
            cursor.executemany("SELECT %s", [[1], [2]])
        with pytest.raises(TenantTransactionRequired):
            list(Organization.objects.all().iterator())
    assert seen() == []


def test_the_tenant_ends_with_its_transaction(fresh_database: None, acme: Tenant) -> None:
    with tenancy.tenant(acme.id), transaction.atomic():
        assert (told(), seen()) == (str(acme.id), [acme.id])
    with transaction.atomic():
        assert (told(), seen()) == ("", [])
    assert (told(), seen()) == ("", [])


def test_a_tenant_entered_inside_a_transaction_is_told_and_taken_back(fresh_database: None, acme: Tenant) -> None:
    with transaction.atomic():
        assert seen() == []
        with tenancy.tenant(acme.id):
            assert seen() == [acme.id]
        assert seen() == []


def test_leaving_a_nested_tenant_restores_the_outer(fresh_database: None, acme: Tenant, globex: Tenant) -> None:
    with acme.entered():
        with tenancy.tenant(globex.id):
            assert seen() == [globex.id]
            with tenancy.enter(None):
                assert seen() == []
            assert seen() == [globex.id]
        assert (told(), seen()) == (str(acme.id), [acme.id])


def test_a_released_savepoint_does_not_keep_the_inner_tenant(
    fresh_database: None, acme: Tenant, globex: Tenant
) -> None:
    with acme.entered():
        with transaction.atomic(), tenancy.tenant(globex.id), transaction.atomic():
            assert seen() == [globex.id]
        assert seen() == [acme.id]


@pytest.mark.parametrize("depth", [1, 2])
def test_a_savepoint_rolled_back_inside_or_around_a_tenant_restores_the_outer(
    fresh_database: None, acme: Tenant, globex: Tenant, depth: int
) -> None:
    def around() -> None:
        with transaction.atomic(), tenancy.tenant(globex.id):
            assert seen() == [globex.id]
            raise ZeroDivisionError

    def inside() -> None:
        with tenancy.tenant(globex.id), transaction.atomic():
            raise ZeroDivisionError

    with acme.entered():
        for attempt in (around, inside):
            for _ in range(depth):
                with pytest.raises(ZeroDivisionError):
                    attempt()
                assert (told(), seen()) == (str(acme.id), [acme.id])


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT 1 / 0", DataError),
        ("SET LOCAL statement_timeout = 5; SELECT pg_sleep(1)", OperationalError),
        ("INSERT INTO organizations_team SELECT * FROM organizations_team", IntegrityError),
    ],
)
def test_a_statement_that_fails_in_a_nested_tenant_shows_its_own_error_and_the_outer_tenant_stays(
    fresh_database: None, acme: Tenant, globex: Tenant, statement: str, error: type[Exception]
) -> None:
    with globex.entered():
        TeamFactory()
    with acme.entered():
        with pytest.raises(error), transaction.atomic(), tenancy.tenant(globex.id):
            fail(statement)
        assert (told(), seen()) == (str(acme.id), [acme.id])
    with pytest.raises(error), tenancy.tenant(acme.id), transaction.atomic(), tenancy.tenant(globex.id):
        fail(statement)
    assert (told(), seen()) == ("", [])


def test_a_transaction_that_must_roll_back_does_not_pass_its_tenant_on(
    fresh_database: None, acme: Tenant, globex: Tenant
) -> None:
    with acme.entered():
        with (
            pytest.raises(ZeroDivisionError),
            transaction.atomic(),
            tenancy.tenant(globex.id),
            transaction.atomic(savepoint=False),
        ):
            raise ZeroDivisionError
        assert (told(), seen()) == (str(acme.id), [acme.id])


def test_what_runs_after_commit_runs_in_no_tenant_of_the_database(fresh_database: None, acme: Tenant) -> None:
    found = []
    with acme.entered():
        transaction.on_commit(lambda: found.append(connection.in_atomic_block))
    assert found == [False]
    assert seen() == []


def test_a_lost_connection_comes_back_without_a_tenant(fresh_database: None, acme: Tenant) -> None:
    with pytest.raises(OperationalError), acme.entered():
        fail("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    with transaction.atomic():
        assert (told(), seen()) == ("", [])
    with acme.entered():
        assert seen() == [acme.id]


def test_a_read_only_context_refuses_to_write(fresh_database: None, acme: Tenant) -> None:
    with (
        pytest.raises(InternalError, match="read-only transaction"),
        tenancy.tenant(acme.id, is_read_only=True),
        transaction.atomic(),
    ):
        TeamFactory()
    with acme.entered():
        assert not Team.objects.exists()
        TeamFactory()


@pytest.mark.usefixtures("fresh_database")
@pytest.mark.parametrize("method", ["get", "head"])
def test_a_get_that_would_write_fails_and_writes_nothing(
    acme: Tenant, dan: Any, api: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    refusals = []

    def writes(view: TeamViewSet, request: Any) -> None:
        try:
            with transaction.atomic():
                TeamFactory(created_at=timezone.now())
        except InternalError as refusal:
            refusals.append(type(refusal.__cause__).__name__)
            raise

    monkeypatch.setattr(TeamViewSet, "list", writes)
    answer = getattr(api(dan), method)("/api/v1/teams/")

    assert (answer.status_code, refusals) == (500, ["ReadOnlySqlTransaction"])
    with acme.entered():
        assert not Team.objects.exists()


def test_a_request_leaves_no_tenant_on_its_connection(fresh_database: None, acme: Tenant, dan: Any, api: Any) -> None:
    client = api(dan)
    for request in (client.get, client.head, client.options, client.delete):
        request("/api/v1/teams/")
        assert (tenancy.current(), told(), seen()) == (None, "", [])


def test_a_database_error_in_a_request_is_not_hidden_by_the_tenant_that_ends(
    fresh_database: None, acme: Tenant, dan: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After, not 500: what is told apart there decides whether the client tries again."""

    def slow(view: TeamViewSet, request: Any) -> None:
        fail("SET LOCAL statement_timeout = 5; SELECT pg_sleep(1)")

    monkeypatch.setattr(TeamViewSet, "list", slow)
    answer = api(dan).get("/api/v1/teams/")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
