"""Test databases: a template, provisioned and migrated once, and a copy of it per worker."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
SHORTCUTS = ROOT / "tests/shortcuts.sql"


def admin_login() -> dict[str, Any]:
    login: dict[str, Any] | None = settings.DATABASE_LOGINS.get("admin")
    assert login is not None, "ADMIN_DATABASE_URL is not set: run the suite by bin/test"
    return login


def admin_dsn(database: str) -> str:
    login = admin_login()
    parts = {
        "host": login["HOST"],
        "port": login["PORT"],
        "user": login["USER"],
        "password": login["PASSWORD"],
        "dbname": database,
    }
    return psycopg.conninfo.make_conninfo(**{key: value for key, value in parts.items() if value})


def template_name() -> str:
    """Changes with every migration and with the wall's own code, so that a stale template is never copied."""
    digest = hashlib.sha256()
    files = [
        *ROOT.glob("apps/*/migrations/*.py"),
        *ROOT.glob("tests/*/migrations/*.py"),
        *ROOT.glob("apps/core/wall/*.py"),
    ]
    for path in sorted([*files, ROOT / "apps/audit/capture.py", ROOT / "requirements.txt", SHORTCUTS]):
        digest.update(path.read_bytes())
    return f"itsm_template_{digest.hexdigest()[:12]}"


@contextmanager
def locked() -> Iterator[None]:
    """One worker at a time makes the template or copies it; PostgreSQL refuses a template that is in use."""
    name = hashlib.sha256(admin_dsn("postgres").encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"itsm-template-{os.getuid()}-{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure_template(admin: psycopg.Connection) -> str:
    name = template_name()
    if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate", [name]).fetchone():
        return name
    for stale in admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'itsm_template_%'").fetchall():
        admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(stale[0])))
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(stale[0])))
    manage("provision_database", "--database", name)
    manage("migrate", "--noinput", TEST_DATABASE_NAME=name)
    _add_shortcuts(name)
    admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(name)))
    return name


def _add_shortcuts(name: str) -> None:
    """Where the administrator may not switch triggers off, the tests do without."""
    with psycopg.connect(admin_dsn(name), autocommit=True) as template:
        if template.info.parameter_status("is_superuser") == "on":
            template.execute(SHORTCUTS.read_bytes())


def manage(*arguments: str, **environment: str) -> None:
    """Run a command as its own process, which logs in as the role that the command needs."""
    clean = {key: value for key, value in os.environ.items() if key != "DATABASE_ROLE"}
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**clean, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def create_for_worker(worker: str) -> str:
    name = f"itsm_test_{worker}"
    _copy_template(name)
    return name


def recreate(name: str) -> None:
    _copy_template(name)


def _copy_template(name: str) -> None:
    with locked(), psycopg.connect(admin_dsn("postgres"), autocommit=True) as admin:
        template = ensure_template(admin)
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER itsm_migrator").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        # Grants on a database are not copied with it; nobody else has any, as provision_database leaves it.
        admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        admin.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO itsm_app, itsm_worker, itsm_system, itsm_migrator").format(
                sql.Identifier(name)
            )
        )


def drop(name: str) -> None:
    with psycopg.connect(admin_dsn("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def use(name: str) -> None:
    """Point every connection of this process, and of its children, at this database."""
    for alias in connections:
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
        settings.DATABASES[alias]["NAME"] = name
