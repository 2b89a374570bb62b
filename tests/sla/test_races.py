"""Two at once, each with a connection of its own: nothing is fired twice, and nothing is lost."""

import pytest
from django.db import IntegrityError, transaction

from apps.core import tenancy
from apps.sla import sweeping
from apps.sla.models import LevelFiring, Timer
from apps.tickets import verbs
from tests import factories
from tests.core.racing import at_once
from tests.sla.conftest import DAY, HOUR, MINUTE, MONDAY, SECOND, content, levels


def opened(desk, count):
    tickets = []
    with desk.entered():
        for _ in range(count):
            tickets.append(desk.open())
    return tickets


def test_three_sweepers_fire_each_level_once(fresh_database, desk):
    desk.only(content(seconds=3600))
    tickets = opened(desk, 40)

    done = at_once([lambda: desk.sweep(MONDAY + 2 * HOUR)] * 3)

    assert sum(done) == 40
    assert [[event.name for event in desk.told(ticket)] for ticket in tickets] == [["sla.breached"]] * 40
    with desk.entered():
        assert LevelFiring.objects.count() == 40
        assert Timer.objects.filter(next_due_at__isnull=False).count() == 0


def test_a_pause_and_the_sweep_fire_a_level_once_between_them(fresh_database, desk):
    desk.only(content(seconds=3600, levels=levels(50)))
    at = MONDAY + 40 * MINUTE

    for ticket in opened(desk, 5):
        at_once([lambda: desk.sweep(at), lambda ticket=ticket: desk.hold(ticket, at) and 0])

        assert desk.firings(desk.timer(ticket)) == [(50, "fired")]
        assert [event.name for event in desk.told(ticket)] == ["sla.warned"]
        assert (desk.timer(ticket).stage, desk.timer(ticket).next_due_at) == ("paused", None)


def test_a_resumption_and_the_sweep_leave_the_new_deadline(fresh_database, desk):
    """Before the resumption nothing can be due; after it the new deadline has passed. It is told once, whoever came first."""
    desk.only(content(seconds=3600))
    due_at, later = MONDAY + DAY + 50 * MINUTE, MONDAY + DAY + 51 * MINUTE
    tickets = opened(desk, 5)
    for ticket in tickets:
        desk.hold(ticket, MONDAY + 10 * MINUTE)

    for ticket in tickets:
        at_once([lambda: desk.sweep(later), lambda ticket=ticket: desk.do(ticket, "resume", MONDAY + DAY) and 0])
        timer = desk.timer(ticket)
        assert (timer.stage, timer.due_at) == ("running", due_at)
        told = [event.at for event in desk.told(ticket)]
        assert told == ([] if timer.breached_at is None else [due_at])
    desk.sweep(later)

    assert [[(event.name, event.at) for event in desk.told(ticket)] for ticket in tickets] == [
        [("sla.breached", due_at)]
    ] * 5
    assert [desk.stored(ticket).sla_due_at for ticket in tickets] == [due_at] * 5


def test_a_solution_in_time_is_met_although_the_sweep_comes_later(desk):
    desk.only(content(seconds=3600))
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + HOUR)

    assert desk.sweep(MONDAY + HOUR + SECOND) == 0
    assert (desk.timer(ticket).stage, desk.told(ticket)) == ("met", [])


def test_a_solution_and_the_sweep_that_notes_the_miss_agree_on_what_happened(fresh_database, desk):
    """A second after the deadline the sweep has something to tell: who locks the ticket first is right, for both."""
    desk.only(content(seconds=3600))

    for ticket in opened(desk, 5):
        at_once(
            [
                lambda ticket=ticket: desk.resolve(ticket, MONDAY + HOUR) and 0,
                lambda: desk.sweep(MONDAY + HOUR + SECOND),
            ]
        )
        timer = desk.timer(ticket)
        told = [event.name for event in desk.told(ticket)]
        assert (timer.stage, told, desk.firings(timer)) in [
            ("met", [], []),
            ("missed", ["sla.breached"], [(100, "fired")]),
        ]
        assert (timer.breached_at is None, timer.next_due_at) == (timer.stage == "met", None)
        assert desk.sweep(MONDAY + DAY) == 0


def test_a_ticket_in_somebodys_hands_is_passed_by_and_found_again(fresh_database, desk):
    desk.only(content(seconds=3600))
    held, free = opened(desk, 2)

    def sweep_meanwhile():
        return desk.sweep(MONDAY + 2 * HOUR)

    with tenancy.tenant(desk.tenant.id), transaction.atomic():
        verbs.do(held, "start", actor=desk.system, at=MONDAY)
        [meanwhile] = at_once([sweep_meanwhile])

    assert meanwhile == 1
    assert ([len(desk.told(each)) for each in (held, free)], desk.sweep(MONDAY + 2 * HOUR)) == ([0, 1], 1)


def test_a_sweep_that_dies_has_fired_nothing_and_the_next_fires_all(fresh_database, desk):
    desk.only(content(seconds=3600))
    [ticket] = opened(desk, 1)

    with tenancy.tenant(desk.tenant.id), transaction.atomic():
        assert sweeping.fire_batch(desk.tenant.id, MONDAY + 2 * HOUR, limit=10).levels == 1
        transaction.set_rollback(True)

    assert desk.told(ticket) == []
    assert desk.sweep(MONDAY + 2 * HOUR) == 1


def test_the_database_itself_takes_a_level_of_a_cycle_once(desk):
    with desk.entered():
        firing = factories.LevelFiringFactory()
        with pytest.raises(IntegrityError, match="sla_firing_once"), transaction.atomic():
            factories.LevelFiringFactory(timer=firing.timer, level=firing.level)


def test_the_database_itself_keeps_one_live_timer_of_a_kind_and_none_due_while_paused(desk):
    with desk.entered():
        timer = factories.TimerFactory()
        with pytest.raises(IntegrityError, match="sla_timer_one_live"), transaction.atomic():
            factories.TimerFactory(ticket=timer.ticket)
        with pytest.raises(IntegrityError, match="sla_timer_due_while_running"), transaction.atomic():
            factories.TimerFactory(stage="paused", due_at=None, original_due_at=MONDAY, next_due_at=MONDAY)
