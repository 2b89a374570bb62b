"""bin/up and bin/down as a stranger uses them: real processes, real HTTP, and the worst that can happen to them."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
# bin/test speaks of its own servers with these; the copy under test must bring up others.
NOT_OURS = ("DATABASE_", "REDIS_", "CACHE_", "WORKER_", "SYSTEM_", "MIGRATOR_", "ADMIN_", "ITSM_", "DJANGO_", "PYTEST_")
ROLES = {"admin", "manager", "agent", "requester"}

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("launcher")]


@dataclass(frozen=True)
class Copy:
    """One copy of the platform on this machine."""

    data: Path
    port: int

    def run(self, command: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {k: v for k, v in os.environ.items() if not k.startswith(NOT_OURS)} | {"ITSM_VENV": sys.prefix}
        return subprocess.run(
            [ROOT / "bin" / command, "--data", self.data, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=150,
            check=False,
        )

    def up(self) -> "subprocess.CompletedProcess[str]":
        return self.run("up", "--port", str(self.port), "--detach")

    def processes(self) -> list[psutil.Process]:
        """Whatever has this copy's directory in its command line, its environment or as its place of work."""
        return [process for process in psutil.process_iter() if str(self.data) in traces_of(process)]

    def status_of(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status

    def demo(self) -> dict:
        return json.loads((self.data / "demo.json").read_text())

    def superuser(self) -> psycopg.Connection:
        settings = dict(line.split("=", 1) for line in (self.data / "env").read_text().splitlines())
        return psycopg.connect(settings["ADMIN_DATABASE_URL"])


def traces_of(process: psutil.Process) -> str:
    traces = []
    for trace in (process.cmdline, process.cwd, process.environ):
        try:
            traces.append(str(trace()))
        except (psutil.Error, OSError):
            continue
    return " ".join(traces)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    copy = Copy(tmp_path_factory.mktemp("copy"), port)
    yield copy
    copy.run("down")


@pytest.fixture
def running(copy: Copy) -> Copy:
    if not copy.processes():
        started = copy.up()
        assert started.returncode == 0, started.stdout
    return copy


def test_everything_is_ready_and_the_demo_accounts_are_written_down(running):
    demo = running.demo()

    assert running.status_of("/health/ready/") == 200
    assert running.status_of("/api/docs/") == 200
    assert demo["base_url"] == f"http://127.0.0.1:{running.port}"
    assert set(demo["organizations"]) >= {"acme", "globex"}
    assert set(demo["organizations"]["acme"]) >= ROLES
    assert set(demo["organizations"]["acme"]["admin"]) >= {"email", "password"}


def test_nobody_else_can_read_the_secrets(running):
    for name in ("secrets.json", "env", "demo.json", "run/valkey.conf"):
        assert stat.S_IMODE((running.data / name).stat().st_mode) == 0o600, name


def test_no_password_stands_in_a_command_line(running):
    secrets = json.loads((running.data / "secrets.json").read_text()).values()
    command_lines = " ".join(" ".join(process.cmdline()) for process in running.processes())

    assert [secret for secret in secrets if secret in command_lines] == []


def test_a_second_start_on_the_same_directory_says_where_the_first_is(running):
    second = running.up()

    assert second.returncode == 1
    assert f"already running at http://127.0.0.1:{running.port}" in second.stdout
    assert running.status_of("/health/ready/") == 200


def test_what_was_acknowledged_survives_kill_minus_nine_of_everything(running):
    with running.superuser() as connection:
        # In the maintenance database: a table that is not walled would keep the platform from starting.
        connection.execute("CREATE TABLE IF NOT EXISTS acknowledged AS SELECT 42 AS answer")
    accounts = running.demo()

    for process in running.processes():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    restarted = running.up()

    assert restarted.returncode == 0, restarted.stdout
    assert running.status_of("/health/ready/") == 200
    assert running.demo() == accounts
    with running.superuser() as connection:
        assert connection.execute("SELECT answer FROM acknowledged").fetchone() == (42,)


def test_down_leaves_no_process_behind_and_has_nothing_to_do_twice(running):
    assert len(running.processes()) > 8

    first, second = running.run("down"), running.run("down")

    assert (first.returncode, running.processes()) == (0, [])
    assert (second.returncode, second.stdout) == (0, "Nothing is running.\n")


def test_down_ends_what_a_killed_launcher_left_behind(running):
    launcher = json.loads((running.data / "run" / "state.json").read_text())["launcher"]["pid"]
    os.kill(launcher, signal.SIGKILL)

    ended = running.run("down")

    assert (ended.returncode, running.processes()) == (0, [])
