"""F5: each due time of each job runs once, however many beats and workers there are and whatever their clocks say."""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from apps.core import schedule
from apps.core.models import JobTick
from apps.core.schedule import DailyAt, Every, database_now, scheduled
from tests.conftest import IS_FULL_RUN
from tests.core.racing import at_once
from tests.faults.processes import Child, is_ready, wait_until
from tests.sink.models import Pulse
from tests.sink.tasks import PULSE, PULSE_SECONDS

JOB = "test.job"
DUE = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
WAKE_UPS = "from itsm_project.celery import app; [app.send_task('core.tick') for _ in range(400)]"
SHIFTING_LIBRARY = next(
    (
        path
        for path in (
            os.environ.get("FAKETIME_LIBRARY", ""),
            *map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
        )
        if path
    ),
    "",
)


@pytest.fixture
def ran() -> Iterator[list[datetime]]:
    """The due times that `test.job` ran for; a job of this test alone."""
    before, due_times = dict(schedule._jobs), []
    scheduled(JOB, DailyAt(clock_time(2, 0)))(due_times.append)
    yield due_times
    schedule._jobs.clear()
    schedule._jobs.update(before)


def end_lease(**which: object) -> None:
    assert JobTick.objects.filter(**which).update(lease_until=Now() - timedelta(seconds=1)) == 1


# --- real beats and workers


def start_beats(processes, number: int, **environment: str) -> None:
    processes.environment.update(environment)
    for _ in range(number):
        processes.beat()


def received(workers: list[Child], task: str) -> int:
    return sum(len(re.findall(rf"Task {re.escape(task)}\[\S+ received", worker.said())) for worker in workers)


def pulses() -> Counter[datetime]:
    return Counter(Pulse.objects.values_list("due_at", flat=True))


def test_two_and_three_beats_with_two_workers_run_each_due_time_once(processes):
    rounds = 20 if IS_FULL_RUN else 1
    processes.broker()
    # Wake-ups that piled up while there was no worker.
    piled_up = processes.python("wake-ups", "-c", WAKE_UPS, role="worker")
    assert piled_up.ended() == 0
    workers = [processes.worker(), processes.worker()]
    start_beats(processes, 2)
    for worker in workers:
        wait_until(lambda worker=worker: is_ready(worker), "the worker is ready", 60)

    wait_until(lambda: len(pulses()) >= rounds, "some due times ran with two beats", 200)
    start_beats(processes, 1)
    wait_until(lambda: len(pulses()) >= 2 * rounds, "some due times ran with three beats", 200)

    assert set(pulses().values()) == {1}
    assert received(workers, "core.tick") >= 400
    assert len(pulses()) <= received(workers, "core.run_job") < 100
    ticks = JobTick.objects.filter(name=PULSE)
    seen = set(pulses())
    finished = ticks.filter(due_at__in=seen).exclude(finished_at=None)
    wait_until(lambda: finished.count() == len(seen), "all of them are marked as finished", 10)
    assert set(ticks.values_list("attempts", "error")) == {(1, "")}
    late = Pulse.objects.annotate(late=F("ran_at") - F("due_at")).values_list("late", flat=True)
    assert all(timedelta(0) <= by < timedelta(seconds=PULSE_SECONDS + 15) for by in late)


@pytest.mark.skipif(not SHIFTING_LIBRARY, reason="needs libfaketime (FAKETIME_LIBRARY or /usr/lib)")
@pytest.mark.parametrize("shift", ["+1h", "-1h"])
def test_the_clock_of_beat_does_not_matter(processes, shift):
    processes.broker()
    worker = processes.worker()
    wait_until(lambda: is_ready(worker), "the worker is ready", 60)
    start_beats(processes, 1, LD_PRELOAD=SHIFTING_LIBRARY, FAKETIME=shift)

    wait_until(lambda: len(pulses()) >= 2, "two due times ran", 60)

    assert set(pulses().values()) == {1}
    assert all(abs(due_at - database_now()) < timedelta(seconds=60) for due_at in pulses())


def test_no_wake_up_expires_by_a_clock(settings):
    assert {name: entry.get("options", {}) for name, entry in settings.CELERY_BEAT_SCHEDULE.items()} == {"tick": {}}


# --- one winner


def test_of_sixteen_takers_one_wins(fresh_database):
    answers = at_once([lambda: schedule.take(JOB, DUE)] * 16)

    assert sorted(answers) == [False] * 15 + [True]
    assert list(JobTick.objects.values_list("name", "due_at", "attempts")) == [(JOB, DUE, 1)]


def test_of_sixteen_runs_one_runs(fresh_database, ran):
    answers = at_once([lambda: schedule.run(JOB, DUE)] * 16)

    assert sorted(answers) == ["done"] + ["taken"] * 15
    assert ran == [DUE]


def test_of_sixteen_takers_of_a_crashed_ones_due_time_one_wins(fresh_database):
    schedule.take(JOB, DUE)
    end_lease(name=JOB)

    answers = at_once([lambda: schedule.take(JOB, DUE)] * 16)

    assert sorted(answers) == [False] * 15 + [True]
    assert JobTick.objects.get().attempts == 2


