"""`manage.py provision_database`: roles, database and grants, from the logins in the environment."""

from argparse import ArgumentParser
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.wall.provisioning import provision
from apps.core.wall.roles import ROLES


class Command(BaseCommand):
    """Reads ADMIN_DATABASE_URL, a superuser's login, and the role logins."""

    help = "Create the database roles, the database and its grants on any PostgreSQL 15 or later. Safe to run again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="", help="default: the database named in MIGRATOR_DATABASE_URL")

    def handle(self, *args: Any, **options: Any) -> None:
        logins = settings.DATABASE_LOGINS
        admin = logins.get("admin")
        if admin is None:
            raise CommandError("ADMIN_DATABASE_URL is not set: it must hold a login that may create roles")
        passwords = {login["USER"]: login["PASSWORD"] for login in logins.values()}
        database = options["database"] or logins.get("migrator", admin)["NAME"]
        try:
            lines = provision(
                connection_string(admin), database, {r.name: passwords[r.name] for r in ROLES if r.name in passwords}
            )
        except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege) as error:
            raise CommandError(f"cannot provision {database}: {error}") from error
        for line in lines:
            self.stdout.write(line)


def connection_string(login: dict[str, Any]) -> str:
    """libpq's form of a django-environ login."""
    parts = {
        "host": login["HOST"],
        "port": login["PORT"],
        "user": login["USER"],
        "password": login["PASSWORD"],
        "dbname": login["NAME"],
    }
    return psycopg.conninfo.make_conninfo(**{k: v for k, v in parts.items() if v})
