"""Reads PostgreSQL's own catalogue and says where the wall has a hole. Asked at every start, and by the tests."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections, transaction

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
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = s.oid AND i.indisprimary
               AND string_to_array(i.indkey::text, ' ')::int2[] = c.conkey)
FROM pg_constraint c JOIN pg_class s ON s.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
WHERE c.contype = 'f' AND s.relnamespace = 'public'::regnamespace
"""
# Unique and exclusion constraints alike: either tells whether somebody else has a value.
UNIQUE_KEYS = """
SELECT i.relname, t.relname, a.attname FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
WHERE (x.indisunique OR x.indisexclusion) AND NOT x.indisprimary AND t.relnamespace = 'public'::regnamespace
"""
# From the lists themselves: information_schema hides from a login what others were granted. `column` is null for a whole table.
GRANTS = """
SELECT c.relname, granted.column, COALESCE(r.rolname, 'PUBLIC'), granted.privilege_type
FROM pg_class c CROSS JOIN LATERAL (
    SELECT NULL AS column, a.grantee, a.privilege_type FROM aclexplode(c.relacl) a
    UNION ALL
    SELECT t.attname, a.grantee, a.privilege_type
    FROM pg_attribute t CROSS JOIN LATERAL aclexplode(t.attacl) a WHERE t.attrelid = c.oid
) granted LEFT JOIN pg_roles r ON r.oid = granted.grantee
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND (granted.grantee = 0 OR r.rolname = ANY (%s))
ORDER BY 1, 2, 3, 4
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
# Whose rights the login could take on, beyond its own.
MEMBERSHIPS = """
SELECT r.rolname FROM pg_roles r
WHERE r.rolname <> current_user AND pg_has_role(current_user, r.oid, 'MEMBER')
  AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) ORDER BY 1
"""


def findings() -> list[str]:
    """Every hole in the wall, a sentence each; empty when it stands."""
    with _querying("default") as query:
        return [
            *_login(query),
            *_tables(query),
            *_foreign_keys(query),
            *_unique_keys(query),
            *_grants(query),
            *_doors(query),
        ]


@contextmanager
def _querying(alias: str) -> Iterator[Query]:
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:

        def query(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

        yield query


def assert_bound(alias: str) -> None:
    """Refuse a second login that row-level security does not bind. Raises ImproperlyConfigured saying why."""
    with _querying(alias) as query:
        if found := list(_login(query)):
            raise ImproperlyConfigured(f"The login {alias} is not bound by the wall:\n  " + "\n  ".join(found))


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
    for (role,) in query(MEMBERSHIPS):
        yield f"the login may become {role}"


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
                permissive == "PERMISSIVE"
                and command == "ALL"
                and _is_tenant_test(table, using)
                and _is_tenant_test(table, check)
            ):
                yield f"the policy {name} on {table} does not compare the tenant on reading and writing"
        elif not (set(roles) == {SYSTEM} and command == "SELECT") and not set(roles).isdisjoint(
            {"public", APP, WORKER, SYSTEM}
        ):
            yield f"the policy {name} on {table} opens it to {', '.join(roles)}"


TENANT_TEST = re.compile(
    r"\((organization_id|tenant|id) = \( SELECT \(NULLIF\(current_setting\('app\.org_id'::text, true\), ''::text\)\)::uuid"
    r" AS \"?nullif\"?\)\)"
)


def _is_tenant_test(table: str, expression: str | None) -> bool:
    """Whether a policy is `<tenant's column> = (SELECT … current_setting('app.org_id') …)` and nothing beside it."""
    found = TENANT_TEST.fullmatch(" ".join((expression or "").split()))
    return found is not None and (found[1] == "id") == (table == "organizations_organization")


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
    for table, column, grantee, privilege in query(GRANTS, [[APP, WORKER, SYSTEM]]):
        what = f"{table} ({column})" if column else table
        if grantee == SYSTEM and privilege == "SELECT" and column:
            continue
        if grantee in {SYSTEM, "PUBLIC"} or privilege not in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
            yield f"{grantee} may {privilege} {what}"
        elif table in UNWALLED and privilege not in {"SELECT", *UNWALLED[table].writes}:
            yield f"{grantee} may {privilege} the unwalled table {what}"


def _doors(query: Query) -> Iterator[str]:
    for function, owner, configuration, is_public in query(DEFINERS):
        if "search_path=pg_catalog, public" not in configuration:
            yield f"the function {function} runs with {owner}'s rights and a caller's search_path"
        if is_public:
            yield f"the function {function} runs with {owner}'s rights for everybody"
        if owner not in {DOOR, "itsm_audit_writer"}:
            yield f"the function {function} runs with the rights of {owner}"
