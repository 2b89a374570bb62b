"""bin/up: everything the platform needs, started, watched and ended."""

import http.client
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

from deploy.local import processes, servers, valkey
from deploy.local.console import Trouble, say, step
from deploy.local.options import DEFAULT_DATA, PROJECT, UpOptions, up_options
from deploy.local.processes import Program, Stopped, StopRequest, Supervisor
from deploy.local.servers import without
from deploy.local.state import AlreadyHeld, Home, read_json

ENDING_ORDER = (("web", "worker", "beat", "relay"), *servers.ENDING_ORDER)
READY_SECONDS = 90.0
CELERY = ("-m", "celery", "--app", "itsm_project.celery")


def main(arguments: list[str]) -> int:
    options = up_options(arguments)
    try:
        return detach(options) if options.is_detached else hold_and_serve(options)
    except Trouble as trouble:
        say(f"bin/up: {trouble}")
        return 1


def hold_and_serve(options: UpOptions) -> int:
    home = Home(options.data)
    home.prepare()
    stop = StopRequest()
    try:
        with home.held():
            return serve(options, home, stop)
    except AlreadyHeld:
        raise Trouble(already_running(home)) from None


def already_running(home: Home) -> str:
    run = home.last_run()
    where = f"at {run.url} (pid {run.launcher.pid})" if run else "and just starting or stopping"
    return f"already running {where} on {home.path}. End it with bin/down, or start another with --data and --port."


def serve(options: UpOptions, home: Home, stop: StopRequest) -> int:
    """From the first server to the last one's end."""
    started = monotonic()
    remains = processes.end_processes(processes.leftovers(home, home.last_run()))
    if remains:
        say(f"Ended {remains} processes that a killed run left behind.")
    refuse_taken_port(options.port)
    url = f"http://127.0.0.1:{options.port}"
    supervisor = Supervisor(home, stop, url)
    try:
        start_everything(supervisor, options.port)
        say(f"Ready after {monotonic() - started:.1f} s.\n\n{welcome(home, url)}")
        # Last, for whoever waits for the note wants the words before it.
        supervisor.note_ready()
        while True:
            supervisor.watch()
            stop.sleep(0.2)
    except Stopped:
        assert stop.signal is not None
        say(f"\n{stop.signal.name}: stopping ...")
        return 0 if supervisor.run.is_ready else 130
    finally:
        ended = monotonic()
        supervisor.end_everything(*ENDING_ORDER)
        say(f"Everything stopped after {monotonic() - ended:.1f} s.")


def refuse_taken_port(port: int) -> None:
    try:
        is_free = valkey.is_free(port)
    except PermissionError:
        raise Trouble(f"port {port} is reserved for root: choose one from 1024 on with --port") from None
    if not is_free:
        raise Trouble(f"port {port} is in use{_by_whom(port)}: choose another with --port")


def _by_whom(port: int) -> str:
    """Known only for our own processes, or to root."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,) and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        return ""
    return ""


def start_everything(supervisor: Supervisor, port: int) -> None:
    home = supervisor.home
    say(f"Starting with the data in {home.path}")
    environment = servers.start_servers(supervisor, mode="demo", base_url=supervisor.run.url)
    for program in preparations(home, environment):
        with step(program.name.replace("_", " ")):
            supervisor.complete(program)
    with step("web, worker, beat, relay"):
        for program in services(home, environment, port):
            supervisor.start(program)
        supervisor.wait_until(lambda: is_ready(port), f"{supervisor.run.url}/health/ready/", READY_SECONDS)


def preparations(home: Home, environment: dict[str, str]) -> Iterator[Program]:
    """What has to be done before anything is served; each may be repeated without harm."""
    if environment.get("ADMIN_DATABASE_URL"):
        yield python(home, "provision_database", environment, "manage.py", "provision_database")
    yield python(home, "migrate", environment, "manage.py", "migrate", "--noinput")
    yield python(home, "load_demo", environment, "manage.py", "load_demo", "--write", str(home.demo))


def services(home: Home, environment: dict[str, str], port: int) -> list[Program]:
    schedule = home.run / "beat-schedule"
    # It only remembers when beat last woke; one that a kill left half-written would cost a start.
    for stale in home.run.glob(f"{schedule.name}*"):
        stale.unlink()
    worker = without(environment, "ADMIN_DATABASE_URL", "MIGRATOR_DATABASE_URL") | {"DATABASE_ROLE": "worker"}
    web = without(worker, "WORKER_DATABASE_URL", "SYSTEM_DATABASE_URL") | {
        "DATABASE_ROLE": "app",
        "WEB_BIND": f"127.0.0.1:{port}",
        "WEB_GRACEFUL_TIMEOUT_SECONDS": "5",
    }
    return [
        python(home, "web", web, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "itsm_project.wsgi:application"),
        # Alone at its broker, it has nobody to gossip with.
        python(
            home,
            "worker",
            worker,
            *CELERY,
            "worker",
            "--concurrency=2",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ),
        python(home, "beat", worker, *CELERY, "beat", f"--schedule={schedule}"),
        python(home, "relay", worker, "manage.py", "relay"),
    ]


def python(home: Home, name: str, environment: dict[str, str], *arguments: str) -> Program:
    return Program(name, [sys.executable, *arguments], environment, home.logs / f"{name}.log")


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def welcome(home: Home, url: str) -> str:
    accounts = "\n".join(f"    {email:<32} {password}" for email, password in accounts_in(read_json(home.demo)))
    return (
        f"  Platform   {url}\n  Admin      {url}/admin/\n  API        {url}/api/docs/\n"
        f"  Logs       {home.logs}\n  Settings   {home.environment}  (ITSM_ENV_FILE for manage.py)\n\n"
        f"  Demo accounts (also in {home.demo}):\n{accounts}\n\n"
        f"Ctrl-C or {down_command(home)} stops everything."
    )


def down_command(home: Home) -> str:
    return "bin/down" if home.path == DEFAULT_DATA else f"bin/down --data {shlex.quote(str(home.path))}"


def accounts_in(demo: Any) -> Iterator[tuple[str, str]]:
    """Every e-mail address with a password beside it, however deep."""
    if isinstance(demo, dict) and "email" in demo and "password" in demo:
        yield demo["email"], demo["password"]
    elif isinstance(demo, dict | list):
        for value in demo.values() if isinstance(demo, dict) else demo:
            yield from accounts_in(value)


def detach(options: UpOptions) -> int:
    """Start the launcher in the background, and show what it says until it is ready or gives up."""
    home = Home(options.data)
    home.prepare()
    log = home.logs / "up.log"
    command = [sys.executable, "-P", "-m", "deploy.local.up", "--port", str(options.port), "--data", str(options.data)]
    with log.open("wb") as output:
        launcher = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        is_started = follow(launcher, home, log)
    except Stopped:
        launcher.terminate()
        launcher.wait()
        return 130
    say(f"Running in the background (pid {launcher.pid}); {log}" if is_started else "bin/up --detach: not started.")
    return 0 if is_started else 1


def follow(launcher: "subprocess.Popen[bytes]", home: Home, log: Path) -> bool:
    """Whether it became ready."""
    stop = StopRequest()
    with log.open(errors="replace") as lines:
        while True:
            has_ended = launcher.poll() is not None
            is_ready = is_announced(home, launcher.pid)
            say(lines.read(), end="")
            if has_ended or is_ready:
                return not has_ended
            stop.sleep()


def is_announced(home: Home, pid: int) -> bool:
    run = home.last_run()
    return run is not None and run.is_ready and run.launcher.pid == pid


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
