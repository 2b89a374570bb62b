"""Processes for a test, with their logs beside a failure."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import Processes, database_name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    processes = getattr(item, "funcargs", {}).get("processes")
    if report.when == "call" and report.failed and processes is not None:
        report.sections.append(("logs of the processes", processes.logs()))
    return report


@pytest.fixture
def processes(fresh_database: None, tmp_path: Path) -> Iterator[Processes]:
    """Worker, relay, beat, web and broker of this test's own, in its own fresh database."""
    beside = Processes(tmp_path, database_name())
    yield beside
    beside.close()
