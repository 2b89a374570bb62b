"""What other desks' software got wrong, each bug by its number there."""

import re
from datetime import UTC, datetime

import pytest

from apps.audit.models import Dispatch, Event
from apps.core.errors import Invalid
from apps.organizations.models import Organization
from apps.sla import checking, contents, explaining, policies, timers
from apps.sla.models import Level, LevelFiring, Timer
from apps.tickets import work
from apps.tickets.choices import Source
from tests.sla.conftest import DAY, HOUR, MINUTE, MONDAY, content, levels

# MONDAY is ten o'clock in Berlin.
FRIDAY = MONDAY + 4 * DAY
P1_AND_REST = [
    {"metric": "resolution", "applies": [{"priority": [1]}], "seconds": 4 * 3600},
    {"metric": "resolution", "seconds": 24 * 3600},
]
URGENT = {"impact": 1, "urgency": 1}
TWO = [{"metric": "first_response", "seconds": 3600}, {"metric": "resolution", "seconds": 36_000}]
INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


def by_priority(**more):
    return {"targets": P1_AND_REST, **more}


def berlin(year, month, day, hour, minute=0):
    """An instant of winter time."""
    return datetime(year, month, day, hour - 1, minute, tzinfo=UTC)


def test_glpi_6902_and_15605_a_raised_priority_keeps_earlier_pauses(desk):
    desk.only(by_priority())
    ticket = desk.open()
    desk.hold(ticket, MONDAY + HOUR)
    desk.do(ticket, "resume", MONDAY + 3 * HOUR)
    desk.change(ticket, MONDAY + 4 * HOUR, **URGENT)

    old, new = desk.timers(ticket)
    assert (old.stage, old.end_reason, old.elapsed_seconds) == ("cancelled", "replaced", 7200)
    assert (new.stage, new.started_at, new.elapsed_seconds, new.paused_seconds) == ("running", MONDAY, 7200, 7200)
    assert (new.due_at, new.replaces_id) == (MONDAY + 6 * HOUR, old.pk)
    assert [segment.kind for segment in desk.segments(new)] == ["running", "paused", "running"]


def test_glpi_10594_a_pause_over_a_weekend_adds_nothing(desk):
    desk.only(content(seconds=8 * 3600, calendar=desk.office()))
    ticket = desk.open(berlin(2026, 3, 6, 15))
    before = desk.timer(ticket).due_at
    desk.hold(ticket, berlin(2026, 3, 6, 17))
    desk.do(ticket, "resume", berlin(2026, 3, 9, 9))

    timer = desk.timer(ticket)
    assert before == timer.due_at == berlin(2026, 3, 9, 15)
    assert timer.paused_seconds == 0


def test_erpnext_49414_a_hold_from_closing_to_opening_pushes_nothing(desk):
    desk.only(content(seconds=8 * 3600, calendar=desk.office()))
    ticket = desk.open(berlin(2026, 3, 2, 15))
    desk.hold(ticket, berlin(2026, 3, 2, 17))
    desk.do(ticket, "resume", berlin(2026, 3, 3, 9))

    assert desk.timer(ticket).due_at == berlin(2026, 3, 3, 15)


def test_glpi_9082_after_a_pause_the_deadline_is_open_time_or_closing_time(desk):
    desk.only(content(seconds=6 * 3600, calendar=desk.office()))
    ticket = desk.open(berlin(2026, 3, 2, 15))
    desk.hold(ticket, berlin(2026, 3, 2, 16))
    desk.do(ticket, "resume", berlin(2026, 3, 3, 12))
    at_closing = desk.timer(ticket).due_at
    desk.hold(ticket, berlin(2026, 3, 3, 13))
    desk.do(ticket, "resume", berlin(2026, 3, 3, 23))

    assert at_closing == berlin(2026, 3, 3, 17)
    assert desk.timer(ticket).due_at == berlin(2026, 3, 4, 13)


