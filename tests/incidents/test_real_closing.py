"""A real year's resolutions (UCI 498), closed by the hourly job as they were in life. Skipped where the file is absent."""

import csv
from datetime import timedelta

import pytest

from apps.tickets.closing import configuring, sweeping
from apps.tickets.models import Countdown, Ticket
from tests.conftest import IS_FULL_RUN
from tests.incidents.test_real_history import LOG, histories, imported, instant

pytestmark = pytest.mark.skipif(not LOG.is_file(), reason=f"the real log is not at {LOG}")

SAMPLE = 60
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SLACK = timedelta(minutes=70)


def up_to_the_resolution(rows):
    """Its lines until it is closed; empty where it was not resolved last."""
    words = [row["incident_state"] for row in rows]
    until = next((place for place, word in enumerate(words) if word == "Closed"), len(rows))
    is_last = words[:until] and words[until - 1] == "Resolved" and set(words[until:]) == {"Closed"}
    return rows[:until] if is_last else []


def close_by_the_hour(acme):
    """Every run of the job from the first resolution to the last closing; hours in which nothing is due are passed over."""
    while True:
        with acme.entered():
            first = Countdown.objects.exclude(due_at=None).order_by("due_at").values_list("due_at", flat=True).first()
        if first is None:
            return
        hour = first.replace(minute=0, second=0, microsecond=0)
        sweeping.sweep_organization(acme.id, "closing", hour if hour == first else hour + HOUR)


def assert_closed_within_the_hour(acme, cases, path, report):
    with acme.entered():
        row = configuring.settings(acme.id, at=instant("01/01/2016 00:00"))
        values = {"close_days": "calendar", "close_after": 5, "warn_after": 3}
        configuring.change(row, actor=acme.system, at=instant("01/01/2016 00:00"), values=values)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, next(iter(cases.values()))[0])
        writer.writeheader()
        writer.writerows(row for rows in cases.values() for row in up_to_the_resolution(rows))
    imported(path, report, workers=1)

    close_by_the_hour(acme)

    with acme.entered():
        closed = list(Ticket.objects.filter(status="closed").values_list("number", "resolved_at", "closed_at"))
    ours = [at - resolved_at for _, resolved_at, at in closed]
    life = [instant(cases[number][-1]["closed_at"]) - resolved_at for number, resolved_at, _ in closed]
    within = [sum(5 * DAY <= each < 5 * DAY + SLACK for each in some) for some in (ours, life)]
    print(
        f"closed 5 days to 5 days 70 minutes after the last resolution: {within[0]} of {len(cases)}, in life {within[1]}"
    )
    assert (len(closed), within[0]) == (len(cases), len(cases))
    return within[1]


def test_a_sample_of_real_resolutions_is_closed_within_70_minutes_of_five_days(acme, fresh_database, tmp_path):
    every = {number: rows for number, rows in histories().items() if up_to_the_resolution(rows)}
    numbers = list(every)[:: len(every) // SAMPLE][:SAMPLE]

    in_life = assert_closed_within_the_hour(
        acme, {number: every[number] for number in numbers}, tmp_path / "part.csv", tmp_path / "report.json"
    )

    assert in_life > SAMPLE / 2


@pytest.mark.heavy
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not IS_FULL_RUN, reason="the whole file takes minutes: ITSM_TEST_ALL=1")
def test_every_real_resolution_is_closed_within_70_minutes_of_five_days(
    acme, fresh_database, tmp_path, record_property
):
    every = {number: rows for number, rows in histories().items() if up_to_the_resolution(rows)}

    in_life = assert_closed_within_the_hour(acme, every, tmp_path / "whole.csv", tmp_path / "report.json")

    record_property("closed within 70 minutes of five days: incidents, in life", f"{len(every)}, {in_life}")
