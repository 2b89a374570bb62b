"""The catalogue check finds nothing in the database as migrated, and finds each kind of hole when one is made."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core.wall import catalogue
from apps.core.wall.catalogue import findings
from tests.contracts.world import connected_as

pytestmark = pytest.mark.bar(7)

TENANT = "(SELECT NULLIF(current_setting('app.org_id', true), '')::uuid)"
SITE = "organizations_site"


@pytest.fixture
def unblocked(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, without a transaction around the test."""
    with django_db_blocker.unblock():
        yield


def found_with(*statements: str, role: str = "itsm_app") -> list[str]:
    """What the check says as `role` after a superuser's statements, all of which are undone again."""
    with connected_as("admin"), transaction.atomic():
        with connection.cursor() as cursor:
            for statement in (*statements, f"SET LOCAL ROLE {role}"):
                cursor.execute(statement)
        found = findings()
        transaction.set_rollback(True)
    return found


def walled(table: str, *, using: str = f"organization_id = {TENANT}", check: str | None = None) -> list[str]:
    """The statements that put a new table behind the wall."""
    return [
        f"CREATE TABLE {table} (id uuid PRIMARY KEY, organization_id uuid, tenant uuid, other_id uuid)",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} TO itsm_app, itsm_worker USING ({using}) WITH CHECK ({check or using})",
    ]


def test_the_database_as_migrated_has_no_hole(unblocked: None) -> None:
    assert findings() == []


@pytest.mark.parametrize("role", ["worker", "system"])
def test_no_other_login_of_the_platform_finds_one(unblocked: None, role: str) -> None:
    with connected_as(role):
        assert findings() == []


def test_a_table_walled_by_the_book_is_no_finding(unblocked: None) -> None:
    assert found_with(*walled("hole")) == []


def test_a_table_without_a_wall_is_found(unblocked: None) -> None:
    assert found_with("CREATE TABLE hole (id uuid PRIMARY KEY, organization_id uuid)") == [
        "the table hole lacks ENABLE and FORCE row-level security",
        "the table hole has no tenant policy",
    ]


def test_a_table_without_its_policy_is_found(unblocked: None) -> None:
    assert found_with(f"DROP POLICY tenant ON {SITE}") == [f"the table {SITE} has no tenant policy"]


@pytest.mark.parametrize("clause", ["NO FORCE", "DISABLE"])
def test_a_table_whose_wall_is_not_in_force_is_found(unblocked: None, clause: str) -> None:
    assert found_with(f"ALTER TABLE {SITE} {clause} ROW LEVEL SECURITY") == [
        f"the table {SITE} lacks ENABLE and FORCE row-level security"
    ]


@pytest.mark.parametrize(
    "test",
    [
        "true",
        f"organization_id = {TENANT} OR true",
        f"CASE WHEN true THEN true ELSE organization_id = {TENANT} END",
        f"COALESCE(organization_id = {TENANT}, true)",
        f"organization_id IS NOT NULL AND {TENANT} IS NOT NULL",
        f"other_id = {TENANT}",
        f"id = {TENANT}",
        "organization_id::text = current_setting('app.org_id', true)",
        "organization_id = (SELECT NULLIF(current_setting('app.other', true), '')::uuid)",
    ],
)
def test_a_policy_that_tests_anything_but_the_tenant_is_found(unblocked: None, test: str) -> None:
    told = ["the policy tenant on hole does not compare the tenant on reading and writing"]

    assert found_with(*walled("hole", using=test)) == told
    assert found_with(*walled("hole", check=test)) == told


@pytest.mark.parametrize(
    ("roles", "told"), [("PUBLIC", "public"), ("itsm_app", "itsm_app"), ("itsm_worker, itsm_system", None)]
)
def test_a_second_policy_that_opens_a_table_is_found(unblocked: None, roles: str, told: str | None) -> None:
    found = found_with(f"CREATE POLICY hole ON {SITE} FOR SELECT TO {roles} USING (true)")

    assert [re.sub(r"to .*", "", sentence) for sentence in found] == [f"the policy hole on {SITE} opens it "]
    assert told is None or found[0].endswith(f"to {told}")


def test_a_policy_that_lets_the_system_write_is_found(unblocked: None) -> None:
    assert found_with(f"CREATE POLICY hole ON {SITE} FOR UPDATE TO itsm_system USING (true)") == [
        f"the policy hole on {SITE} opens it to itsm_system"
    ]


def test_a_foreign_key_of_one_column_between_tenants_tables_is_found(unblocked: None) -> None:
    statement = f"ALTER TABLE {SITE} ADD COLUMN hole uuid CONSTRAINT hole REFERENCES users_user (id)"

    assert found_with(statement) == [
        f"the foreign key hole of {SITE} has one column; foreign keys are checked beneath row-level security"
    ]


@pytest.mark.parametrize(
    "statement",
    [
        f"ALTER TABLE {SITE} ADD CONSTRAINT hole UNIQUE (name)",
        f"CREATE UNIQUE INDEX hole ON {SITE} (name, organization_id)",
        f"CREATE UNIQUE INDEX hole ON {SITE} (lower(name))",
        f"ALTER TABLE {SITE} ADD CONSTRAINT hole EXCLUDE USING btree (name WITH =)",
    ],
)
def test_a_unique_key_that_does_not_start_with_the_tenant_is_found(unblocked: None, statement: str) -> None:
    assert found_with(statement) == [
        f"the unique key hole of {SITE} does not start with the tenant; it tells who else has a value"
    ]


