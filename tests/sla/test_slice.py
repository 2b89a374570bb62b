"""From an incident to a result, once through everything."""

from apps.organizations.services import create_default_calendars
from apps.sla.defaults import create_default_policies
from tests.sla.conftest import DAY, HOUR, MINUTE, MONDAY, content, levels


def test_a_timer_runs_from_the_opening_warns_breaches_and_is_missed(desk):
    desk.only(content(seconds=3600, levels=levels(75, 100)))

    ticket = desk.open()
    timer = desk.timer(ticket)

    assert (timer.stage, timer.started_at, timer.due_at) == ("running", MONDAY, MONDAY + HOUR)
    assert ticket.sla_due_at == desk.stored(ticket).sla_due_at == MONDAY + HOUR
    assert timer.next_due_at == MONDAY + 45 * MINUTE

    assert desk.sweep(MONDAY + 44 * MINUTE) == 0
    assert desk.sweep(MONDAY + 45 * MINUTE) == 1
    assert desk.sweep(MONDAY + 60 * MINUTE) == 0
    assert desk.sweep(MONDAY + 61 * MINUTE) == 1
    assert desk.sweep(MONDAY + 62 * MINUTE) == 0
    assert [event.name for event in desk.told(ticket)] == ["sla.warned", "sla.breached"]

    desk.resolve(ticket, MONDAY + 2 * HOUR)
    timer = desk.timer(ticket)
    assert (timer.stage, timer.breached_at, timer.breach_seconds) == ("missed", MONDAY + HOUR, 3600)
    assert (timer.elapsed_seconds, timer.wall_seconds, timer.next_due_at) == (7200, 7200, None)
    assert desk.stored(ticket).sla_due_at is None


def test_a_new_organization_promises_the_usual(desk):
    with desk.entered():
        create_default_calendars(desk.tenant.organization, at=MONDAY)
        create_default_policies(desk.tenant.id, at=MONDAY)
    ticket = desk.open(impact=1, urgency=1)

    assert [(timer.metric, timer.target_seconds, timer.due_at) for timer in desk.timers(ticket)] == [
        ("first_response", 900, MONDAY + 15 * MINUTE),
        ("resolution", 14_400, MONDAY + 4 * HOUR),
    ]


def test_a_hold_for_the_requester_is_not_counted(desk):
    desk.only(content(seconds=3600))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + 30 * MINUTE)

    paused = desk.timer(ticket)
    assert (paused.stage, paused.due_at, paused.elapsed_seconds) == ("paused", None, 1800)
    assert desk.stored(ticket).sla_due_at is None
    assert desk.sweep(MONDAY + DAY) == 0

    desk.do(ticket, "resume", MONDAY + DAY)
    assert desk.timer(ticket).due_at == MONDAY + DAY + 30 * MINUTE
    desk.resolve(ticket, MONDAY + DAY + 30 * MINUTE)
    timer = desk.timer(ticket)
    assert (timer.stage, timer.elapsed_seconds, timer.paused_seconds) == ("met", 3600, 84_600)
    assert [(segment.kind, segment.wall_seconds, segment.because) for segment in desk.segments(timer)] == [
        ("running", 1800, "created"),
        ("paused", 84_600, "put_on_hold"),
        ("running", 1800, "resumed"),
    ]