# --- crashed, failed, missed and overtaken


def test_a_crashed_takers_due_time_is_free_after_its_lease_and_not_before(db, ran):
    assert schedule.take(JOB, DUE) is True
    assert schedule.run(JOB, DUE) == "taken"

    end_lease(name=JOB)

    assert schedule.run(JOB, DUE) == "done"
    assert ran == [DUE]
    assert schedule.run(JOB, DUE) == "taken"


def test_the_lease_is_as_long_as_celery_lets_a_task_live():
    assert schedule.LEASE.total_seconds() >= settings.CELERY_TASK_TIME_LIMIT


def test_a_later_due_time_waits_while_an_earlier_one_runs_and_not_longer(db):
    later = DUE + timedelta(days=1)
    schedule.take(JOB, DUE)

    assert schedule.take(JOB, later) is False
    end_lease(name=JOB)
    assert schedule.take(JOB, later) is True


def test_once_a_later_due_time_is_taken_an_older_one_is_refused(db):
    earlier = DUE - timedelta(days=1)
    schedule.take(JOB, DUE)
    JobTick.objects.update(finished_at=Now())

    assert schedule.take(JOB, earlier) is False
    assert JobTick.objects.count() == 1


def test_a_failed_run_is_told_is_tried_again_after_the_lease_and_holds_up_no_later_one(db, ran):
    failures = [RuntimeError("no disk")]

    @scheduled(JOB, DailyAt(clock_time(2, 0)))
    def fail_once(due_at: datetime) -> None:
        if failures:
            raise failures.pop()
        ran.append(due_at)

    assert schedule.run(JOB, DUE) == "failed"
    tick = JobTick.objects.get()
    assert (tick.error, tick.finished_at, tick.attempts) == ("RuntimeError: no disk", None, 1)
    assert schedule.run(JOB, DUE) == "taken"
    end_lease(name=JOB)
    assert schedule.run(JOB, DUE) == "done"
    tick.refresh_from_db()
    assert (tick.error, tick.attempts, tick.finished_at is not None) == ("", 2, True)

    failures.append(RuntimeError("again"))
    following = [DUE + timedelta(days=days) for days in (1, 2)]
    assert [schedule.run(JOB, due_at) for due_at in following] == ["failed", "done"]
    assert ran == [DUE, following[1]]


def test_a_missed_daily_run_is_caught_up_once_and_only_the_latest(db, ran):
    JobTick.objects.create(
        name=JOB,
        due_at=DailyAt(clock_time(2, 0)).latest(database_now()) - timedelta(days=3),
        lease_until=Now(),
        finished_at=Now(),
    )

    due = dict(schedule.untaken())
    assert due[JOB] == DailyAt(clock_time(2, 0)).latest(database_now())
    assert schedule.run(JOB, due[JOB]) == "done"

    assert JOB not in dict(schedule.untaken())
    assert schedule.run(JOB, due[JOB]) == "taken"
    assert ran == [due[JOB]]


def test_what_is_in_somebodys_hands_is_not_listed_and_is_again_after_its_lease(db, ran):
    due_at = dict(schedule.untaken())[JOB]
    schedule.take(JOB, due_at)
    assert JOB not in dict(schedule.untaken())

    end_lease(name=JOB)

    assert dict(schedule.untaken())[JOB] == due_at


def test_an_unknown_job_runs_nothing_and_takes_nothing(db):
    assert schedule.run("removed.job", DUE) == "unknown"
    assert JobTick.objects.count() == 0


def test_due_times_follow_the_databases_clock(db, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)

    due_at = dict(schedule.untaken())[PULSE]

    with connection.cursor() as cursor:
        cursor.execute("SELECT %s <= clock_timestamp() AND %s > clock_timestamp() - interval '10 s'", [due_at, due_at])
        assert cursor.fetchone() == (True,)


@pytest.mark.parametrize(
    ("timetable", "now", "latest"),
    [
        (Every(60), datetime(2026, 3, 4, 5, 6, 59, 999999, tzinfo=UTC), datetime(2026, 3, 4, 5, 6, tzinfo=UTC)),
        (Every(60), datetime(2026, 3, 4, 5, 6, tzinfo=UTC), datetime(2026, 3, 4, 5, 6, tzinfo=UTC)),
        (Every(7), datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 14, tzinfo=UTC)),
        (DailyAt(clock_time(2, 0)), datetime(2026, 3, 4, 1, 59, tzinfo=UTC), datetime(2026, 3, 3, 2, 0, tzinfo=UTC)),
        (DailyAt(clock_time(2, 0)), datetime(2026, 3, 4, 2, 0, tzinfo=UTC), datetime(2026, 3, 4, 2, 0, tzinfo=UTC)),
        (DailyAt(clock_time(2, 0)), datetime(2024, 3, 1, 0, 0, tzinfo=UTC), datetime(2024, 2, 29, 2, 0, tzinfo=UTC)),
    ],
)
def test_the_latest_due_time_is_the_last_one_that_has_come(timetable, now, latest):
    assert timetable.latest(now) == latest