@pytest.mark.parametrize("options", ["", "WITH (security_invoker = false)"])
def test_a_view_with_its_owners_rights_is_found(unblocked: None, options: str) -> None:
    assert found_with(f"CREATE VIEW hole {options} AS SELECT * FROM {SITE}") == [
        "the view hole runs with its owner's rights; create it with security_invoker"
    ]


def test_a_view_with_its_callers_rights_is_none(unblocked: None) -> None:
    assert found_with(f"CREATE VIEW hole WITH (security_invoker = true) AS SELECT * FROM {SITE}") == []


def test_a_materialised_view_is_found(unblocked: None) -> None:
    assert found_with(f"CREATE MATERIALIZED VIEW hole AS SELECT * FROM {SITE}") == [
        "the materialised view hole cannot be walled"
    ]


@pytest.mark.parametrize("role", ["itsm_app", "itsm_worker", "itsm_system", "PUBLIC"])
@pytest.mark.parametrize("privilege", ["TRUNCATE", "TRIGGER", "REFERENCES"])
def test_a_right_that_no_policy_binds_is_found_whoever_asks(unblocked: None, role: str, privilege: str) -> None:
    statement = f"GRANT {privilege} ON {SITE} TO {role}"
    told = [f"{role} may {privilege} {SITE}"]

    assert found_with(statement, role="itsm_app") == told
    assert found_with(statement, role="itsm_worker") == told


@pytest.mark.parametrize(
    ("grant", "told"),
    [
        (f"INSERT ON {SITE} TO PUBLIC", f"PUBLIC may INSERT {SITE}"),
        (f"SELECT ON {SITE} TO itsm_system", f"itsm_system may SELECT {SITE}"),
        (f"UPDATE (name) ON {SITE} TO itsm_system", f"itsm_system may UPDATE {SITE} (name)"),
        (f"REFERENCES (id) ON {SITE} TO itsm_app", f"itsm_app may REFERENCES {SITE} (id)"),
        ("INSERT ON auth_group TO itsm_app", "itsm_app may INSERT the unwalled table auth_group"),
        ("UPDATE ON django_migrations TO itsm_worker", "itsm_worker may UPDATE the unwalled table django_migrations"),
    ],
)
def test_a_grant_beyond_what_the_wall_gives_is_found(unblocked: None, grant: str, told: str) -> None:
    assert found_with(f"GRANT {grant}") == [told]


FUNCTION = "CREATE FUNCTION hole() RETURNS int LANGUAGE sql SECURITY DEFINER {} AS 'SELECT 1'"
OWNED = "ALTER FUNCTION hole() OWNER TO itsm_door"
REVOKED = "REVOKE ALL ON FUNCTION hole() FROM PUBLIC"
SEARCH_PATH = "SET search_path = pg_catalog, public"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (
            (FUNCTION.format(""), OWNED, REVOKED),
            "the function hole runs with itsm_door's rights and a caller's search_path",
        ),
        ((FUNCTION.format(SEARCH_PATH), OWNED), "the function hole runs with itsm_door's rights for everybody"),
        (
            (FUNCTION.format(SEARCH_PATH), REVOKED, "ALTER FUNCTION hole() OWNER TO itsm_migrator"),
            "the function hole runs with the rights of itsm_migrator",
        ),
    ],
)
def test_a_door_that_is_ajar_is_found(unblocked: None, statements: tuple[str, ...], told: str) -> None:
    assert found_with(*statements) == [told]


def test_a_door_by_the_book_is_no_finding(unblocked: None) -> None:
    assert found_with(FUNCTION.format(SEARCH_PATH), OWNED, REVOKED) == []


def test_a_superuser_may_not_serve(unblocked: None) -> None:
    with connected_as("admin"):
        name = connection.settings_dict["USER"]
        assert findings()[:2] == [
            f"the login {name} is a superuser",
            f"the login {name} bypasses row-level security",
        ]


def test_the_owner_of_the_tables_may_not_serve(unblocked: None) -> None:
    with connected_as("migrator"):
        bypasses, owns, *memberships = findings()

    assert bypasses == "the login itsm_migrator bypasses row-level security"
    assert re.fullmatch(r"the login itsm_migrator owns \d+ relations; owners can drop policies", owns)
    roles = ("itsm_audit_writer", "itsm_door", "pg_database_owner")
    assert memberships == [f"the login may become {role}" for role in roles]


def test_a_login_that_may_become_the_owner_is_found(unblocked: None) -> None:
    assert "the login may become itsm_migrator" in found_with("GRANT itsm_migrator TO itsm_app")


@pytest.mark.parametrize("attribute", ["SUPERUSER", "BYPASSRLS"])
def test_a_login_with_too_many_rights_is_found(unblocked: None, attribute: str) -> None:
    told = {"SUPERUSER": "is a superuser", "BYPASSRLS": "bypasses row-level security"}[attribute]

    assert found_with(f"ALTER ROLE itsm_app {attribute}") == [f"the login itsm_app {told}"]


def test_a_process_refuses_to_serve_through_a_hole(unblocked: None) -> None:
    with pytest.raises(catalogue.ImproperlyConfigured, match="bypasses row-level security"), connected_as("migrator"):
        catalogue.assert_walled()