def test_glpi_23359_and_zammad_188_time_resolved_is_neither_counted_nor_pending(desk):
    desk.only(content(seconds=4 * 3600))
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + HOUR)
    desk.do(ticket, "reopen", MONDAY + 10 * HOUR, reason="Again")

    timer = desk.timer(ticket)
    assert (timer.stage, timer.cycle, timer.elapsed_seconds, timer.paused_seconds) == ("running", 1, 3600, 0)
    assert timer.due_at == MONDAY + 13 * HOUR
    desk.resolve(ticket, MONDAY + 12 * HOUR)
    timer = desk.timer(ticket)
    assert (timer.stage, timer.elapsed_seconds) == ("met", 3 * 3600)
    assert [(each.kind, each.wall_seconds) for each in desk.segments(timer)] == [
        ("running", 3600),
        ("stopped", 9 * 3600),
        ("running", 7200),
    ]


def test_zammad_188_a_policy_may_begin_a_new_cycle_and_keep_the_old_result(desk):
    desk.only(content(seconds=3600, rules={"resolution": {"reopen": "restart"}}))
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + 2 * HOUR)
    desk.do(ticket, "reopen", MONDAY + 10 * HOUR, reason="Again")
    desk.resolve(ticket, MONDAY + 10 * HOUR + MINUTE)

    first, second = desk.timers(ticket)
    assert [(each.cycle, each.stage, each.elapsed_seconds) for each in (first, second)] == [
        (1, "missed", 7200),
        (2, "met", 60),
    ]
    assert (first.breached_at, second.started_at) == (MONDAY + HOUR, MONDAY + 10 * HOUR)


def test_a_policy_may_leave_a_reopened_ticket_alone(desk):
    desk.only(content(seconds=3600, rules={"resolution": {"reopen": "none"}}))
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + MINUTE)
    desk.do(ticket, "reopen", MONDAY + HOUR, reason="Again")

    assert [(each.stage, each.elapsed_seconds) for each in desk.timers(ticket)] == [("met", 60)]


def test_glpi_24481_nothing_fires_while_paused(desk):
    desk.only(content(seconds=3600, levels=levels(50, 75)))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + 10 * MINUTE)

    assert desk.sweep(MONDAY + DAY) == 0
    assert (desk.timer(ticket).next_due_at, desk.told(ticket)) == (None, [])


def test_glpi_17186_a_pause_moves_no_deadline_set_by_hand_unless_it_floats(desk):
    desk.only(content(seconds=3600))
    fixed, floating = desk.open(), desk.open()
    for ticket, is_floating in ((fixed, False), (floating, True)):
        with desk.entered():
            timers.set_deadline(
                desk.timer(ticket),
                actor=desk.system,
                at=MONDAY,
                due_at=MONDAY + 5 * HOUR,
                reason="Agreed by phone",
                is_floating=is_floating,
            )
        desk.hold(ticket, MONDAY + HOUR)
        desk.do(ticket, "resume", MONDAY + 3 * HOUR)

    assert desk.timer(fixed).due_at == desk.stored(fixed).sla_due_at == MONDAY + 5 * HOUR
    assert desk.timer(floating).due_at == MONDAY + 7 * HOUR
    assert desk.timer(fixed).original_due_at == MONDAY + HOUR
    assert (desk.timer(fixed).set_because, desk.told(fixed)[0].name) == ("Agreed by phone", "sla.deadline_set")
    assert desk.sweep(MONDAY + 5 * HOUR) == 0
    assert desk.sweep(MONDAY + 5 * HOUR + MINUTE) == 1


def test_glpi_15948_the_percentage_stands_still_while_paused(desk):
    desk.only(content(seconds=3600))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + 30 * MINUTE)

    timer = desk.timer(ticket)
    with desk.entered():
        assert {explaining.measure(timer, MONDAY + hours * HOUR).percent for hours in (1, 5, 500)} == {50}


