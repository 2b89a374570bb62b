"""Generated secrets, and the URLs made of them."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from deploy.local.console import Trouble
from deploy.local.state import read_json, write_private

ROLE_VARIABLES = {
    "DATABASE_URL": "app",
    "WORKER_DATABASE_URL": "worker",
    "SYSTEM_DATABASE_URL": "system",
    "MIGRATOR_DATABASE_URL": "migrator",
}
ADMIN_VARIABLE = "ADMIN_DATABASE_URL"
DATABASE = "itsm"
MAINTENANCE_DATABASES = {"", "postgres", "template1"}


def _generated() -> str:
    # Letters, digits, "-" and "_" mean the same in a URL, in a configuration file and in an environment file.
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Secrets:
    """Made once per directory; the passwords of roles on a given server are kept here, too."""

    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(64))
    superuser: str = field(default_factory=_generated)
    app: str = field(default_factory=_generated)
    worker: str = field(default_factory=_generated)
    system: str = field(default_factory=_generated)
    migrator: str = field(default_factory=_generated)
    valkey: str = field(default_factory=_generated)

    @classmethod
    def kept_in(cls, path: Path) -> "Secrets":
        """Those in the file; what is missing there is generated and added."""
        known = {f.name for f in fields(cls)}
        kept = cls(**{name: value for name, value in read_json(path).items() if name in known})
        if asdict(kept) != read_json(path):
            write_private(path, json.dumps(asdict(kept), indent=2))
        return kept

    def of_role(self, variable: str) -> str:
        password: str = getattr(self, ROLE_VARIABLES[variable])
        return password


def given_logins(environment: Mapping[str, str], kept: Secrets) -> dict[str, str] | None:
    """The logins on a real server, or None where the environment names none and the embedded one is to be used."""
    given = {name: environment[name] for name in (*ROLE_VARIABLES, ADMIN_VARIABLE) if environment.get(name)}
    if not given:
        return None
    if given.keys() == {"DATABASE_URL"}:
        return logins_from(given["DATABASE_URL"], kept)
    missing = ROLE_VARIABLES.keys() - given.keys()
    if missing:
        raise Trouble(
            f"{', '.join(given)} given, but not {', '.join(sorted(missing))}."
            " Give DATABASE_URL alone (an administrative login), or all four, or none for the embedded server."
        )
    return given


def logins_from(admin_url: str, kept: Secrets) -> dict[str, str]:
    """The administrative login, and each role's on the same server."""
    admin = urlsplit(admin_url)
    name = admin.path.removeprefix("/")
    path = f"/{DATABASE if name in MAINTENANCE_DATABASES else name}"
    host = admin.netloc.rpartition("@")[2]
    logins = {
        variable: urlunsplit(admin._replace(netloc=f"itsm_{role}:{kept.of_role(variable)}@{host}", path=path))
        for variable, role in ROLE_VARIABLES.items()
    }
    return {ADMIN_VARIABLE: admin_url, **logins}


def socket_url(directory: Path, user: str, password: str) -> str:
    """The form of a Unix socket that libpq reads."""
    return f"postgres://{user}:{password}@{quote(str(directory), safe='')}/postgres"
