"""PostgreSQL and Valkey, started or given, and the environment that tells Django where they are."""

import os
from pathlib import Path

from deploy.local import credentials, postgres, valkey
from deploy.local.console import step
from deploy.local.credentials import ADMIN_VARIABLE, ROLE_VARIABLES, Secrets
from deploy.local.processes import MARK, Supervisor
from deploy.local.state import write_private

# The order to end them in: clients before servers.
ENDING_ORDER = (("valkey",), ("postgres",))
# A crash recovery may have much to read.
RECOVERY_SECONDS = 120.0


def start_servers(
    supervisor: Supervisor, *, mode: str, base_url: str = "", is_disposable: bool = False
) -> dict[str, str]:
    """Start what the environment does not name; the environment for Django's processes, whose core goes to DIR/env."""
    home = supervisor.home
    secrets = Secrets.kept_in(home.secrets)
    given = credentials.given_logins(os.environ, secrets)
    logins = _use_given(given) if given else _start_postgres(supervisor, secrets, is_disposable=is_disposable)
    redis_url = _given_redis() or _start_valkey(supervisor, secrets)
    own = {"ITSM_MODE": mode, "SECRET_KEY": secrets.secret_key, **logins, "REDIS_URL": redis_url}
    if base_url:
        own["BASE_URL"] = base_url
    # For manage.py by hand; our own children get theirs directly, each no more than it needs.
    write_private(home.environment, "".join(f"{name}={value}\n" for name, value in own.items()))
    inherited = {
        name: value for name, value in os.environ.items() if not _speaks_of_another(name, is_given=bool(given))
    }
    return {**inherited, "ITSM_ENV_FILE": os.devnull, MARK: str(home.path), **own}


def without(environment: dict[str, str], *variables: str) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in variables}


def _speaks_of_another(variable: str, *, is_given: bool) -> bool:
    """Whether a variable of the caller's is about some other installation. libpq's go with a server given by URL."""
    if variable == "CACHE_URL":
        return not os.environ.get("REDIS_URL")
    if variable.startswith("PG"):
        return not is_given
    return variable in {*ROLE_VARIABLES, ADMIN_VARIABLE, "BASE_URL", "DATABASE_ROLE", "DJANGO_SETTINGS_MODULE"}


def _use_given(logins: dict[str, str]) -> dict[str, str]:
    postgres.check_given(logins.get(ADMIN_VARIABLE) or logins["DATABASE_URL"])
    return logins


def _given_redis() -> str:
    url = os.environ.get("REDIS_URL", "")
    if url:
        valkey.check_given(url)
    return url


def _start_postgres(supervisor: Supervisor, secrets: Secrets, *, is_disposable: bool) -> dict[str, str]:
    settings = postgres.HASTY_SETTINGS if is_disposable else {}
    cluster = postgres.Cluster(supervisor.home, secrets.superuser, settings, is_disposable=is_disposable)
    cluster.tell_of_other_versions()
    with step(f"PostgreSQL {cluster.binaries.version}"):
        supervisor.start(cluster.program())
        supervisor.wait_until(cluster.is_ready, "PostgreSQL", RECOVERY_SECONDS)
    return _logins_on(cluster.socket_directory, secrets)


def _logins_on(directory: Path, secrets: Secrets) -> dict[str, str]:
    admin = credentials.socket_url(directory, postgres.SUPERUSER, secrets.superuser)
    return credentials.logins_from(admin, secrets)


def _start_valkey(supervisor: Supervisor, secrets: Secrets) -> str:
    server = valkey.Server(supervisor.home, secrets.valkey)
    with step("Valkey"):
        supervisor.start(server.program())
        supervisor.wait_until(server.is_ready, "Valkey", RECOVERY_SECONDS)
    return server.url
