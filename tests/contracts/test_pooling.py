"""Many threads, few connections, several tenants: no transaction ever sees a row of another one's tenant."""

import copy
import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections, transaction
from django.db.utils import DataError, OperationalError
from psycopg.errors import QueryCanceled

from apps.core import tenancy
from tests import conftest
from tests.factories import IdempotencyKeyFactory

pytestmark = [pytest.mark.bar(9), pytest.mark.timeout(1800)]

THREADS = 16
ROUNDS = 10_000 if conftest.IS_FULL_RUN else 300
# Fewer than threads, so that every connection passes from hand to hand.
CONNECTIONS = 5
PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

SEEN = "SELECT organization_id, count(*) FROM core_idempotencykey GROUP BY 1"
WRITTEN = "UPDATE core_idempotencykey SET status = status RETURNING organization_id"


class Undone(Exception):
    """Raised to roll back."""


class Client:
    """One thread's way through its transactions."""

    def __init__(self, alias: str, rows: dict[UUID, int], seed: int) -> None:
        self.alias, self.rows = alias, rows
        # Giving a pooled connection back is what this is about; making a new direct one only takes time.
        self.closes = 0.02 if alias == "direct" else 0.3
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.foreign: list[Any] = []

    def run(self, rounds: int) -> "Client":
        try:
            for _ in range(rounds):
                step = self.random.choice(self.STEPS)
                try:
                    step(self)
                except Undone:
                    pass
                except OperationalError as error:
                    # A cancellation may arrive late and hit the next statement instead.
                    if not isinstance(error.__cause__, QueryCanceled):
                        raise
                self.done[step.__name__] += 1
                if self.random.random() < self.closes:
                    connections[self.alias].close()
        finally:
            connections[self.alias].close()
        return self

    # --- what is looked at

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def expect(self, tenant: UUID | None) -> None:
        """Exactly the rows of `tenant` are there."""
        found = self.execute(SEEN)
        if found != ([(tenant, self.rows[tenant])] if tenant else []):
            self.foreign.append((tenant, found))

    def one(self) -> UUID:
        return self.random.choice(list(self.rows))

    def atomic(self) -> Any:
        return transaction.atomic(using=self.alias)

    # --- the transactions

    def reads(self) -> None:
        tenant = self.one()
        with tenancy.tenant(tenant), self.atomic():
            self.expect(tenant)

    def writes(self) -> None:
        tenant = self.one()
        with tenancy.tenant(tenant), self.atomic():
            written = Counter(self.execute(WRITTEN))
            if written != {(tenant,): self.rows[tenant]}:
                self.foreign.append((tenant, written))
            raise Undone

    def has_no_tenant(self) -> None:
        with self.atomic():
            self.expect(None)

    def is_outside_any_transaction(self) -> None:
        self.expect(None)

    def nests(self) -> None:
        outer, inner = self.one(), self.one()
        with tenancy.tenant(outer), self.atomic():
            with tenancy.tenant(inner):
                self.expect(inner)
            self.expect(outer)

    def releases_a_savepoint(self) -> None:
        outer, inner = self.one(), self.one()
        with tenancy.tenant(outer), self.atomic():
            with self.atomic(), tenancy.tenant(inner), self.atomic():
                self.expect(inner)
            self.expect(outer)

    def rolls_a_savepoint_back(self) -> None:
        outer, inner = self.one(), self.one()
        with tenancy.tenant(outer), self.atomic():
            with suppress(Undone), self.atomic(), tenancy.tenant(inner):
                self.expect(inner)
                raise Undone
            self.expect(outer)

    def fails_in_a_savepoint(self) -> None:
        outer, inner = self.one(), self.one()
        with tenancy.tenant(outer), self.atomic():
            with suppress(DataError), self.atomic(), tenancy.tenant(inner):
                self.execute("SELECT 1 / 0")
            self.expect(outer)

    def fails(self) -> None:
        with suppress(DataError), tenancy.tenant(self.one()), self.atomic():
            self.execute("SELECT 1 / 0")

    def runs_out_of_time(self) -> None:
        tenant = self.one()
        with tenancy.tenant(tenant), self.atomic():
            with suppress(OperationalError), self.atomic():
                self.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)")
                raise AssertionError("was not cancelled")
            self.expect(tenant)

    def is_cancelled(self) -> None:
        if self.random.random() < 0.9:  # each takes its time
            self.reads()
            return
        tenant = self.one()
        with tenancy.tenant(tenant), self.atomic():
            self.expect(tenant)
            is_over = threading.Event()
            canceller = threading.Thread(target=self.cancel_until, args=(is_over, connections[self.alias].connection))
            canceller.start()
            try:
                self.execute("SELECT pg_sleep(60)")
            finally:
                is_over.set()
                canceller.join()

    @staticmethod
    def cancel_until(is_over: threading.Event, opened: Any) -> None:
        """The first one may come before the statement that it is meant for."""
        while not is_over.wait(0.02):
            opened.cancel_safe()

    def leaves_in_the_middle(self) -> None:
        """The connection is dropped, as by a worker that dies, with the transaction open."""
        tenant = self.one()
        with suppress(Exception), tenancy.tenant(tenant), self.atomic():
            self.expect(tenant)
            connections[self.alias].close()

    STEPS: tuple[Callable[["Client"], None], ...] = (
        reads,
        writes,
        has_no_tenant,
        is_outside_any_transaction,
        nests,
        releases_a_savepoint,
        rolls_a_savepoint_back,
        fails_in_a_savepoint,
        fails,
        runs_out_of_time,
        is_cancelled,
        leaves_in_the_middle,
    )


