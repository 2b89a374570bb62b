"""F9: whatever is killed while levels fall due, each fires, and none fires twice."""

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
from apps.sla import policies
from apps.sla.models import LevelFiring, Timer
from itsm_project.celery import app
from tests.conftest import IS_FULL_RUN, superuser
from tests.faults.processes import is_ready, wait_until
from tests.sla.many import multiply

LEVELS, KILLS = (2000, 20) if IS_FULL_RUN else (300, 3)
METRICS = ("resolution", "first_response")
HOUR, IN_A_MOMENT = timedelta(hours=1), timedelta(seconds=5)


class Crew:
    """One worker and one beat, either of which may die at any moment and is started again."""

    def __init__(self, processes):
        self.processes = processes
        self.worker, self.beat = processes.worker(), processes.beat()

    def is_at_work(self):
        return is_ready(self.worker) and self.beat.is_running

    def kill_worker(self):
        self.worker.kill()
        self.worker = self.processes.worker()

    def kill_pool_child(self):
        wait_until(self.worker.kill_fork, "a pool child to kill", 10)

    def kill_beat(self):
        self.beat.kill()
        self.beat = self.processes.beat()

    def wake(self):
        """As beat does twice a minute; and what a dead worker had taken is free, as after five minutes."""
        JobTick.objects.filter(finished_at=None).update(lease_until=Now() - timedelta(seconds=1))
        with app.connection_for_write(f"redis://127.0.0.1:{self.processes.broker_port}/0") as broker:
            app.send_task("core.run_job", ("sla.sweep", timezone.now().isoformat()), connection=broker)


class Due:
    """Timers of which one level is due and has not been told: of every other one the warning, of the rest the breach."""

    def __init__(self, tenant, requester):
        self.tenant, self.made, self.series = tenant, 0, 0
        at = timezone.now()
        content = {
            "targets": [
                {"metric": "resolution", "seconds": 10 * 3600},
                {"metric": "first_response", "seconds": 5 * 3600},
            ],
            "levels": [{"metric": "resolution", "percent": 50}],
        }
        with tenant.entered():
            policy = policies.create(actor=tenant.system, at=at, values={"name": "Ours"})
            draft = policies.draft(policy, actor=tenant.system, at=at, content=content)
            policies.publish(draft, actor=tenant.system, at=at)
            values = {"title": "Mail is down", "requester_id": requester.pk}
            # In some seconds it is due; but what copies are made of is never found itself.
            ticket = services.create(actor=tenant.system, at=at - 5 * HOUR + IN_A_MOMENT, values=values)
            self.like = [Timer.objects.get(ticket_id=ticket.pk, metric=metric) for metric in METRICS]
            Timer.objects.filter(ticket_id=ticket.pk).update(next_due_at=None)
        # A deadline is missed a second after it.
        self.since = at + IN_A_MOMENT + timedelta(seconds=1)

    def add(self, count):
        wait_until(lambda: timezone.now() > self.since, "their level has come", 10)
        with superuser() as admin:
            for like, share in zip(self.like, (count // 2, count - count // 2), strict=True):
                self.series += 1
                multiply(admin, like, share, series=self.series, due_at=timezone.now())
        self.made += count

    def fired(self):
        with self.tenant.entered():
            return Counter(LevelFiring.objects.values_list("timer_id", flat=True))

    def told(self):
        """Of each timer how often, and of each kind how many."""
        with self.tenant.entered():
            facts = list(Event.objects.filter(name__in=("sla.warned", "sla.breached")).only("name", "data"))
        return Counter(fact.data["timer"] for fact in facts), Counter(fact.name for fact in facts)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_no_level_is_lost_or_doubled_while_workers_and_beats_are_killed(processes, acme, bob, record_property):
    due = Due(acme, bob)
    processes.broker()
    crew = Crew(processes)
    faults = ([crew.kill_worker, crew.kill_pool_child, crew.kill_beat] * (KILLS // 3 + 1))[:KILLS]
    random.shuffle(faults)
    started, most, unfinished = time.monotonic(), 0, 0

    for position, fault in enumerate(faults):
        wait_until(crew.is_at_work, "worker and beat are at work", 120)
        due.add(LEVELS * (position + 1) // KILLS - due.made)
        crew.wake()
        # So soon that the round is often under way.
        time.sleep(random.uniform(0, 0.6))
        fault()
        behind = due.made - len(due.fired())
        most, unfinished = max(most, behind), unfinished + (behind > 0)

    def is_settled():
        wait_until(crew.is_at_work, "worker and beat are at work", 120)
        crew.wake()
        time.sleep(0.5)
        return len(due.fired()) >= LEVELS

    caught_up = wait_until(is_settled, f"all {LEVELS} levels fired", 180)
    fired, (told, kinds) = due.fired(), due.told()
    lost = LEVELS - len(fired)
    doubled = [pk for pk, times in (fired + told).items() if times > 1]
    figures = {
        "levels": LEVELS, "kills": KILLS, "lost": lost, "doubled": len(doubled), "most_behind_after_a_kill": most,
        "kills_in_an_unfinished_round": unfinished, "told": dict(kinds),
        "caught_up_seconds": round(caught_up, 1), "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    print(figures)
    record_property("levels while killing", str(figures))
    assert (due.made, len(fired), doubled) == (LEVELS, LEVELS, [])
    assert sum(told.values()) == LEVELS
    assert kinds == {"sla.warned": LEVELS // 2, "sla.breached": LEVELS // 2}
    # Otherwise nothing was proved.
    assert unfinished > 0
