"""The journeys run beside real processes, as the fault tests do."""

from tests.faults import conftest

processes = conftest.processes
pytest_runtest_makereport = conftest.pytest_runtest_makereport
