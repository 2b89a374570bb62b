"""The journeys run beside real processes, as the fault tests do."""

import json
from typing import Any

import pytest

from tests.faults import conftest
from tests.faults.processes import Processes, free_port, is_ready, wait_until
from tests.journeys.speaking import is_serving

processes = conftest.processes
pytest_runtest_makereport = conftest.pytest_runtest_makereport


@pytest.fixture
def accounts(processes: Processes) -> dict[str, Any]:
    """The demo's people, as its loader writes them down."""
    file = processes.directory / "demo.json"
    processes.manage("load_demo", "--write", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    written: dict[str, Any] = json.loads(file.read_text())
    return written["organizations"]


@pytest.fixture
def installation(processes: Processes) -> int:
    """The port of a web process; worker, beat and relay run beside it."""
    port = free_port()
    processes.broker()
    worker = processes.worker()
    processes.beat()
    processes.relay()
    processes.web(port)
    wait_until(lambda: is_serving(port), "the web process is ready", 60)
    wait_until(lambda: is_ready(worker), "the worker is ready", 60)
    return port
