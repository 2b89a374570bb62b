"""The benchmarks still run. Their figures are nobody's business here, so tiny that they may miss a target; but then they say so."""

import os
import re
import subprocess
import sys

import pytest

from tests import databases

TINY = {
    "wall_cost": ("--rows", "2000", "--rounds", "3"),
    "list_detail": ("--rows", "2000", "--requests", "4", "--blocks", "2"),
    "rate_limits": ("--requests", "4", "--blocks", "2"),
    "calendars": ("--calls", "200"),
    "sla": ("--timers", "2000", "--due", "40", "--at-once", "30", "--requests", "2", "--blocks", "1"),
    "assignment": ("--tickets", "60"),
    "closing": ("--tickets", "200"),
    "tickets": ("--tickets", "1000", "--requests", "4", "--blocks", "2"),
}
FIGURE = {
    "wall_cost": r"the walls cost at p50: [+-]\d+\.\d{3} ms, [+-]\d+\.\d %",
    "list_detail": r"detail: product .*\d\.\d\d x",
    "closing": r"after the last resolution: 200 of 200",
    "assignment": r"least_loaded +\d+ +\d+\.\d\d .* 0 +0  none",
    "tickets": r"create: product .*\d\.\d\d x +3\.0 x",
    "calendars": r"slowest: [\d,]+ calls/s; wanted: 50,000",
    "sla": r"create: default policy +\d+ +\+\d+ +\d+\.\d{3}",
    "rate_limits": r"limiter, Redis +\d+\.\d{3} +\d\.\d{3}",
}


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_prints_its_figures(name):
    run = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", *TINY[name]],
        cwd=databases.ROOT,
        env={key: value for key, value in os.environ.items() if key != "DATABASE_ROLE"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    misses = re.findall(r"^missed: (.+)$", run.stdout, flags=re.M)
    assert run.returncode == bool(misses), run.stderr[-4000:]
    assert re.search(FIGURE[name], run.stdout), run.stdout
