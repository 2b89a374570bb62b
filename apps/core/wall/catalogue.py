"""Reads PostgreSQL's own catalogue and says where the wall has a hole. Asked at every start, and by the tests."""

from collections.abc import Callable, Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from apps.core.wall.roles import APP, DOOR, SYSTEM, TENANT_ROLES, WORKER
from apps.core.wall.unwalled import INSTALLATION_WIDE_KEYS, UNWALLED

Query = Callable[..., list[tuple[Any, ...]]]

TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relkind,
       COALESCE('security_invoker=true' = ANY (c.reloptions) OR 'security_invoker=on' = ANY (c.reloptions), false)
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1
"""
POLICIES = """
SELECT tablename, policyname, permissive, roles::text[], cmd, qual, with_check FROM pg_policies WHERE schemaname = 'public'
"""
# Every foreign key with the number of its columns, and whether its column is the primary key (a parent link).
FOREIGN_KEYS = """
SELECT c.conname, s.relname, t.relname, cardinality(c.conkey),
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = s.oid AND i.indisprimary AND i.indkey::int2[] = c.conkey)
FROM pg_constraint c JOIN pg_class s ON s.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
WHERE c.contype = 'f' AND s.relnamespace = 'public'::regnamespace
"""
UNIQUE_KEYS = """
SELECT i.relname, t.relname, a.attname FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
WHERE x.indisunique AND NOT x.indisprimary AND t.relnamespace = 'public'::regnamespace
"""
WRITES = """
SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants
WHERE table_schema = 'public' AND privilege_type <> 'SELECT' AND grantee = ANY (%s)
"""
DEFINERS = """
SELECT p.proname, r.rolname, COALESCE(array_to_string(p.proconfig, ','), ''), has_function_privilege('public', p.oid, 'EXECUTE')
FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
"""
LOGIN = """
SELECT rolname, rolsuper, rolbypassrls,
       (SELECT count(*) FROM pg_class WHERE relowner = r.oid AND relnamespace = 'public'::regnamespace)
FROM pg_roles r WHERE rolname = current_user
"""


def findings() -> list[str]:
    """Every hole in the wall, a sentence each; empty when it stands."""
    with transaction.atomic(), connection.cursor() as cursor:

        def query(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

        return [
            *_login(query),
            *_tables(query),
            *_foreign_keys(query),
            *_unique_keys(query),
            *_grants(query),
            *_doors(query),
        ]


def assert_walled() -> None:
    """Refuse to serve through a hole. Raises ImproperlyConfigured naming each."""
    if found := findings():
        raise ImproperlyConfigured("The wall between tenants has holes:\n  " + "\n  ".join(found))


def walled_tables() -> list[str]:
    """The tables that row-level security covers now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TABLES)
        return [name for name, enabled, forced, kind, _ in cursor.fetchall() if kind in "rp" and enabled and forced]


def _login(query: Query) -> Iterator[str]:
    for name, is_super, bypasses, owned in query(LOGIN):
        if is_super:
            yield f"the login {name} is a superuser"
        if bypasses:
            yield f"the login {name} bypasses row-level security"
        if owned:
            yield f"the login {name} owns {owned} relations; owners can drop policies"


def _tables(query: Query) -> Iterator[str]:
    policies: dict[str, list[tuple[Any, ...]]] = {}
    for row in query(POLICIES):
        policies.setdefault(row[0], []).append(row)
    for name, enabled, forced, kind, is_invoker in query(TABLES):
        if kind == "v" and not is_invoker:
            yield f"the view {name} runs with its owner's rights; create it with security_invoker"
        if kind == "m":
            yield f"the materialised view {name} cannot be walled"
        if kind in "rp" and name not in UNWALLED:
            if not (enabled and forced):
                yield f"the table {name} lacks ENABLE and FORCE row-level security"
            yield from _policies(name, policies.get(name, []))


def _policies(table: str, policies: list[tuple[Any, ...]]) -> Iterator[str]:
    tenant = [p for p in policies if set(p[3]) == set(TENANT_ROLES)]
    if not tenant:
        yield f"the table {table} has no tenant policy"
    for _, name, permissive, roles, command, using, check in policies:
        if set(roles) == set(TENANT_ROLES):
            if not (
                permissive == "PERMISSIVE" and command == "ALL" and _is_tenant_test(using) and _is_tenant_test(check)
            ):
                yield f"the policy {name} on {table} does not compare the tenant on reading and writing"
        elif not (set(roles) == {SYSTEM} and command == "SELECT") and not set(roles).isdisjoint(
            {"public", APP, WORKER, SYSTEM}
        ):
            yield f"the policy {name} on {table} opens it to {', '.join(roles)}"


def _is_tenant_test(expression: str | None) -> bool:
    """Whether a policy is `<column> = (SELECT … current_setting('app.org_id') …)` and nothing beside it."""
    text = (expression or "").replace("\n", " ")
    words = text.upper()
    return "current_setting('app.org_id'::text, true)" in text and " OR " not in words and "CASE" not in words


def _foreign_keys(query: Query) -> Iterator[str]:
    for name, source, target, columns, is_parent_link in query(FOREIGN_KEYS):
        is_between_tenants = (
            source not in UNWALLED and target not in UNWALLED and target != "organizations_organization"
        )
        if is_between_tenants and columns == 1 and not is_parent_link:
            yield f"the foreign key {name} of {source} has one column; foreign keys are checked beneath row-level security"


def _unique_keys(query: Query) -> Iterator[str]:
    for index, table, first in query(UNIQUE_KEYS):
        is_led = first in {"organization_id", "tenant"}
        if table not in UNWALLED and not is_led and index not in INSTALLATION_WIDE_KEYS:
            yield f"the unique key {index} of {table} does not start with the tenant; it tells who else has a value"


def _grants(query: Query) -> Iterator[str]:
    for table, grantee, privilege in query(WRITES, [[APP, WORKER, SYSTEM, "PUBLIC"]]):
        if privilege in {"TRUNCATE", "TRIGGER", "REFERENCES"} or grantee in {SYSTEM, "PUBLIC"}:
            yield f"{grantee} may {privilege} {table}"
        elif table in UNWALLED and privilege not in UNWALLED[table].writes:
            yield f"{grantee} may {privilege} the unwalled table {table}"


def _doors(query: Query) -> Iterator[str]:
    for function, owner, configuration, is_public in query(DEFINERS):
        if "search_path=pg_catalog, public" not in configuration:
            yield f"the function {function} runs with {owner}'s rights and a caller's search_path"
        if is_public:
            yield f"the function {function} runs with {owner}'s rights for everybody"
        if owner not in {DOOR, "itsm_audit_writer"}:
            yield f"the function {function} runs with the rights of {owner}"