def test_glpi_15429_a_level_before_the_deadline_walks_the_calendar_backwards(desk):
    level = [{"metric": "resolution", "offset_seconds": -2 * 3600}]
    desk.only(content(seconds=8 * 3600, calendar=desk.office(), levels=level))
    ticket = desk.open(berlin(2026, 3, 2, 10))

    timer = desk.timer(ticket)
    assert (timer.due_at, timer.next_due_at) == (berlin(2026, 3, 3, 10), berlin(2026, 3, 2, 16))


def test_glpi_5319_every_level_has_its_instant_from_the_start_and_each_fires(desk):
    percents = (25, 50, 75, 100, 125)
    desk.only(content(seconds=4000, levels=levels(*percents)))
    ticket = desk.open()
    assert len(desk.timer(ticket).pending) == 5

    fired = [desk.sweep(MONDAY + seconds * MINUTE / 60) for seconds in (1000, 2000, 3000, 4001, 5000)]

    assert fired == [1, 1, 1, 1, 1]
    assert desk.firings(desk.timer(ticket)) == [(percent, "fired") for percent in percents]


def test_glpi_1996_a_level_fires_once_however_often_the_sweep_runs(desk):
    desk.only(content(seconds=3600, levels=levels(50)))
    ticket = desk.open()

    assert [desk.sweep(MONDAY + minutes * MINUTE) for minutes in (30, 30, 31, 45)] == [1, 0, 0, 0]
    assert len(desk.told(ticket)) == 1


def test_glpi_2184_a_level_belongs_to_the_timer_of_its_own_metric(desk):
    targets = [{"metric": "first_response", "seconds": 3600}, {"metric": "resolution", "seconds": 36_000}]
    desk.only({"targets": targets, "levels": levels(50, metric="first_response")})
    ticket = desk.open()
    desk.sweep(MONDAY + 30 * MINUTE)

    assert [(event.name, event.data["metric"]) for event in desk.told(ticket)] == [("sla.warned", "first_response")]
    assert desk.firings(desk.timer(ticket)) == []


def test_glpi_2765_a_level_of_the_response_is_due_by_the_response(desk):
    """As it is saved: its instant is a share of the response's target, not of the solution's."""
    desk.only({"targets": TWO, "levels": levels(50, metric="first_response") + levels(90)})
    ticket = desk.open()

    assert (desk.timer(ticket, "first_response").next_due_at, desk.timer(ticket).next_due_at) == (
        MONDAY + 30 * MINUTE,
        MONDAY + 9 * HOUR,
    )


def test_glpi_2828_a_level_keeps_its_metric_however_often_the_version_is_saved(desk):
    policy = desk.only({"targets": TWO, "levels": levels(50, metric="first_response")})
    with desk.entered():
        version = policy.versions.get()
        for _ in range(2):
            version = policies.draft(policy, actor=desk.system, at=MONDAY, content=contents.content_of(version))
        policies.publish(version, actor=desk.system, at=MONDAY)
        said = contents.content_of(version)["levels"]

    assert [(level["metric"], level["percent"]) for level in said] == [
        ("first_response", 50), ("first_response", 100), ("resolution", 100)
    ]  # fmt: skip
    ticket = desk.open()
    desk.sweep(MONDAY + 30 * MINUTE)
    assert [(event.name, event.data["metric"]) for event in desk.told(ticket)] == [("sla.warned", "first_response")]


def test_glpi_6898_whoever_is_to_be_told_of_the_response_is_told_as_of_the_solution(desk):
    tell = [{"do": "notify", "to": ["assignee"]}]
    both = [{"metric": metric, "percent": 50, "actions": tell} for metric in ("first_response", "resolution")]
    desk.only({"targets": TWO, "levels": both})
    ticket = desk.open()
    for at in (MONDAY + 30 * MINUTE, MONDAY + 5 * HOUR):
        desk.sweep(at)

    warned = desk.told(ticket, "sla.warned")
    assert [(event.data["metric"], event.at) for event in warned] == [
        ("first_response", MONDAY + 30 * MINUTE), ("resolution", MONDAY + 5 * HOUR)
    ]  # fmt: skip
    with desk.entered():
        said = [Level.objects.get(pk=event.data["level"]).actions for event in warned]
    assert said == [tell, tell]


