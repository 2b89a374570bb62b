"""Roles, database and grants on any PostgreSQL 15 or later. Safe to run again: it ends in the same state."""

import psycopg
from psycopg import sql

from apps.core.wall.roles import APP, AUDIT_WRITER, DOOR, MIGRATOR, ROLES, SYSTEM, WORKER, Role

ATTRIBUTES = ("LOGIN", "BYPASSRLS", "SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION")
CURRENT = """
SELECT rolcanlogin, rolbypassrls, rolsuper, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = %s
"""
NEW_ROLE = (False,) * len(ATTRIBUTES)


def provision(admin_url: str, database: str, passwords: dict[str, str]) -> list[str]:
    """Bring roles, `database` and its grants into being, logged in by `admin_url`.

    `passwords` maps role names to what they log in with; a role that is absent keeps the one it has. Returns what was done,
    a line each. Raises psycopg.errors.InsufficientPrivilege when the login is no superuser.
    """
    done = []
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for role in ROLES:
            done.append(_ensure_role(connection, role, passwords.get(role.name)))
        for owner in (DOOR, AUDIT_WRITER):
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner), sql.Identifier(MIGRATOR)))
        done.append(_ensure_database(connection, database))
    with psycopg.connect(admin_url, dbname=database, autocommit=True) as connection:
        _grant(connection, database)
    done.append(f"grants in {database} are in place")
    return done


def _ensure_role(connection: psycopg.Connection, role: Role, password: str | None) -> str:
    name = sql.Identifier(role.name)
    row = connection.execute(CURRENT, [role.name]).fetchone()
    if row is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    # Only what differs is altered: naming SUPERUSER, even to deny it, takes a superuser.
    for current, wanted, attribute in zip(row or NEW_ROLE, _wanted(role), ATTRIBUTES, strict=True):
        if current != wanted:
            words = sql.SQL(attribute if wanted else f"NO{attribute}")
            connection.execute(sql.SQL("ALTER ROLE {} {}").format(name, words))
    if password:
        # Hashed here, so that the clear text never reaches the server's log.
        secret = connection.pgconn.encrypt_password(password.encode(), role.name.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(secret)))
    for setting, value in role.settings.items():
        connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
        )
    return f"role {role.name} {'is in place' if row else 'created'}"


def _wanted(role: Role) -> tuple[bool, ...]:
    return (role.can_login, role.bypasses_rls, False, False, False, False)


def _ensure_database(connection: psycopg.Connection, database: str) -> str:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
        return f"database {database} is in place"
    # template0, so that nothing an administrator left in template1 comes along; C sorts alike on every platform.
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
            sql.Identifier(database), sql.Identifier(MIGRATOR)
        )
    )
    return f"database {database} created"


def _grant(connection: psycopg.Connection, database: str) -> None:
    identifiers = {
        "database": sql.Identifier(database),
        "migrator": sql.Identifier(MIGRATOR),
        "logins": sql.SQL(", ").join(map(sql.Identifier, (APP, WORKER, SYSTEM, MIGRATOR))),
        "readers": sql.SQL(", ").join(map(sql.Identifier, (APP, WORKER))),
        "everyone": sql.SQL(", ").join(map(sql.Identifier, (APP, WORKER, SYSTEM, DOOR, AUDIT_WRITER))),
        "owners": sql.SQL(", ").join(map(sql.Identifier, (MIGRATOR, DOOR, AUDIT_WRITER))),
    }
    for statement in (
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {database} TO {logins}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {everyone}",
        "GRANT USAGE, CREATE ON SCHEMA public TO {owners}",
        # Reading is the default, behind row-level security; writing comes with the Wall operation, table by table.
        "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA public GRANT SELECT ON TABLES TO {readers}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    ):
        connection.execute(sql.SQL(statement).format(**identifiers))