@contextmanager
def alias(name: str, **changes: Any) -> Iterator[str]:
    """Another way to the test database, for this process alone."""
    configuration = copy.deepcopy(connections.settings["default"])
    configuration["OPTIONS"] |= changes.pop("OPTIONS", {})
    connections.settings[name] = {**configuration, **changes}
    try:
        yield name
    finally:
        connections[name].close()
        if "pool" in configuration["OPTIONS"]:
            connections[name].close_pool()
        del connections[name]
        del connections.settings[name]


@contextmanager
def directly(size: int) -> Iterator[str]:
    """A connection of its own for each thread, kept."""
    with alias("direct", CONN_MAX_AGE=60) as name:
        yield name


@contextmanager
def by_djangos_pool(size: int) -> Iterator[str]:
    """psycopg's pool inside the process."""
    pool = {"min_size": size, "max_size": size, "timeout": 60}
    with alias("pooled", CONN_MAX_AGE=0, OPTIONS={"pool": pool}) as name:
        yield name


@contextmanager
def by_pgbouncer(size: int) -> Iterator[str]:
    """PgBouncer in transaction mode, which gives each transaction whatever server connection is free."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        configuration = Path(directory, "pgbouncer.ini")
        configuration.write_text(pgbouncer_ini(port, size))
        configuration.chmod(0o644)
        process = subprocess.Popen(
            [PGBOUNCER, "-q", str(configuration)],
            stderr=subprocess.PIPE,
            **account_for(settings.DATABASE_LOGINS["app"]),
        )
        try:
            wait_for(port, process)
            with alias(
                "bounced", HOST="127.0.0.1", PORT=str(port), CONN_MAX_AGE=60, DISABLE_SERVER_SIDE_CURSORS=True
            ) as name:
                yield name
        finally:
            process.terminate()
            process.wait(10)


def account_for(login: dict[str, Any]) -> dict[str, Any]:
    """It refuses to run as root; then it runs as the account that owns the server's socket directory, or as nobody."""
    if os.geteuid() != 0:
        return {}
    directory = Path(login["HOST"])
    owner = pwd.getpwuid(directory.stat().st_uid) if directory.is_dir() else pwd.getpwnam("nobody")
    account = pwd.getpwnam("nobody") if owner.pw_uid == 0 else owner
    user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    if directory.is_dir() and subprocess.run(["test", "-x", str(directory)], check=False, **user).returncode:
        pytest.skip(f"the account {account.pw_name}, which pgbouncer would run as, cannot reach {directory}")
    return user


def pgbouncer_ini(port: int, size: int) -> str:
    login = settings.DATABASE_LOGINS["app"]
    parts = {
        "host": login["HOST"],
        "port": login["PORT"],
        "dbname": settings.DATABASES["default"]["NAME"],
        "user": login["USER"],
        "password": login["PASSWORD"],
    }
    target = " ".join(f"{key}={value}" for key, value in parts.items() if value)
    lines = [
        "[databases]",
        f"* = {target}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = any",
        "pool_mode = transaction",
        f"default_pool_size = {size}",
        "max_client_conn = 200",
        "ignore_startup_parameters = extra_float_digits,options",
    ]
    return "\n".join(lines) + "\n"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        assert process.poll() is None, process.stderr.read().decode()  # type: ignore[union-attr]
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("pgbouncer does not answer")


@pytest.fixture
def tenants(fresh_database: None) -> dict[UUID, int]:
    """Four tenants and how many rows each has, no two alike."""
    rows = {}
    for number, slug in enumerate(("acme", "globex", "initech", "umbrella"), start=1):
        tenant = conftest.make_tenant(slug, slug.title())
        with tenant.entered():
            IdempotencyKeyFactory.create_batch(number)
        rows[tenant.id] = number
    return rows


@pytest.mark.heavy
@pytest.mark.parametrize("way", [directly, by_djangos_pool, by_pgbouncer], ids=lambda way: way.__name__)
def test_no_transaction_sees_another_tenants_rows(tenants: dict[UUID, int], way: Callable[[int], Any]) -> None:
    with way(CONNECTIONS) as name, ThreadPoolExecutor(THREADS) as threads:
        clients = list(threads.map(lambda seed: Client(name, tenants, seed).run(ROUNDS), range(THREADS)))

    assert [found for client in clients for found in client.foreign] == []
    assert sum(client.done.total() for client in clients) == THREADS * ROUNDS
    assert set(sum((client.done for client in clients), Counter())) == {step.__name__ for step in Client.STEPS}


@pytest.mark.parametrize("way", [by_djangos_pool, by_pgbouncer], ids=lambda way: way.__name__)
def test_a_tenant_for_the_session_would_leak_which_is_why_it_is_for_the_transaction(
    tenants: dict[UUID, int], way: Callable[[int], Any]
) -> None:
    """The same look, behind a pool, at what a session-wide setting leaves to the next client."""
    first = next(iter(tenants))
    with way(1) as name:
        client = Client(name, tenants, seed=0)
        client.execute(f"SELECT set_config('app.org_id', '{first}', false)")
        connections[name].close()
        client.expect(None)
        client.execute("SELECT set_config('app.org_id', '', false)")

    assert client.foreign == [(None, [(first, tenants[first])])]