def test_zammad_904_a_merge_cancels_the_timers_of_the_absorbed_ticket_and_no_other(desk):
    desk.only(content(seconds=3600))
    absorbed, survivor = desk.open(), desk.open(MONDAY + MINUTE)
    desk.do(absorbed, "merge", MONDAY + 10 * MINUTE, into_id=survivor.pk)

    timer = desk.timer(absorbed)
    assert (timer.stage, timer.end_reason, timer.elapsed_seconds) == ("cancelled", "merged", 600)
    assert desk.timer(survivor).stage == "running"
    assert desk.sweep(MONDAY + DAY) == 1
    assert desk.told(absorbed) == []


def test_a_ticket_that_was_merged_by_mistake_goes_on_where_it_was(desk):
    desk.only(content(seconds=3600))
    absorbed, survivor = desk.open(), desk.open()
    desk.do(absorbed, "merge", MONDAY + 10 * MINUTE, into_id=survivor.pk)
    desk.do(absorbed, "unmerge", MONDAY + 70 * MINUTE)

    timer = desk.timer(absorbed)
    assert (timer.stage, timer.started_at, timer.elapsed_seconds) == ("running", MONDAY, 600)
    assert timer.due_at == MONDAY + 2 * HOUR


def test_zammad_1322_and_3642_a_response_is_what_the_requester_reads_of_an_agent(desk, carol):
    desk.only(content("first_response", seconds=3600))
    ticket = desk.open()
    desk.say(ticket, desk.agent, MONDAY + MINUTE, visibility="internal")
    desk.say(ticket, desk.requester, MONDAY + 2 * MINUTE)
    desk.say(ticket, None, MONDAY + 3 * MINUTE, actor=desk.system)
    assert desk.timer(ticket, "first_response").stage == "running"

    desk.say(ticket, carol, MONDAY + 4 * MINUTE)
    timer = desk.timer(ticket, "first_response")
    assert (timer.stage, timer.elapsed_seconds) == ("met", 240)


@pytest.mark.parametrize("source", Source.values)
def test_zammad_1322_and_3642_a_phone_call_is_answered_by_writing_down_what_was_said(desk, source):
    """Whatever way it came: minutes and a note are for the desk, what the requester reads is the response."""
    desk.only(content("first_response", seconds=3600))
    ticket = desk.open(source=source)
    with desk.entered():
        work.log_work(ticket, actor=desk.acting(desk.agent), at=MONDAY + 5 * MINUTE, minutes=5, note="Called them.")
    assert desk.timer(ticket, "first_response").stage == "running"

    desk.say(ticket, desk.agent, MONDAY + 6 * MINUTE)

    timer = desk.timer(ticket, "first_response")
    assert (timer.stage, timer.elapsed_seconds) == ("met", 360)


def test_zammad_2082_the_deadline_is_there_in_the_same_transaction(desk):
    desk.only(by_priority())
    with desk.entered():
        ticket = desk.open()
        assert ticket.sla_due_at == MONDAY + 24 * HOUR
        changed = desk.change(ticket, MONDAY, **URGENT)
        assert changed.sla_due_at == MONDAY + 4 * HOUR


def test_zammad_2579_and_itop_a_stop_in_time_writes_what_it_took_and_keeps_the_deadline(desk):
    desk.only(content(seconds=3600))
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + 10 * MINUTE)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.elapsed_seconds, timer.ended_at) == ("met", 600, MONDAY + 10 * MINUTE)
    assert (timer.due_at, timer.breached_at) == (MONDAY + HOUR, None)


