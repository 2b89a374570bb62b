"""T14: nobody changes the log: not the application, not the worker, and its owner only by taking the guard away first."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from apps.core.wall.roles import APP, AUDIT_WRITER, WORKER
from apps.users.role_table import BUILT_IN
from tests import factories
from tests.audit.conftest import make_team
from tests.conftest import Tenant, superuser

pytestmark = pytest.mark.bar(14)

FORGED = (
    "INSERT INTO audit_rowchange (id, organization_id, at, request_id, via, table_name, row_id, operation, diff)"
    " VALUES (gen_random_uuid(), '{organization}', now(), '', 'api', 'organizations_team', gen_random_uuid(), 'DELETE', '{{}}')"
)
CHANGES = (
    "UPDATE audit_event SET name = 'x'",
    "UPDATE audit_event SET changes = '{{}}' WHERE false",
    "DELETE FROM audit_event",
    "TRUNCATE audit_event",
    "MERGE INTO audit_event e USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    "INSERT INTO audit_event SELECT * FROM audit_event ON CONFLICT (id) DO UPDATE SET name = 'x'",
    "UPDATE audit_rowchange SET diff = '{{}}'",
    "DELETE FROM audit_rowchange",
    "TRUNCATE audit_rowchange",
    "TRUNCATE audit_event, audit_rowchange CASCADE",
    FORGED,
    "COPY audit_rowchange FROM STDIN",
)
DISARMING = (
    "ALTER TABLE audit_event DISABLE TRIGGER refuse_change",
    "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "ALTER TABLE audit_rowchange DISABLE TRIGGER USER",
    "ALTER TABLE organizations_team DISABLE TRIGGER capture_row",
    "ALTER TABLE organizations_team DISABLE TRIGGER capture_insert",
    "DROP TRIGGER capture_row ON organizations_team",
    "DROP TRIGGER capture_insert ON organizations_team",
    "DROP TRIGGER refuse_change ON audit_event",
    "DROP POLICY tenant ON audit_event",
    "ALTER TABLE audit_event DISABLE ROW LEVEL SECURITY",
    "DROP TABLE audit_event",
    "SET session_replication_role = replica",
    "ALTER FUNCTION audit_capture_row() OWNER TO CURRENT_USER",
    "CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "SET ROLE itsm_audit_writer",
    "SET ROLE itsm_migrator",
    # A relation of one's own that the trigger would find before the real log, or that it could be hung on to forge rows.
    "CREATE TEMPORARY TABLE audit_rowchange (id uuid)",
    "CREATE TABLE mine (id uuid)",
    "CREATE SCHEMA mine",
)


# An organization is born with its roles, whose rows are captured like any other; where the tests take a shortcut, they are not.
BUILT_IN_ROWS = len(BUILT_IN) + sum(len(actions) for table in BUILT_IN.values() for actions in table.values())


@pytest.fixture
def log(fresh_database: None, acme: Tenant) -> Callable[[], list[Any]]:
    """One event with its row change, committed; returns all of the log as a superuser reads it."""
    with acme.entered():
        make_team(acme)

    def read() -> list[Any]:
        with superuser() as all_seeing:
            return [
                all_seeing.execute(sql.SQL("SELECT * FROM {} ORDER BY id").format(sql.Identifier(table))).fetchall()
                for table in ("audit_event", "audit_rowchange")
            ]

    return read


def attempt(connection: psycopg.Connection, statement: str, tenant: Tenant) -> Any:
    try:
        if statement.startswith("COPY"):
            with connection.cursor().copy(statement) as copy:
                copy.write(b"")
        else:
            connection.execute(statement.format(organization=tenant.id))
    except psycopg.Error as error:
        return type(error)
    return "accepted"


@pytest.mark.parametrize("role", ["app", "worker"])
def test_the_applications_roles_change_nothing_and_disarm_nothing(acme, log, login, role):
    before = log()
    assert [len(rows) for rows in before] == [1, 2 if factories.has_shortcut() else 2 + BUILT_IN_ROWS]

    with login(role, acme.id) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (f"itsm_{role}",)
        answers = {statement: attempt(connection, statement, acme) for statement in (*CHANGES, *DISARMING)}

        # PostgreSQL answers this with a warning, and grants nothing.
        connection.execute("GRANT UPDATE, DELETE, TRUNCATE, TRIGGER ON audit_event, audit_rowchange TO CURRENT_USER")
        rights = "SELECT has_table_privilege(t, 'UPDATE, DELETE, TRUNCATE, TRIGGER') FROM unnest(%s::text[]) t"
        assert connection.execute(rights, [["audit_event", "audit_rowchange"]]).fetchall() == [(False,), (False,)]
    assert answers == dict.fromkeys((*CHANGES, *DISARMING), errors.InsufficientPrivilege)
    assert log() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET name = 'x'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "UPDATE audit_rowchange SET diff = '{}'",
        "DELETE FROM audit_rowchange",
        "TRUNCATE audit_rowchange",
        "TRUNCATE organizations_organization CASCADE",
    ],
)
def test_even_the_owner_is_refused_by_the_guard(acme, log, login, statement):
    before = log()

    with login("migrator") as owner, pytest.raises(errors.InsufficientPrivilege, match="is refused: it is append-only"):
        owner.execute(statement)

    assert log() == before


def test_the_guard_covers_all_three_ways_on_both_tables(db):
    with superuser() as connection:
        guards = connection.execute(
            """
            SELECT c.relname, t.tgenabled::text, (t.tgtype & 16) > 0, (t.tgtype & 8) > 0, (t.tgtype & 32) > 0, (t.tgtype & 2) > 0
            FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname = 'refuse_change' ORDER BY 1
            """
        ).fetchall()

    # A calendar's version is never changed; it goes with its calendar.
    calendars = ("organizations_calendarversion", "O", True, False, False, True)
    assert guards == [
        *((table, "O", True, True, True, True) for table in ("audit_event", "audit_rowchange")),
        calendars,
    ]


def test_the_capture_cannot_be_hung_on_a_table_of_ones_own_nor_shown_another_log(db):
    with superuser() as connection:
        owner, settings, app, worker = connection.execute(
            """
            SELECT pg_get_userbyid(proowner), proconfig,
                   has_function_privilege(%s, oid, 'EXECUTE'), has_function_privilege(%s, oid, 'EXECUTE')
            FROM pg_proc WHERE proname = 'audit_capture_row'
            """,
            [APP, WORKER],
        ).fetchone()

    assert (owner, settings) == (AUDIT_WRITER, ["search_path=pg_catalog, public, pg_temp"])
    assert (app, worker) == (False, False)


def test_the_capturing_role_may_add_to_its_log_and_nothing_else(db):
    with superuser() as connection:
        rights = connection.execute(
            "SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = %s",
            [AUDIT_WRITER],
        ).fetchall()
        can_log_in, bypasses = connection.execute(
            "SELECT rolcanlogin, rolbypassrls FROM pg_roles WHERE rolname = %s", [AUDIT_WRITER]
        ).fetchone()

    assert rights == [("audit_rowchange", "INSERT")]
    assert (can_log_in, bypasses) == (False, False)
