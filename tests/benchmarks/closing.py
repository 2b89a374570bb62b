"""Automatic closing over a real year: every last resolution of the real log (`ITSM_SHARED_DATA`, else invented ones), closed after
five calendar days by a job that runs on the hour, and what became of the same incidents in life.

Everything runs in memory, by the functions that the job asks: what is measured is when something is closed. Ends with 1 where one
is closed before five days, or more than 70 minutes after them.
"""

import argparse
import csv
import gzip
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from tests.benchmarks import harness  # noqa: F401 # isort: skip - sets Django up
from apps.organizations.calendars import OpenHours
from apps.tickets.choices import Days, Doing, Purpose
from apps.tickets.closing.plan import Standing, coming, due
from apps.tickets.closing.terms import WORKDAYS, Terms
from tests import databases

LOG = (
    Path(os.environ.get("ITSM_SHARED_DATA", databases.ROOT.parent / "shared" / "data"))
    / "uci_incident_event_log"
    / "incident_event_log.csv.gz"
)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SLACK = timedelta(minutes=70)
TERMS = Terms(
    hours=OpenHours("UTC", WORKDAYS),
    stamp="benchmark",
    answer_days=Days.BUSINESS,
    remind_after=(2, 4),
    resolve_after=7,
    close_days=Days.CALENDAR,
    warn_after=3,
    close_after=5,
    reopen_days=Days.CALENDAR,
    reopen_within=14,
    reply_reopens=True,
    ignores_thanks=False,
)


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=UTC)


def real() -> Iterator[tuple[datetime, datetime | None]]:
    """Of each incident whose resolution is known: the last one, and when it was closed in life."""
    last: dict[str, dict[str, str]] = {}
    with gzip.open(LOG, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            last[row["number"]] = row
    for row in last.values():
        if row["resolved_at"] not in {"", "?"}:
            yield instant(row["resolved_at"]), instant(row["closed_at"])


def invented(count: int) -> Iterator[tuple[datetime, datetime | None]]:
    random = Random(5)
    for _ in range(count):
        yield datetime(2016, 3, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(365 * 86_400)), None


def closed_at(resolved_at: datetime, terms: Terms) -> datetime:
    """By the first run of the hourly job that finds it due; what that does on the way to it, it does."""
    standing = Standing(Purpose.CLOSING, resolved_at)
    while True:
        steps = coming(standing, terms)
        at = max(-(-min(step.at for step in steps).timestamp() // 3600) * 3600, resolved_at.timestamp())
        now = datetime.fromtimestamp(at, UTC)
        step = due(steps, now)
        assert step is not None
        if step.doing is Doing.CLOSE:
            return now
        standing = replace(standing, given=step.number, last_given_at=now)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=0, help="so many of them; all where it is 0")
    arguments = parser.parse_args()
    is_real = LOG.is_file()
    cases = list(real() if is_real else invented(arguments.tickets or 20_000))
    if arguments.tickets:
        cases = cases[: arguments.tickets]
    began = time.process_time()
    took = [closed_at(resolved_at, TERMS) - resolved_at for resolved_at, _ in cases]
    seconds = time.process_time() - began
    within = sum(5 * DAY <= each < 5 * DAY + SLACK for each in took)
    print(f"{'real' if is_real else 'invented'} resolutions: {len(cases):,}; {seconds / len(cases) * 1e6:.0f} us each")
    print(f"closed 5 days to 5 days 70 minutes after the last resolution: {within:,} of {len(cases):,}")
    print(f"earliest {min(took)}, latest {max(took)}")
    if is_real:
        life = sum(5 * DAY <= closed - resolved < 5 * DAY + SLACK for resolved, closed in cases if closed is not None)
        print(f"in life: {life:,} of {len(cases):,}")
    if within != len(cases):
        print(f"missed: {len(cases) - within} are closed outside the hour after five days")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