def test_zammad_3140_and_5177_replies_are_timed_after_the_first_response_and_stop_with_each_answer(desk):
    targets = [{"metric": "first_response", "seconds": 3600}, {"metric": "next_reply", "seconds": 1800}]
    desk.only({"targets": targets})
    ticket = desk.open()
    desk.say(ticket, desk.requester, MONDAY + MINUTE)
    assert [timer.metric for timer in desk.timers(ticket)] == ["first_response"]

    desk.say(ticket, desk.agent, MONDAY + 10 * MINUTE)
    assert [timer.metric for timer in desk.timers(ticket)] == ["first_response"]
    desk.say(ticket, desk.requester, MONDAY + 20 * MINUTE)
    # Asking again does not buy time.
    desk.say(ticket, desk.requester, MONDAY + 25 * MINUTE)
    waiting = desk.timer(ticket, "next_reply")
    assert (waiting.stage, waiting.due_at) == ("running", MONDAY + 50 * MINUTE)

    desk.say(ticket, desk.agent, MONDAY + 40 * MINUTE)
    assert desk.sweep(MONDAY + DAY) == 0
    desk.say(ticket, desk.requester, MONDAY + DAY)
    desk.say(ticket, desk.agent, MONDAY + DAY + HOUR)
    assert [(each.cycle, each.stage, each.elapsed_seconds) for each in desk.timers(ticket, metric="next_reply")] == [
        (1, "met", 1200),
        (2, "missed", 3600),
    ]


def test_zammad_4353_a_withdrawn_policy_leaves_nothing_running(desk):
    policy = desk.only(content(seconds=3600))
    ticket = desk.open()
    assert desk.withdraw(policy, at=MONDAY + MINUTE).total == 1
    assert desk.do_job().result == {"tickets": 1}

    timer = desk.timer(ticket)
    assert (timer.stage, timer.end_reason) == ("cancelled", "withdrawn")
    assert desk.stored(ticket).sla_due_at is None
    assert desk.sweep(MONDAY + DAY) == 0
    assert desk.timers(desk.open(MONDAY + HOUR)) == []


def test_zammad_4432_people_are_told_in_open_time(desk):
    desk.only(content(seconds=8 * 3600, calendar=desk.office()))
    ticket = desk.open(berlin(2026, 3, 6, 9))
    desk.sweep(berlin(2026, 3, 6, 18))

    [breach] = desk.told(ticket)
    assert (breach.at, breach.data["notify_at"]) == (berlin(2026, 3, 6, 17), "2026-03-09T08:00:00Z")


def test_zammad_5841_a_timer_is_no_change_of_its_ticket(desk):
    desk.only(content(seconds=3600, levels=levels(50)))
    ticket = desk.open()
    before = desk.stored(ticket)
    with desk.entered():
        dispatched = set(Dispatch.objects.values_list("pk", flat=True))
    desk.sweep(MONDAY + 30 * MINUTE)
    desk.sweep(MONDAY + 2 * HOUR)

    after = desk.stored(ticket)
    assert (after.version, after.updated_at, after.version) == (before.version, before.updated_at, 1)
    with desk.entered():
        assert set(Dispatch.objects.values_list("pk", flat=True)) == dispatched
    assert {event.name for event in desk.told(ticket, "")} == {"incident.created", "sla.warned", "sla.breached"}


def test_frappe_1554_a_pause_is_an_interval_and_moves_no_start(desk):
    desk.only(content(seconds=4 * 3600))
    ticket = desk.open()
    for hour in (1, 3, 5):
        desk.hold(ticket, MONDAY + hour * HOUR)
        desk.do(ticket, "resume", MONDAY + (hour + 1) * HOUR)

    timer = desk.timer(ticket)
    assert (timer.started_at, timer.elapsed_seconds, timer.paused_seconds) == (MONDAY, 3 * 3600, 3 * 3600)
    assert (timer.original_due_at, timer.due_at) == (MONDAY + 4 * HOUR, MONDAY + 7 * HOUR)


