#!/usr/bin/env python
"""Django's command line. Each command logs in to the database as the role it needs (docs/operations.md, "Database roles")."""

import os
import sys

from django.core.management import execute_from_command_line

# Everything not named here runs as the application: a command that needs more says so by standing here.
ROLE_OF_COMMAND = {
    "makemigrations": "migrator",
    "migrate": "migrator",
    "provision_database": "admin",
    "relay": "worker",
    "sla_sweep": "worker",
    "climb": "worker",
    "showmigrations": "migrator",
    "sqlmigrate": "migrator",
}


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itsm_project.settings")
    os.environ.setdefault("DATABASE_ROLE", ROLE_OF_COMMAND.get(command, "app"))
    # Commands send tasks too: without this they would speak to Celery's default broker. Imported only now that the role is set.
    import itsm_project.celery  # noqa: F401, PLC0415

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
