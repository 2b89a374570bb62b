"""The journeys run beside real processes, as the fault tests do."""

import json
from typing import Any

import pytest

from tests.faults import conftest
from tests.faults.processes import Processes

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
