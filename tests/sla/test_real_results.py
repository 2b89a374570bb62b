"""What became of real incidents (UCI 498) under the default policy: the engine's results against a walk through the file.

The walk knows days, zones and holidays by itself and uses nothing of the engine. Skipped where the file is absent.
"""

import csv
import resource
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest

from apps.audit.models import Dispatch
from apps.organizations.calendar_records import create_calendar
from apps.sla import policies
from apps.sla.defaults import content_for
from apps.sla.models import LevelFiring, Timer
from tests.conftest import IS_FULL_RUN
from tests.incidents.test_real_history import LOG, histories, imported, instant

pytestmark = pytest.mark.skipif(not LOG.is_file(), reason=f"the real log is not at {LOG}")

SAMPLE = 120
YEARS = range(2015, 2019)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ALL_DAY = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)]
NINE_TO_FIVE = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
FEASTS = holidays.country_holidays("BR", subdiv="SP", years=YEARS)
CALENDARS = {
    "24x7": {"time_zone": "UTC", "windows": ALL_DAY, "exceptions": []},
    "Brazil": {
        "time_zone": "America/Sao_Paulo",
        "windows": NINE_TO_FIVE,
        "exceptions": [{"date": day.isoformat(), "kind": "closed"} for day in sorted(FEASTS)],
    },
}

# --- the walk: the default policy's promises, and what the file says happened

SECOND = timedelta(seconds=1)
# Priority: first response and resolution in seconds, and whether by the office's hours.
PROMISES = {1: (900, 14_400, False), 2: (1_800, 28_800, False), 3: (14_400, 86_400, True), 4: (28_800, 144_000, True)}


def always(a, b):
    return int((b - a).total_seconds())


def brazilian_office(zone=ZoneInfo("America/Sao_Paulo")):  # noqa: B008
    """A function that counts the open seconds between two instants, day by day."""
    days = [date(YEARS[0], 1, 1) + timedelta(days=n) for n in range(365 * len(YEARS))]
    days = [day for day in days if day.weekday() < 5 and day not in FEASTS]
    opened = [datetime(day.year, day.month, day.day, 9, tzinfo=zone).astimezone(UTC) for day in days]
    closed = [datetime(day.year, day.month, day.day, 17, tzinfo=zone).astimezone(UTC) for day in days]

    def count(a, b):
        there = range(bisect_right(closed, a), bisect_left(opened, b))
        return sum(int((min(closed[n], b) - max(opened[n], a)).total_seconds()) for n in there)

    return count


def is_late(stretches, seconds, count):
    """Whether some stretch went on for more than a moment after the target had been used up."""
    used = 0
    for a, b in stretches:
        if b > a and used + count(a, b - SECOND) >= seconds:
            return True
        used += count(a, b)
    return False


def result(rows, metric, office):
    """Met or missed, and the seconds that counted: one incident's first response (metric 0) or resolution (1)."""
    rows = sorted(rows, key=lambda row: instant(row["sys_updated_at"]))
    now = since = instant(rows[0]["opened_at"])
    word, priority, stretches, seconds = "New", int(rows[0]["priority"][0]), [], 0
    is_over = is_missed = False
    for row in rows:
        state, rated = row["incident_state"], int(row["priority"][0])
        if state == "New" and word != "New":
            continue
        now = max(now, instant(row["sys_updated_at"]))
        is_step = state not in {"-100", word}
        is_reopened = is_over and is_step and (word, state) != ("Resolved", "Closed")
        # What was closed opens before it is rated anew, what was open is rated before it ends.
        for promised in [priority, rated]:
            count = office if PROMISES[promised][2] else always
            lived = stretches + ([(since, now)] if since is not None else [])
            if not is_over or is_reopened:
                is_missed = is_missed or is_late(lived, PROMISES[promised][metric], count)
                seconds = sum(count(a, b) for a, b in lived)
        priority = rated
        if is_step:
            word, stretches, is_over = state, lived, state in {"Resolved", "Closed"}
            waits = metric == 1 and state == "Awaiting User Info"
            since = None if is_over or waits else now
        if is_over and metric == 0:
            break
    return "missed" if is_missed else "met", seconds


# --- the engine


def promise(acme, words):
    """The default policy; what it counts by the office, it counts by this calendar."""
    with acme.entered():
        calendar = create_calendar(actor=acme.system, at=NOW, values={"name": "Office", **words})
        policy = policies.create(actor=acme.system, at=NOW, values={"name": "Default"})
        version = policies.draft(policy, actor=acme.system, at=NOW, content=content_for(str(calendar.pk)))
        policies.publish(version, actor=acme.system, at=NOW)


def engines_results():
    """By number and metric, of the timers that were not given up for others."""
    rows = Timer.objects.exclude(stage="cancelled").order_by("sequence")
    return {
        (number, metric): (stage, seconds)
        for number, metric, stage, seconds in rows.values_list("ticket__number", "metric", "stage", "elapsed_seconds")
    }


def assert_results_agree(acme, cases, name):
    office = always if name == "24x7" else brazilian_office()
    expected = {
        (number, metric): result(rows, place, office)
        for number, rows in cases.items()
        for place, metric in enumerate(("first_response", "resolution"))
    }
    with acme.entered():
        found = engines_results()
        outcomes = set(LevelFiring.objects.values_list("outcome", flat=True))
        assert Dispatch.objects.count() == 0
    differing = {key: (found.get(key), value) for key, value in expected.items() if found.get(key) != value}
    print(name, Counter((key[1], value[0]) for key, value in expected.items()), "differences", len(differing))
    assert (len(found), differing) == (2 * len(cases), {})
    assert outcomes == {"past"}


def written(cases, path):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, next(iter(cases.values()))[0])
        writer.writeheader()
        writer.writerows(row for rows in cases.values() for row in rows)
    return path


@pytest.mark.parametrize("name", CALENDARS)
def test_a_sample_of_real_incidents_has_the_results_of_a_walk_through_the_file(acme, tmp_path, name):
    every = histories()
    # Long and short ones of the whole year, and whatever changed its priority or was opened again.
    chosen = list(every)[:: len(every) // (SAMPLE * 2 // 3)]
    rare = [
        number
        for number, rows in every.items()
        if int(rows[-1]["reopen_count"]) or len({r["priority"] for r in rows}) > 1
    ]
    cases = {number: every[number] for number in [*chosen, *rare[:: len(rare) // (SAMPLE // 3)]]}
    promise(acme, CALENDARS[name])

    imported(written(cases, tmp_path / "part.csv"), tmp_path / "report.json", workers=1)

    assert_results_agree(acme, cases, name)


@pytest.mark.heavy
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not IS_FULL_RUN, reason="the whole file takes minutes: ITSM_TEST_ALL=1")
@pytest.mark.parametrize("name", CALENDARS)
def test_the_whole_file_has_the_results_of_a_walk_through_it(acme, fresh_database, tmp_path, record_property, name):
    promise(acme, CALENDARS[name])
    began, spent = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    report = imported(LOG, tmp_path / "report.json", workers=2)

    seconds = time.monotonic() - began
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - spent
    record_property(f"import with timers ({name}): seconds, CPU s", f"{seconds:.0f}, {cpu:.0f}")
    print(f"{report['incidents']} in {seconds:.0f} s, {cpu:.0f} s of CPU in the workers")
    assert_results_agree(acme, histories(), name)
