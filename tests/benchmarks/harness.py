"""What the benchmarks share: a database of their own with many rows, the web server, a client, and figures in a table.

Import this before any model: it sets Django up.
"""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itsm_project.settings")
os.environ.setdefault("DATABASE_ROLE", "app")
django.setup()

import psutil  # noqa: E402
import psycopg  # noqa: E402
from django.db import connections, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps.core import tenancy  # noqa: E402
from apps.organizations.models import Organization  # noqa: E402
from apps.users import tokens  # noqa: E402
from apps.users.models import Session, UserType  # noqa: E402
from tests import databases, factories  # noqa: E402

TENANTS = 20
# The tenant that is measured holds this part of all rows, the others share the rest.
SHARE = 0.3
# What the client calls every server, so that links in their answers are the same bytes.
HOST = "127.0.0.1:8000"

# One clock reading per row, so that instants look like real ones.
SITES = """
INSERT INTO organizations_site
    (id, organization_id, created_at, updated_at, version, name, time_zone, address, is_active)
SELECT gen_random_uuid(), %(organization)s, at, at, 1, 'Site ' || lpad(n::text, 6, '0'), 'Europe/Berlin',
       n || ' Main Street, 10115 Berlin', true
FROM (SELECT n, now() - n * interval '61.234567 seconds' AS at FROM generate_series(1, %(rows)s) AS n) AS numbered
"""


@dataclass(frozen=True)
class World:
    """The database, the tenant that is measured, and an administrator's session in it."""

    database: str
    organizations: Sequence[Organization]
    session: Session

    @property
    def organization(self) -> Organization:
        return self.organizations[0]

    def access_token(self) -> str:
        """A fresh one: they live five minutes, a benchmark may take longer."""
        return tokens.issue(
            user_id=self.session.user_id,
            session_id=self.session.pk,
            organization_id=self.organization.pk,
            at=timezone.now(),
        )


@contextmanager
def world(rows: int) -> Iterator[World]:
    """`rows` sites in TENANTS tenants, in a database that is dropped afterwards."""
    database = databases.create_for_worker(f"bench{os.getpid()}")
    try:
        databases.use(database)
        organizations = [factories.make_organization(slug=f"tenant-{n}", name=f"Tenant {n}") for n in range(TENANTS)]
        with tenancy.tenant(organizations[0].pk), transaction.atomic():
            session = factories.SessionFactory(
                user=factories.make_person(user_type=UserType.ADMIN),
                idle_until=timezone.now() + timedelta(hours=12),
            )
        fill(database, organizations, rows)
        yield World(database, organizations, session)
    finally:
        connections.close_all()
        databases.drop(database)


def fill(database: str, organizations: Sequence[Organization], rows: int) -> None:
    """By a superuser and without triggers: what is loaded here is nobody's change."""
    mine = int(rows * SHARE)
    with psycopg.connect(databases.admin_dsn(database), autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        for organization in organizations:
            count = mine if organization is organizations[0] else (rows - mine) // (len(organizations) - 1)
            admin.execute(SITES, {"organization": organization.pk, "rows": count})
        admin.execute("VACUUM ANALYZE")


@dataclass
class Server:
    """gunicorn with one synchronous worker, and what that worker has used."""

    port: int
    worker: psutil.Process
    threads: Path = field(init=False)

    def __post_init__(self) -> None:
        self.threads = Path(f"/proc/{self.worker.pid}/task")

    def cpu_seconds(self) -> float:
        """The worker's CPU time: of every thread in nanoseconds where Linux tells, in ticks of 10 ms otherwise."""
        try:
            return sum(int((thread / "schedstat").read_text().split()[0]) for thread in self.threads.iterdir()) / 1e9
        except OSError:
            used = self.worker.cpu_times()
            return float(used.user + used.system)

    def get(self, path: str, token: str) -> tuple[int, bytes]:
        """One request on a connection of its own: a synchronous worker keeps none alive."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Host": HOST, "Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def served(application: str, **environment: str) -> Iterator[Server]:
    """`application` behind gunicorn on a free port of loopback; what it logs is written, to a file."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        "1",
        "--worker-class",
        "sync",
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--log-level", "warning", application],
            cwd=databases.ROOT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
        try:
            yield Server(port, _worker_of(process, port, log))
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _worker_of(
    process: "subprocess.Popen[bytes]", port: int, log: "tempfile._TemporaryFileWrapper[bytes]"
) -> psutil.Process:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        children = psutil.Process(process.pid).children()
        if children and _listens(port):
            return children[0]
        time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"gunicorn did not start:\n{log.read().decode()[-4000:]}")


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/health/live/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3f}"


def p50(values: Sequence[float]) -> float:
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def end(misses: Sequence[str]) -> None:
    """Say which targets were missed. Ends the process with 1 where one was."""
    for miss in misses:
        print(f"missed: {miss}")
    if misses:
        raise SystemExit(1)


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    print(f"\n{title}\n")
    for row in [head, ["-" * width for width in widths], *rows]:
        print(
            "  ".join(
                cell.ljust(width) if n == 0 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )
