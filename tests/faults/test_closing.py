"""F9 for what time does to tickets: whatever is killed while they fall due, each is warned and closed, and none twice."""

import random
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit.models import Event
from apps.core.models import JobTick
from apps.incidents import services
from apps.tickets import verbs
from apps.tickets.closing import configuring
from apps.tickets.models import Countdown, Ticket
from itsm_project.celery import app
from tests.conftest import IS_FULL_RUN
from tests.faults.processes import is_ready, wait_until

TICKETS, KILLS, WORKERS = (1000, 20, 3) if IS_FULL_RUN else (90, 3, 3)
SOLVED = {"resolution_code": "solution_provided", "resolution_notes": "Restarted."}
JOB = "tickets.auto_close"


def resolve(acme, bob, count):
    """Resolved so long ago that their warning is due; they are closed a day after it, which a test need not wait for."""
    at = timezone.now() - timedelta(days=3, minutes=1)
    for _ in range(count):
        with acme.entered():
            ticket = services.create(actor=acme.system, at=at, values={"title": "Mail is down", "requester_id": bob.pk})
            verbs.do(ticket, "resolve", actor=acme.system, at=at, **SOLVED)


def wake(processes):
    """As beat does once an hour, for three workers at once; and what a dead one had taken is free, as after five minutes."""
    JobTick.objects.filter(finished_at=None).update(lease_until=Now() - timedelta(seconds=1))
    with app.connection_for_write(f"redis://127.0.0.1:{processes.broker_port}/0") as broker:
        for _ in range(WORKERS):
            app.send_task("core.run_job", (JOB, timezone.now().isoformat()), connection=broker)


def told(acme, past):
    with acme.entered():
        return Counter(Event.objects.filter(name=f"incident.{past}").values_list("subject_id", flat=True))


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_no_warning_and_no_closing_is_lost_or_doubled_while_three_workers_are_killed(
    processes, acme, bob, record_property
):
    with acme.entered():
        row = configuring.settings(acme.id, at=timezone.now())
        configuring.change(row, actor=acme.system, at=timezone.now(), values={"close_days": "calendar"})
    processes.broker()
    workers, unfinished = [processes.worker(concurrency=1) for _ in range(WORKERS)], 0

    def is_at_work():
        return all(is_ready(worker) for worker in workers)

    def settle(past):
        wait_until(is_at_work, "the workers are at work", 240)
        wake(processes)
        time.sleep(0.5)
        return len(told(acme, past)) >= TICKETS

    for position in range(KILLS):
        resolve(acme, bob, TICKETS * (position + 1) // KILLS - TICKETS * position // KILLS)
        wait_until(is_at_work, "the workers are at work", 240)
        wake(processes)
        time.sleep(random.uniform(0, 0.6))
        victim = position % WORKERS
        workers[victim].kill()
        with acme.entered():
            unfinished += Countdown.objects.filter(given=0).exists()
        workers[victim] = processes.worker(concurrency=1)
    wait_until(lambda: settle("closing_announced"), f"all {TICKETS} are warned", 400)
    # A day later: nothing but the instant of the warning is moved.
    earlier = timezone.now() - timedelta(days=2, hours=1)
    with acme.entered():
        # As all that writes a countdown: under the lock of its ticket, or a worker that looks at it a last time writes
        # back what it was.
        list(Ticket.objects.select_for_update())
        Countdown.objects.update(
            since=timezone.now() - timedelta(days=6), last_given_at=earlier, due_at=timezone.now(), counted_by=""
        )
    wait_until(lambda: settle("closed"), f"all {TICKETS} are closed", 400)

    warned, closed = told(acme, "closing_announced"), told(acme, "closed")
    doubled = [pk for pk, times in (*warned.items(), *closed.items()) if times > 1]
    figures = {"tickets": TICKETS, "kills": KILLS, "warned": len(warned), "closed": len(closed), "doubled": len(doubled),
               "kills_in_an_unfinished_round": unfinished}  # fmt: skip
    print(figures)
    record_property("closing while killing", str(figures))
    assert (len(warned), len(closed), doubled) == (TICKETS, TICKETS, [])
