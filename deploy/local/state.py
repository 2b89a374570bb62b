"""The directory one running copy lives in: what is where, who holds it, and what it remembers."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from deploy.local.console import Trouble

# Setting the clock moves the computed start of a running process a little; a reused pid is further off than this.
START_TOLERANCE_SECONDS = 2.0


class AlreadyHeld(Exception):
    """Another launcher holds the directory."""


@dataclass(frozen=True)
class Identity:
    """A process beyond doubt: its number alone may have been given to another since."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Identity":
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process itself, unless it has ended."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started) < START_TOLERANCE_SECONDS
        except psutil.Error:
            return None
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None


@dataclass
class Run:
    """What a launcher writes down for bin/down and for the start after a kill."""

    launcher: Identity
    url: str = ""
    is_ready: bool = False
    children: dict[str, Identity] = field(default_factory=dict)

    @classmethod
    def load(cls, text: str) -> "Run":
        noted = json.loads(text)
        children = {name: Identity(**child) for name, child in noted["children"].items()}
        return cls(Identity(**noted["launcher"]), noted["url"], noted["is_ready"], children)


class Home:
    """DIR of bin/up --data DIR."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.run = path / "run"
        self.postgres = path / "postgres"
        self.valkey = path / "valkey"
        self.secrets = path / "secrets.json"
        self.environment = path / "env"
        self.demo = path / "demo.json"
        self.state = self.run / "state.json"
        self._lock = self.run / "lock"

    def prepare(self) -> None:
        """Make the directories. `run` may be passed through by PostgreSQL's account, but not listed."""
        try:
            for directory in (self.logs, self.run, self.postgres, self.valkey):
                directory.mkdir(parents=True, exist_ok=True)
            if not (self.run.stat().st_uid == os.geteuid() or os.geteuid() == 0):
                raise PermissionError(0, f"it belongs to {self.run.owner()}")
            self.run.chmod(0o711)
            for directory in (self.logs, self.valkey):
                directory.chmod(0o700)
            self._lock.touch()
        except OSError as error:
            raise Trouble(
                f"cannot write to {self.path}: {error.strerror}. Run as its owner, or name another with --data."
            ) from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """The directory for ourselves; released by the kernel however we end. Raises AlreadyHeld."""
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyHeld from None
            yield

    def last_run(self) -> Run | None:
        """What the launcher that holds the directory, or held it last, wrote down."""
        try:
            return Run.load(self.state.read_text())
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def note(self, run: Run) -> None:
        write_private(self.state, json.dumps(asdict(run), indent=2))


def write_private(path: Path, text: str) -> None:
    """Replace the file as a whole, readable by its owner only at every moment."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The file's object, or an empty one if there is no such file."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise Trouble(f"{path} is damaged: restore it, or remove {path.parent} and start anew") from None
    return content