def test_frappe_1675_a_pause_on_closed_days_moves_nothing_of_what_is_open(desk):
    """Added to the time of creation a weekend's pause would push the deadline by two days."""
    desk.only(content(seconds=8 * 3600, calendar=desk.office()))
    ticket = desk.open(berlin(2026, 3, 6, 15))
    desk.hold(ticket, berlin(2026, 3, 7, 10))
    desk.do(ticket, "resume", berlin(2026, 3, 8, 20))

    timer = desk.timer(ticket)
    assert (timer.started_at, timer.due_at) == (berlin(2026, 3, 6, 15), berlin(2026, 3, 9, 15))


def test_frappe_pr_2449_a_ticket_of_a_closed_day_keeps_its_response_and_solution_through_a_pause(desk):
    office = desk.office()
    desk.only({"targets": [{**target, "calendar": office} for target in TWO]})
    ticket = desk.open(berlin(2026, 3, 7, 12))
    desk.hold(ticket, berlin(2026, 3, 9, 10))
    desk.do(ticket, "resume", berlin(2026, 3, 9, 12))

    # The response is not excused by a pause; the solution gets the two open hours back.
    assert desk.timer(ticket, "first_response").due_at == berlin(2026, 3, 9, 10)
    assert desk.timer(ticket).due_at == berlin(2026, 3, 10, 13)


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe"])
def test_frappe_3776_and_erpnext_38745_every_instant_is_utc_and_says_so(desk, api, dan, zone):
    with desk.entered():
        Organization.objects.filter(pk=desk.tenant.id).update(time_zone=zone)
    desk.only(content(seconds=3600, levels=levels(50), calendar=desk.office(time_zone=zone)))
    ticket = desk.open(MONDAY + 8 * HOUR)
    desk.hold(ticket, MONDAY + 9 * HOUR)
    desk.do(ticket, "resume", MONDAY + 10 * HOUR)
    desk.sweep(MONDAY + 7 * DAY)
    timer, client = desk.timer(ticket), api(dan)

    told = {
        address: _instants(client.get(f"/api/v1/{address}").json())
        for address in (
            f"tickets/{ticket.pk}/", f"tickets/{ticket.pk}/sla/", f"tickets/{ticket.pk}/timeline/", "sla/timers/",
            f"sla/timers/{timer.pk}/", f"sla/timers/{timer.pk}/explain/", "sla/breaches/", "sla/compliance/",
        )
    }  # fmt: skip

    assert [address for address, instants in told.items() if not instants] == []
    assert [each for instants in told.values() for each in instants if not each.endswith("Z")] == []
    with desk.entered():
        facts = [event.data for event in Event.objects.filter(subject_id=ticket.pk, name__startswith="sla.")]
    assert {each[-1:] for each in _instants(facts)} == {"Z"}


def _instants(answer):
    """Every text of an answer that is a moment."""
    if isinstance(answer, dict | list):
        return [each for part in (answer.values() if isinstance(answer, dict) else answer) for each in _instants(part)]
    return [answer] if isinstance(answer, str) and INSTANT.match(answer) else []


def test_frappe_3776_resolved_from_a_hold_ends_the_hold_first(desk):
    desk.only(content(seconds=3600))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + 10 * MINUTE)
    desk.resolve(ticket, MONDAY + 42 * DAY)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.elapsed_seconds, timer.breached_at) == ("met", 600, None)
    assert [(each.kind, each.ended_at) for each in desk.segments(timer)] == [
        ("running", MONDAY + 10 * MINUTE),
        ("paused", MONDAY + 42 * DAY),
    ]


