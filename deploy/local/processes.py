"""Children: started, watched, restarted and ended, and whatever a killed launcher left of them."""

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import psutil

from deploy.local.account import OURSELVES, Account
from deploy.local.console import Trouble, say, tail
from deploy.local.options import PROJECT
from deploy.local.state import Home, Identity, Run

# In the environment of every child and of its children, wherever they end up: how a later start knows its own.
MARK = "ITSM_LOCAL_DATA"
LOG_LIMIT_BYTES = 10_000_000
DEATHS_ALLOWED, DEATH_WINDOW_SECONDS = 5, 60.0
PATIENCE_SECONDS = 0.05
# For what a killed launcher left behind: its servers are going down, so it has nothing to finish.
LEFTOVER_SECONDS = 4.0


class Stopped(Exception):
    """Somebody asked the launcher to stop."""


class StopRequest:
    """Ctrl-C, SIGTERM and SIGHUP, noticed between two waits and never in the middle of a start."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup means it.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._noticed)

    def _noticed(self, number: int, _frame: object) -> None:
        self.signal = signal.Signals(number)

    def check(self) -> None:
        if self.signal is not None:
            raise Stopped

    def sleep(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Raises Stopped at once when asked to stop."""
        until = monotonic() + seconds
        self.check()
        while (left := until - monotonic()) > 0:
            time.sleep(min(left, PATIENCE_SECONDS))
            self.check()


@dataclass(frozen=True)
class Program:
    """What to run, and how to end it: each signal with the seconds it is given, then SIGKILL."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    account: Account = OURSELVES
    directory: Path = PROJECT
    ending: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 8.0),)
    prepare: Callable[[], None] = lambda: None

    def open(self) -> "subprocess.Popen[bytes]":
        """In a session of its own, so that the terminal's Ctrl-C reaches the launcher alone."""
        self.prepare()
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.account.wrap(self.command, self.ending[0][0]),
                env=self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def last_words(self) -> str:
        return f"its last words ({self.log}):\n{tail(self.log)}"


@dataclass
class Child:
    """A running program."""

    program: Program
    process: "subprocess.Popen[bytes]"
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS_ALLOWED))
    restart_at: float | None = None
    _pressure: Iterator[tuple[signal.Signals, float]] | None = None
    _deadline: float = 0.0

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def press(self) -> bool:
        """Send what is due of the ending; True once it has ended."""
        if not self.is_alive:
            return True
        if monotonic() >= self._deadline:
            self._pressure = self._pressure or iter(self.program.ending)
            number, seconds = next(self._pressure, (signal.SIGKILL, 1.0))
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
            self._deadline = monotonic() + seconds
        return False

    def note_death(self) -> None:
        """Plan the restart, later each time; too many in too short a time is trouble."""
        self.deaths.append(monotonic())
        how = f"{self.program.name} ended ({describe(self.process.returncode)})"
        if len(self.deaths) == DEATHS_ALLOWED and self.deaths[-1] - self.deaths[0] < DEATH_WINDOW_SECONDS:
            raise Trouble(f"{how}, {DEATHS_ALLOWED} times within a minute; {self.program.last_words()}")
        recent = sum(1 for at in self.deaths if monotonic() - at < DEATH_WINDOW_SECONDS)
        delay = 0.5 * 2 ** (recent - 1)
        self.restart_at = monotonic() + delay
        say(f"  {how}; starting it again in {delay:.1f} s. Log: {self.program.log}")


class Supervisor:
    """The children of one launcher."""

    def __init__(self, home: Home, stop: StopRequest, url: str = "") -> None:
        self.home = home
        self.stop = stop
        self.run = Run(Identity.of(os.getpid()), url)
        self.children: dict[str, Child] = {}
        home.note(self.run)

    def start(self, program: Program) -> Child:
        child = Child(program, program.open())
        self.children[program.name] = child
        self._note(child)
        return child

    def complete(self, program: Program) -> None:
        """Run to its end. Its log is of this time only. Raises Trouble with its last words if it fails."""
        program.log.unlink(missing_ok=True)
        child = Child(program, program.open())
        try:
            while child.is_alive:
                self.stop.sleep()
        finally:
            while not child.press():
                time.sleep(PATIENCE_SECONDS)
        if child.process.returncode != 0:
            raise Trouble(f"{program.name} failed ({describe(child.process.returncode)}); {program.last_words()}")

    def watch(self) -> None:
        """One look at every child; start again what has died."""
        for child in self.children.values():
            if child.restart_at is not None and monotonic() >= child.restart_at:
                self._restart(child)
            elif child.restart_at is None and not child.is_alive:
                child.note_death()

    def wait_until(self, is_ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Watch until ready. Raises Trouble when it takes longer."""
        deadline = monotonic() + seconds
        while not is_ready():
            self.watch()
            self.stop.sleep()
            if monotonic() > deadline:
                raise Trouble(f"{what} is not ready after {seconds:.0f} s. Logs: {self.home.logs}")

    def note_ready(self) -> None:
        self.run.is_ready = True
        self.home.note(self.run)

    def end(self, *names: str) -> None:
        """End these together; unknown names never started."""
        children = [child for name in names if (child := self.children.pop(name, None))]
        while children:
            children = [child for child in children if not child.press()]
            time.sleep(PATIENCE_SECONDS)

    def end_everything(self, *order: tuple[str, ...]) -> None:
        """Group after group, then whatever escaped them."""
        for names in order:
            self.end(*names)
        end_processes(leftovers(self.home, self.run))
        self.home.state.unlink(missing_ok=True)

    def _restart(self, child: Child) -> None:
        # Its own children may have outlived it, holding its port or its memory.
        end_processes(process for process in marked(self.home) if group_of(process) == child.process.pid)
        child.process = child.program.open()
        child.restart_at = None
        self._note(child)

    def _note(self, child: Child) -> None:
        try:
            self.run.children[child.program.name] = Identity.of(child.process.pid)
        except psutil.NoSuchProcess:
            return
        self.home.note(self.run)


def describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def group_of(process: psutil.Process) -> int:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return -1


def marked(home: Home) -> list[psutil.Process]:
    """Every process that carries this directory's mark, except ourselves and those we descend from."""
    family = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in family and _mark_of(process) == str(home.path)
    ]


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def servers_in(directory: Path) -> list[psutil.Process]:
    """PostgreSQL's processes working below `directory`: their titles overwrite the environment, mark and all."""
    return [process for process in psutil.process_iter() if _is_server_in(process, directory)]


def _is_server_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return _name_of(process) == "postgres" and directory in Path(process.cwd()).parents
    except (psutil.Error, OSError):
        return False


def _name_of(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def leftovers(home: Home, run: Run | None) -> list[psutil.Process]:
    """What still runs of this directory's children, each known by more than its number."""
    recorded = [identity.process() for identity in run.children.values()] if run else []
    found = [*(process for process in recorded if process), *marked(home), *servers_in(home.postgres)]
    return list({process.pid: process for process in found}.values())


def end_processes(processes: Iterable[psutil.Process]) -> int:
    """Ask, wait, then kill; how many there were."""
    asked = list(processes)
    for process in asked:
        # To PostgreSQL SIGTERM means: when the last client has gone.
        _send(process, signal.SIGINT if _name_of(process) == "postgres" else signal.SIGTERM)
    _, stubborn = psutil.wait_procs(asked, timeout=LEFTOVER_SECONDS)
    for process in stubborn:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=LEFTOVER_SECONDS)
    return len(asked)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise Trouble(
            f"process {process.pid} ({process.name()}) belongs to {process.username()}: stop it as that user"
        ) from None
