"""Scheduled jobs: each due time runs once, however many beats and workers there are, and by the database's clock.

A due time that was missed (everything was down) is caught up once: only the latest one is ever due.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol

import structlog
from django.db import connection, transaction

from apps.core import turns
from apps.core.models import JobTick

log = structlog.get_logger(__name__)

# As long as Celery lets a task live; a worker that died frees its due time after this.
LEASE = timedelta(seconds=300)


class Timetable(Protocol):
    def latest(self, now: datetime) -> datetime:
        """The last due time at or before `now` (UTC)."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Each whole multiple of `seconds` since the epoch."""

    seconds: int

    def latest(self, now: datetime) -> datetime:
        return datetime.fromtimestamp(int(now.timestamp()) // self.seconds * self.seconds, UTC)


@dataclass(frozen=True, slots=True)
class DailyAt:
    """Once a day at this UTC time."""

    at: time

    def latest(self, now: datetime) -> datetime:
        today = datetime.combine(now.astimezone(UTC).date(), self.at, UTC)
        return today if today <= now else today - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    name: str
    timetable: Timetable
    body: Callable[[datetime], None]


_jobs: dict[str, ScheduledJob] = {}


def scheduled(name: str, timetable: Timetable) -> Callable[[Callable[[datetime], None]], Callable[[datetime], None]]:
    """Register a job. Its body gets the due time (UTC), must be idempotent and bound its own work to LEASE."""

    def register(body: Callable[[datetime], None]) -> Callable[[datetime], None]:
        _jobs[name] = ScheduledJob(name, timetable, body)
        return body

    return register


def jobs() -> dict[str, ScheduledJob]:
    return dict(_jobs)


def database_now() -> datetime:
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def untaken() -> list[tuple[str, datetime]]:
    """Each job's latest due time that is neither finished nor in somebody's hands."""
    now = database_now()
    due = {name: job.timetable.latest(now) for name, job in _jobs.items()}
    held = {
        (tick.name, tick.due_at)
        for tick in JobTick.objects.filter(name__in=due, due_at__in=due.values())
        if tick.finished_at or tick.lease_until > now
    }
    return [(name, due_at) for name, due_at in due.items() if (name, due_at) not in held]


def run(name: str, due_at: datetime) -> str:
    """Run the job for `due_at` unless it ran or runs. Returns done, taken, failed or unknown; a failure is retried after the lease."""
    job = _jobs.get(name)
    if job is None:
        return "unknown"
    if not take(name, due_at):
        return "taken"
    try:
        job.body(due_at)
    except Exception as error:
        log.exception("job_failed", job=name, due_at=due_at.isoformat())
        JobTick.objects.filter(name=name, due_at=due_at).update(error=f"{type(error).__name__}: {error}"[:2000])
        return "failed"
    JobTick.objects.filter(name=name, due_at=due_at).update(finished_at=database_now(), error="")
    return "done"


def take(name: str, due_at: datetime) -> bool:
    """Take one due time for LEASE.

    One taker wins; nobody does once a later due time was taken, or while an earlier one still runs (one that failed does not).
    """
    with transaction.atomic(), connection.cursor() as cursor:
        turns.take(f"job:{name}")
        cursor.execute(
            """
            INSERT INTO core_jobtick (name, due_at, lease_until, attempts, error)
            SELECT %(name)s, %(due_at)s, clock_timestamp() + %(lease)s::interval, 1, ''
            WHERE NOT EXISTS (
                SELECT 1 FROM core_jobtick
                WHERE name = %(name)s AND (
                    due_at > %(due_at)s
                    OR due_at < %(due_at)s AND finished_at IS NULL AND error = '' AND lease_until > clock_timestamp()
                )
            )
            ON CONFLICT (name, due_at) DO UPDATE
            SET lease_until = EXCLUDED.lease_until, attempts = core_jobtick.attempts + 1, error = ''
            WHERE core_jobtick.finished_at IS NULL AND core_jobtick.lease_until <= clock_timestamp()
            RETURNING attempts
            """,
            {"name": name, "due_at": due_at, "lease": f"{LEASE.total_seconds()} seconds"},
        )
        return cursor.fetchone() is not None
