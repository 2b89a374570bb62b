"""How many questions of business time one core answers in a second: near and years ahead, forwards and backwards.

Without a database: the functions alone, over compiled hours, as the engine calls them. The last lines say what a calendar costs
that nobody has asked before. Ends with 1 where one question is answered less often than wanted.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random

from tests.benchmarks import harness  # isort: skip - sets Django up

from apps.organizations.calendars import ALWAYS, OpenHours, add_business, business_between

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
# Calls in a second of CPU time: of this process, whatever else the machine does.
WANTED = 50_000
WEEKDAYS, ALL_DAYS = range(5), range(7)
Call = Callable[[datetime, int], object]


def windows(weekdays: range, *times: tuple[str, str]) -> list[dict[str, object]]:
    return [{"weekday": day, "start": start, "end": end} for day in weekdays for start, end in times]


def closed(number: int) -> list[dict[str, str]]:
    """So many holidays over ten years."""
    days = Random(1).sample(range(3650), number)
    return [{"date": (date(2024, 1, 1) + timedelta(days=day)).isoformat(), "kind": "closed"} for day in days]


CALENDARS: dict[str, Callable[[], OpenHours]] = {
    "always": lambda: ALWAYS,
    "nine to five": lambda: OpenHours("Europe/Berlin", windows(WEEKDAYS, ("09:00", "17:00"))),
    "lunch, 150 holidays": lambda: OpenHours(
        "America/New_York", windows(WEEKDAYS, ("08:00", "12:00"), ("13:00", "17:30")), closed(150)
    ),
    "nights, 2,000 holidays": lambda: OpenHours(
        "Australia/Lord_Howe", windows(ALL_DAYS, ("22:00", "06:00")), closed(2000)
    ),
}


def questions(hours: OpenHours) -> dict[str, Call]:
    return {
        "add 4 h": lambda start, jitter: add_business(start, 14_400 + jitter, hours),
        "add 8,000 h": lambda start, jitter: add_business(start, 28_800_000 + jitter, hours),
        "add -40 h": lambda start, jitter: add_business(start, -144_000 - jitter, hours),
        "between 3 days": lambda start, jitter: business_between(
            start, start + timedelta(days=3, seconds=jitter), hours
        ),
        "between 8 years": lambda start, jitter: business_between(
            start, start + timedelta(days=2920, seconds=jitter), hours
        ),
    }


def per_second(call: Call, asked: list[tuple[datetime, int]]) -> float:
    started = time.process_time()
    for start, jitter in asked:
        call(start, jitter)
    return len(asked) / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000, help="of each question to each calendar")
    options = parser.parse_args()
    random = Random(7)
    asked = [
        (NOW + timedelta(seconds=random.randrange(-(10**7), 10**7)), random.randrange(10_000))
        for _ in range(options.calls)
    ]
    rows, slowest, gc_was = [], float("inf"), gc.isenabled()
    gc.disable()
    for name, made in CALENDARS.items():
        for question, call in questions(made()).items():
            per_second(call, asked[:1000])
            found = statistics.median(per_second(call, asked) for _ in range(3))
            slowest = min(slowest, found)
            rows.append((name, question, f"{found:,.0f}"))
    if gc_was:
        gc.enable()
    harness.print_table(
        f"Calls per second of CPU time, {options.calls:,} each", ("calendar", "question", "calls/s"), rows
    )
    print(f"slowest: {slowest:,.0f} calls/s; wanted: {WANTED:,}")
    _first_calls()
    harness.end([f"the slowest, {slowest:,.0f} of {WANTED:,} calls/s"] if slowest < WANTED else [])


def _first_calls() -> None:
    rows = []
    for name, made in CALENDARS.items():
        hours = made()
        times = []
        for call in (lambda h=hours: add_business(NOW, 14_400, h), lambda h=hours: add_business(NOW, 28_800_000, h)):
            started = time.process_time()
            call()
            times.append(harness.milliseconds(time.process_time() - started))
        rows.append((name, *times))
    harness.print_table("The first call of a calendar, ms of CPU time", ("calendar", "add 4 h", "then 8,000 h"), rows)


if __name__ == "__main__":
    main()
