"""A round of what time brings ends in time, begins with another organization each time, and gives way when its task is stopped."""

import math
import time
from types import SimpleNamespace
from uuid import uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone
from structlog.testing import capture_logs

from apps.incidents import overdue
from apps.organizations.rounds import go_round
from apps.sla import sweeping
from apps.sla.escalation import climbing
from apps.tickets.assignment import sweeping as assignment
from apps.tickets.closing import acting, countdowns
from apps.tickets.closing import sweeping as closing


def test_a_round_begins_nobodys_turn_after_its_time_and_each_has_their_chance_to_be_first():
    everybody = [uuid4() for _ in range(4)]
    first = set()

    def takes_all_of_it(organization_id, until):
        first.add(organization_id)
        while time.monotonic() < until:
            pass
        return organization_id

    with capture_logs() as lines:
        rounds = [go_round("x", everybody, takes_all_of_it, limit_seconds=0.001) for _ in range(120)]

    assert {len(done) for done in rounds} == {1}
    assert first == set(everybody)
    # Also the one in whose turn time ran out.
    assert {(line["event"], line["part"], line["organizations"]) for line in lines} == {("round_left", "x", 4)}
    with capture_logs() as lines:
        assert set(go_round("x", everybody, lambda each, until: each, limit_seconds=60)) == set(everybody)
    assert lines == []


def test_one_that_fails_keeps_no_other_from_its_turn_but_the_end_of_the_task_is_everybodys():
    everybody, visited = [uuid4() for _ in range(3)], []

    def visit(error):
        def go(organization_id, until):
            visited.append(organization_id)
            raise error

        return go

    with pytest.raises(ExceptionGroup) as failed:
        go_round("x", everybody, visit(RuntimeError("its rows are damaged")))
    assert (len(failed.value.exceptions), set(visited)) == (3, set(everybody))
    visited.clear()
    with pytest.raises(SoftTimeLimitExceeded):
        go_round("x", everybody, visit(SoftTimeLimitExceeded()))
    assert len(visited) == 1


def stopped(*args, **options):
    raise SoftTimeLimitExceeded


def one(*args):
    return [uuid4()]


def noted(organization_id):
    with assignment._noting([], "ticket"):
        stopped()


NOW = timezone.now()
WALKS = {
    "levels": (lambda each: sweeping.sweep_organization(each, NOW), [(sweeping, "fire_batch", stopped)]),
    "levels one by one": (
        lambda each: sweeping._fire_one_by_one(each, NOW, {}, math.inf),
        [(sweeping, "_claim", one), (sweeping, "_fire_tickets", stopped)],
    ),
    "chains": (
        lambda each: climbing.climb_organization(each, NOW),
        [(climbing, "_claim", one), (climbing, "_climb", stopped)],
    ),
    "alarms": (
        lambda each: overdue.sweep_organization(each, NOW),
        [(overdue, "_claim", one), (overdue, "_ring", stopped)],
    ),
    "assignment": (noted, []),
    "a countdown": (
        lambda each: closing.Walk(each, "closing")._try(uuid4(), NOW, []),
        [(acting, "take", stopped)],
    ),
    "countdowns": (
        lambda each: closing._go_on(closing.Walk(each, "closing"), lambda: NOW, math.inf),
        [(countdowns, "recount_stale", stopped)],
    ),
}


@pytest.mark.parametrize("walk", WALKS)
def test_the_end_of_a_task_is_no_failure_of_the_ticket_or_the_organization_that_it_falls_upon(
    db, acme, walk, monkeypatch
):
    go, replaced = WALKS[walk]
    for module, name, by in replaced:
        monkeypatch.setattr(module, name, by)

    with pytest.raises(SoftTimeLimitExceeded):
        go(acme.id)


@pytest.mark.parametrize(
    ("module", "go"),
    [(sweeping, "sweep_organization"), (climbing, "climb_organization"), (overdue, "sweep_organization")],
)
def test_whoever_has_much_begins_nothing_more_when_the_rounds_time_is_over(db, acme, module, go, monkeypatch):
    monkeypatch.setattr(module, "_claim", stopped)

    done = getattr(module, go)(acme.id, NOW, until=time.monotonic())

    assert done == type(done)()
    with pytest.raises(SoftTimeLimitExceeded):
        getattr(module, go)(acme.id, NOW, until=time.monotonic() + 60)


def test_no_sweep_goes_on_until_its_task_is_ended(fresh_database, acme, globex, monkeypatch):
    everybody = SimpleNamespace(organizations=lambda now: [acme.id, globex.id])
    for module in (sweeping, climbing, overdue):
        monkeypatch.setattr(module, "DUE", everybody)
    for module in (sweeping, climbing, overdue, assignment):
        assert module.LIMIT_SECONDS <= settings.CELERY_TASK_SOFT_TIME_LIMIT - 30
        monkeypatch.setattr(module, "LIMIT_SECONDS", 0.0)
    with capture_logs() as lines:
        assert (sweeping.sweep(NOW), climbing.climb(NOW)) == (sweeping.Swept(), climbing.Climbed())
        assert (overdue.sweep(NOW), assignment.sweep(NOW)) == (0, assignment.Swept())
        assert closing.sweep("closing", lambda: NOW, limit_seconds=0.0) == 0

    assert [(line["event"], line["organizations"]) for line in lines] == [("round_left", 2)] * 4 + [
        ("countdowns_left", 2)
    ]