def test_frappe_3297_a_breach_is_measured_in_open_time_and_by_the_wall(desk):
    desk.only(content(seconds=8 * 3600, calendar=desk.office()))
    ticket = desk.open(berlin(2026, 3, 6, 9))
    desk.resolve(ticket, berlin(2026, 3, 9, 10))

    timer = desk.timer(ticket)
    assert (timer.stage, timer.due_at) == ("missed", berlin(2026, 3, 6, 17))
    assert (timer.breach_seconds, timer.breach_wall_seconds) == (3600, 65 * 3600)


def test_frappe_2075_what_is_raised_on_a_closed_day_counts_from_the_next_opening(desk):
    desk.only(content(seconds=3600, calendar=desk.office()))
    ticket = desk.open(berlin(2026, 3, 7, 12))

    timer = desk.timer(ticket)
    assert (timer.started_at, timer.due_at) == (berlin(2026, 3, 7, 12), berlin(2026, 3, 9, 10))
    with desk.entered():
        assert explaining.measure(timer, berlin(2026, 3, 9, 9)).business_elapsed_seconds == 0


@pytest.mark.parametrize(("seconds", "stage"), [(3600, "met"), (3601, "missed")])
def test_servicenow_rounding_whole_seconds_decide_and_the_last_one_is_in_time(desk, seconds, stage):
    desk.only(content(seconds=3600))
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + seconds * MINUTE / 60)

    assert desk.timer(ticket).stage == stage


def test_servicenow_rounding_99_951_percent_is_no_breach(desk):
    desk.only(content(seconds=100_000))
    ticket = desk.open()

    with desk.entered():
        measured = explaining.measure(desk.timer(ticket), MONDAY + 99_951 * MINUTE / 60)
    assert (measured.percent, measured.is_breached) == (99, False)


def test_itop_a_raised_priority_whose_new_deadline_has_passed_is_a_breach_and_is_told_once(desk):
    desk.only(by_priority(levels=levels(50, 75)))
    ticket = desk.open()
    desk.change(ticket, MONDAY + 5 * HOUR, **URGENT)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.due_at, timer.breached_at) == ("running", MONDAY + 4 * HOUR, MONDAY + 4 * HOUR)
    assert desk.firings(timer) == [(50, "late"), (75, "late"), (100, "late")]
    assert [(event.name, event.at, event.data["outcome"]) for event in desk.told(ticket)] == [
        ("sla.breached", MONDAY + 4 * HOUR, "late")
    ]
    assert desk.sweep(MONDAY + DAY) == 0


def test_a_lowered_priority_takes_no_breach_back(desk):
    desk.only(by_priority())
    ticket = desk.open(**URGENT)
    desk.sweep(MONDAY + 5 * HOUR)
    desk.change(ticket, MONDAY + 6 * HOUR, impact=3, urgency=3)

    timer = desk.timer(ticket)
    assert (timer.breached_at, timer.due_at) == (MONDAY + 4 * HOUR, MONDAY + 24 * HOUR)
    desk.resolve(ticket, MONDAY + 7 * HOUR)
    assert desk.timer(ticket).stage == "missed"
    assert [event.name for event in desk.told(ticket)] == ["sla.breached"]


def test_servicenow_a_start_that_implies_stop_is_refused_and_a_pause_that_ends_the_start_is_warned_of(desk):
    never = content(rules={"resolution": {"start": [{"phase": ["resolved"]}]}})
    trap = content(
        rules={
            "resolution": {
                "start": [{"status": ["new", "in_progress"], "kind": ["incident"]}],
                "pause": [{"status": ["on_hold"]}],
                "cancel_when": "start_false",
            }
        }
    )
    with pytest.raises(Invalid) as refusal:
        desk.only(never)
    assert [(error.pointer, error.code) for error in refusal.value.errors] == [
        ("/rules/resolution/start", "start_implies_stop")
    ]
    with desk.entered():
        assert Timer.objects.count() == LevelFiring.objects.count() == 0
        errors, warnings = checking.check(trap)
    assert (errors, len(warnings)) == ([], 1)
    assert "cancelled instead of paused" in warnings[0]
