"""Whatever is killed while steps of chains fall due, each is taken, and none twice."""

import random
import time
from collections import Counter

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit.models import Event
from apps.core.models import JobTick
from apps.incidents import services
from apps.sla.escalation import chains, policies
from apps.sla.models import EscalationFiring
from itsm_project.celery import app
from tests.conftest import IS_FULL_RUN
from tests.faults.processes import wait_until
from tests.faults.test_sla_sweep import Crew

STEPS, KILLS = (2000, 20) if IS_FULL_RUN else (120, 3)


class Climbers(Crew):
    """The same worker and beat, woken for another job."""

    def wake(self):
        JobTick.objects.filter(finished_at=None).update(lease_until=Now())
        with app.connection_for_write(f"redis://127.0.0.1:{self.processes.broker_port}/0") as broker:
            app.send_task("core.run_job", ("sla.climb", timezone.now().isoformat()), connection=broker)


class Ladder:
    """Chains of one step, which is due at once and tells the assignee."""

    def __init__(self, tenant, requester, agent):
        self.tenant, self.requester, self.agent, self.made = tenant, requester, agent, 0
        step = {"after_minutes": 0, "actions": [{"do": "notify", "to": ["assignee"]}]}
        values = {"name": "Ours", "chain": "hierarchical", "begins": "on_demand", "steps": [step]}
        with tenant.entered():
            self.policy = policies.create(actor=tenant.system, at=timezone.now(), values=values)

    def add(self, count):
        for _ in range(count):
            at = timezone.now()
            values = {"title": "Mail is down", "requester_id": self.requester.pk, "assignee_id": self.agent.pk}
            with self.tenant.entered():
                ticket = services.create(actor=self.tenant.system, at=at, values=values)
                chains.begin(self.policy, ticket, at=at, because="somebody")
        self.made += count

    def taken(self):
        with self.tenant.entered():
            return Counter(EscalationFiring.objects.values_list("run_id", flat=True))

    def told(self):
        with self.tenant.entered():
            return Counter(Event.objects.filter(name="escalation.notified").values_list("subject_id", flat=True))


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_no_step_is_lost_or_taken_twice_while_workers_and_beats_are_killed(
    processes, acme, alice, bob, record_property
):
    ladder = Ladder(acme, bob, alice)
    processes.broker()
    crew = Climbers(processes)
    faults = ([crew.kill_worker, crew.kill_pool_child, crew.kill_beat] * (KILLS // 3 + 1))[:KILLS]
    random.shuffle(faults)
    most = 0
    for position, fault in enumerate(faults):
        wait_until(crew.is_at_work, "worker and beat are at work", 120)
        ladder.add(STEPS * (position + 1) // KILLS - ladder.made)
        crew.wake()
        time.sleep(random.uniform(0, 1.0))
        fault()
        most = max(most, ladder.made - len(ladder.taken()))

    def is_settled():
        wait_until(crew.is_at_work, "worker and beat are at work", 120)
        crew.wake()
        time.sleep(0.5)
        return len(ladder.taken()) >= STEPS

    caught_up = wait_until(is_settled, f"all {STEPS} steps taken", 180)
    taken, told = ladder.taken(), ladder.told()
    doubled = [pk for pk, times in (taken + told).items() if times > 1]
    figures = {
        "steps": STEPS, "kills": KILLS, "lost": STEPS - len(taken), "doubled": len(doubled),
        "most_behind_after_a_kill": most, "caught_up_seconds": round(caught_up, 1),
    }  # fmt: skip
    print(figures)
    record_property("steps while killing", str(figures))
    assert (len(taken), len(told), doubled) == (STEPS, STEPS, [])
