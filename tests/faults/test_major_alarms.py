"""Whatever is killed while alarms of major incidents fall due, each interval rings, and none twice."""

import random
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit.models import Event
from apps.core.models import JobTick
from apps.incidents import major, services
from itsm_project.celery import app
from tests.conftest import IS_FULL_RUN
from tests.faults.processes import wait_until
from tests.faults.test_sla_sweep import Crew
from tests.incidents.conftest import acting

ALARMS, KILLS = (1000, 20) if IS_FULL_RUN else (60, 3)
LONG_AGO = timedelta(minutes=40)


class Watch(Crew):
    """The same worker and beat, woken for another job."""

    def wake(self):
        JobTick.objects.filter(finished_at=None).update(lease_until=Now())
        with app.connection_for_write(f"redis://127.0.0.1:{self.processes.broker_port}/0") as broker:
            app.send_task("core.run_job", ("incidents.overdue_updates", timezone.now().isoformat()), connection=broker)


class Majors:
    """Major incidents whose update was due ten minutes ago; the next interval begins in twenty."""

    def __init__(self, tenant, requester, leader):
        self.tenant, self.requester, self.leader, self.made = tenant, requester, leader, 0

    def add(self, count):
        for _ in range(count):
            at = timezone.now() - LONG_AGO
            with self.tenant.entered():
                values = {"title": "Mail is down", "requester_id": self.requester.pk}
                incident = services.create(actor=self.tenant.system, at=at, values=values)
                major.propose(incident, actor=acting(self.leader), at=at, reason="x")
                major.accept(incident, actor=acting(self.leader), at=at, reason="x")
        self.made += count

    def rung(self, name="incident.update_overdue"):
        with self.tenant.entered():
            return Counter(Event.objects.filter(name=name).values_list("subject_id", flat=True))


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_no_alarm_is_lost_or_raised_twice_while_workers_and_beats_are_killed(
    processes, acme, bob, carol, record_property
):
    majors = Majors(acme, bob, carol)
    processes.broker()
    crew = Watch(processes)
    faults = ([crew.kill_worker, crew.kill_pool_child, crew.kill_beat] * (KILLS // 3 + 1))[:KILLS]
    random.shuffle(faults)
    for position, fault in enumerate(faults):
        wait_until(crew.is_at_work, "worker and beat are at work", 120)
        majors.add(ALARMS * (position + 1) // KILLS - majors.made)
        crew.wake()
        time.sleep(random.uniform(0, 1.0))
        fault()

    def is_settled():
        wait_until(crew.is_at_work, "worker and beat are at work", 120)
        crew.wake()
        time.sleep(0.5)
        return len(majors.rung()) >= ALARMS

    caught_up = wait_until(is_settled, f"all {ALARMS} alarms raised", 180)
    rung, told = majors.rung(), majors.rung("escalation.notified")
    doubled = [pk for pk, times in (rung + told).items() if times > 2 or rung[pk] > 1 or told[pk] > 1]
    figures = {
        "alarms": ALARMS, "kills": KILLS, "lost": ALARMS - len(rung), "doubled": len(doubled),
        "caught_up_seconds": round(caught_up, 1),
    }  # fmt: skip
    print(figures)
    record_property("alarms while killing", str(figures))
    assert (len(rung), len(told), doubled) == (ALARMS, ALARMS, [])
