"""The virtual environment: made, completed or repaired, then entered. Runs on a bare Python: standard library only."""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from deploy.local import options
from deploy.local.console import Trouble, say, tail

PRODUCT = options.PROJECT / "requirements.txt"
TESTS = options.PROJECT / "tests" / "requirements.txt"


class Environment:
    """One virtual environment and the note in it that says what it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / "bin" / "python"
        self.note = path / "itsm.json"
        self.lock = path / "itsm.lock"
        self.log = path / "itsm-pip.log"

    def holds(self, requirements: list[Path]) -> bool:
        """Whether a finished installation of exactly these files is noted, in an environment that works."""
        installed: dict[str, str] = self._noted().get("installed", {})
        return digests(requirements).items() <= installed.items() and self.works()

    def works(self) -> bool:
        """Moved environments do not: the scripts in bin/ name the old place."""
        if self._noted().get("path", str(self.path)) != str(self.path):
            return False
        probe = [str(self.python), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
        try:
            return subprocess.run(probe, capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    def complete(self, requirements: list[Path]) -> None:
        """Make it hold `requirements`, whatever state a killed start left it in."""
        with self._locked():
            if self.holds(requirements):
                return
            if not self.works():
                self._make()
            self._install(requirements)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._refuse_foreign_directory()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = self.lock.open("a")
        except OSError as error:
            raise Trouble(
                f"cannot make or repair {self.path}: {error.strerror}. Its owner can; or set ITSM_VENV to another place."
            ) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"Another start is preparing {self.path}; waiting for it.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _refuse_foreign_directory(self) -> None:
        is_ours = (self.path / "pyvenv.cfg").exists() or self.lock.exists()
        if self.path.exists() and not is_ours and any(self.path.iterdir()):
            raise Trouble(
                f"{self.path} exists and is not a virtual environment: move it away or set ITSM_VENV to another place."
            )

    def _make(self) -> None:
        say(f"Making the virtual environment {self.path} with Python {platform.python_version()}.")
        if importlib.util.find_spec("ensurepip") is None:
            raise Trouble(
                f"{sys.executable} lacks ensurepip (Debian: apt install python3-venv); or name another: PYTHON=..."
            )
        # The lock stays: it is held, and it marks the directory as ours should this be cut short.
        for entry in self.path.iterdir():
            if entry != self.lock:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        try:
            venv.create(self.path, with_pip=True, symlinks=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Trouble(f"cannot make {self.path}: {error}") from None

    def _install(self, requirements: list[Path]) -> None:
        names = " and ".join(str(file.relative_to(options.PROJECT)) for file in requirements)
        say(f"Installing {names} into {self.path} (the first time a minute or two) ", end="")
        started = monotonic()
        if self._pip(requirements) != 0:
            say("")
            raise Trouble(f"pip failed; its last words ({self.log}):\n{tail(self.log)}")
        self._write_note(requirements)
        say(f" {monotonic() - started:.0f} s")

    def _pip(self, requirements: list[Path]) -> int:
        """Its exit code; a dot for each package."""
        command = [
            str(self.python),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar=off",
        ]
        for file in requirements:
            command += ["-r", str(file)]
        environment = os.environ | {"PIP_ROOT_USER_ACTION": "ignore", "PYTHONUNBUFFERED": "1"}
        with (
            self.log.open("w") as log,
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as pip,
        ):
            assert pip.stdout is not None
            for line in pip.stdout:
                log.write(line)
                if line.startswith("Collecting "):
                    say(".", end="")
        return pip.returncode

    def _noted(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads(self.note.read_text())
        except (OSError, ValueError):
            return {}
        return noted

    def _write_note(self, requirements: list[Path]) -> None:
        installed = self._noted().get("installed", {}) | digests(requirements)
        draft = self.note.with_suffix(".new")
        draft.write_text(json.dumps({"path": str(self.path), "installed": installed}, indent=2))
        draft.replace(self.note)


def digests(requirements: list[Path]) -> dict[str, str]:
    """What each file asks for, as the note keeps it."""
    return {
        str(file.relative_to(options.PROJECT)): hashlib.sha256(file.read_bytes()).hexdigest() for file in requirements
    }


def requirements_of(command: str, arguments: list[str]) -> list[Path]:
    """What the command needs installed; a wrong command line ends here, before a minute of pip. None: nothing to do."""
    if command == "up":
        options.up_options(arguments)
        return [PRODUCT]
    if command == "test":
        options.test_options(arguments)
        return [PRODUCT, TESTS]
    try:
        options.down_options(arguments).stat()
    except FileNotFoundError:
        return []
    except PermissionError:
        # No reason to say that nothing runs there: bin/down itself finds the words.
        return [PRODUCT]
    return [PRODUCT]


def main(command: str, arguments: list[str]) -> int:
    requirements = requirements_of(command, arguments)
    if not requirements:
        say("Nothing is running: the data directory does not exist.")
        return 0
    environment = Environment(Path(os.environ.get("ITSM_VENV") or options.PROJECT / ".venv").absolute())
    try:
        if not environment.holds(requirements):
            environment.complete(requirements)
    except Trouble as trouble:
        say(f"bin/{command}: {trouble}")
        return 1
    return enter(environment, command, arguments)


def enter(environment: Environment, command: str, arguments: list[str]) -> NoReturn:
    python = str(environment.python)
    os.execv(python, [python, "-P", "-m", f"deploy.local.{command}", *arguments])  # noqa: S606


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
