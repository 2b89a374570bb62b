"""One login per role, see docs/operations.md."""

from typing import Any
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

from itsm_project.settings.environment import IS_TEST, env

DATABASE_ROLE: str = env("DATABASE_ROLE", default="app")
ROLE_VARIABLES = {
    "app": "DATABASE_URL",
    "worker": "WORKER_DATABASE_URL",
    "system": "SYSTEM_DATABASE_URL",
    "migrator": "MIGRATOR_DATABASE_URL",
    "admin": "ADMIN_DATABASE_URL",
}
if DATABASE_ROLE not in ROLE_VARIABLES:
    raise ImproperlyConfigured(f"DATABASE_ROLE is {DATABASE_ROLE!r}; accepted: {', '.join(ROLE_VARIABLES)}")


def login(variable: str) -> dict[str, Any]:
    """The parts of a database URL. A Unix socket's directory comes percent-encoded in the place of the host."""
    parts: dict[str, Any] = env.db_url(variable, engine="apps.core.postgresql")
    return {**parts, "HOST": unquote(parts["HOST"])}


# Every login this process was given; a deployment gives each process only its own.
DATABASE_LOGINS: dict[str, dict[str, Any]] = {
    role: login(variable) for role, variable in ROLE_VARIABLES.items() if env.str(variable, default="")
}


def database(variable: str) -> dict[str, Any]:
    """The login that `variable` holds, spoken to through the tenant-aware backend."""
    configuration = login(variable)
    configuration.update(
        CONN_MAX_AGE=env.int("CONN_MAX_AGE", default=60),
        CONN_HEALTH_CHECKS=True,
        DISABLE_SERVER_SIDE_CURSORS=env.bool("DATABASE_BEHIND_POOLER", default=False),
    )
    if IS_TEST:
        # The suite makes databases of its own in the same cluster, and starts processes that work in them.
        configuration["NAME"] = env.str("TEST_DATABASE_NAME", default="") or configuration["NAME"]
    options = configuration.setdefault("OPTIONS", {})
    options.setdefault("connect_timeout", 5)
    options.setdefault("application_name", f"itsm-{DATABASE_ROLE}")
    return configuration


DATABASES: dict[str, dict[str, Any]] = {}
_login = ROLE_VARIABLES[DATABASE_ROLE]
if env.str(_login, default=""):
    DATABASES["default"] = database(_login)
elif IS_TEST and not env.str("DATABASE_URL", default=""):
    # Linters and the schema generator need settings, not a database.
    DATABASES["default"] = {"ENGINE": "apps.core.postgresql", "NAME": "itsm"}
else:
    raise ImproperlyConfigured(
        f"{_login} is not set: this process runs as the role {DATABASE_ROLE!r} (docs/operations.md)"
    )
if env.str("SYSTEM_DATABASE_URL", default="") and DATABASE_ROLE in {"worker", "app"}:
    DATABASES["system"] = database("SYSTEM_DATABASE_URL")
DATABASE_ROUTERS = ["apps.core.postgresql.routers.OnlyDefault"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
