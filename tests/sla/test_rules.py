"""The rules of service levels, each by its number in the specification, where no peer's bug covers it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.cmdb.models import ConfigurationItem
from apps.core import events
from apps.core.errors import Conflict, Invalid
from apps.organizations import calendar_records
from apps.organizations.models import BusinessCalendar
from apps.organizations.rounds import Lag
from apps.sla import moving, policies, situation, sweeping
from apps.sla.models import Policy, PolicyVersion, Reading, Timer
from apps.tickets import services, verbs
from apps.tickets.models import Ticket
from tests import factories
from tests.sla.conftest import DAY, HOUR, MINUTE, MONDAY, content, levels

ROUND_THE_CLOCK = 4 * 3600


def match(**fields):
    return {"match": [fields]}


def test_s7_business_days_are_open_days_at_the_same_time_and_at_closing_time_at_the_latest(desk):
    office = desk.office()
    desk.only({"targets": [{"metric": "resolution", "business_days": 2, "calendar": office}]})
    on_thursday = desk.open(datetime(2026, 3, 5, 9, 30, tzinfo=UTC))
    in_the_evening = desk.open(datetime(2026, 3, 5, 19, tzinfo=UTC))

    assert desk.timer(on_thursday).due_at == datetime(2026, 3, 9, 9, 30, tzinfo=UTC)
    assert desk.timer(in_the_evening).due_at == datetime(2026, 3, 9, 16, tzinfo=UTC)


def test_s9_one_transition_stops_although_it_also_would_pause(desk):
    both = [{"phase": ["resolved"]}]
    rules = {"resolution": {"pause": both, "stop": both}}
    desk.only(content(rules=rules))
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + HOUR)

    assert desk.timer(ticket).stage == "met"


def test_s9_cancelling_comes_before_stopping(desk):
    over = [{"phase": ["resolved"]}]
    desk.only(content(rules={"resolution": {"cancel": over, "stop": over, "cancel_when": "cancel_true"}}))
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + HOUR)

    assert (desk.timer(ticket).stage, desk.timer(ticket).end_reason) == ("cancelled", "condition")


def test_s10_the_first_policy_in_order_wins_its_metric_and_leaves_the_others_to_the_next(desk):
    desk.only({**content(seconds=60), **match(priority=[1])}, name="Urgent")
    desk.add({"targets": [{"metric": m, "seconds": 600} for m in ("first_response", "resolution")]}, name="Rest")
    urgent, other = desk.open(impact=1, urgency=1), desk.open()

    assert [(t.metric, t.target_seconds) for t in desk.timers(urgent)] == [("first_response", 600), ("resolution", 60)]
    assert [(t.metric, t.target_seconds) for t in desk.timers(other)] == [("first_response", 600), ("resolution", 600)]


def test_s10_the_strictest_wins_where_the_organization_says_so(desk):
    desk.only(content(seconds=600), name="Lax")
    desk.add(content(seconds=60), name="Strict")
    with desk.entered():
        policies.choose_by("strictest", actor=desk.system, at=MONDAY)

    assert desk.timer(desk.open()).target_seconds == 60


def test_s10_two_policies_at_one_place_are_refused(desk):
    first = desk.only(content())
    with desk.entered(), pytest.raises(IntegrityError, match="sla_policy_position"), transaction.atomic():
        policies.create(actor=desk.system, at=MONDAY, values={"name": "Other", "position": first.position})


def test_s10_what_no_policy_matches_has_no_timer(desk):
    desk.only({**content(), **match(priority=[1])})

    ticket = desk.open()

    assert (desk.timers(ticket), desk.stored(ticket).sla_due_at) == ([], None)


def test_s11_periodic_updates_begin_anew_with_each_word_to_the_requester(desk):
    desk.only(content("periodic_update", seconds=1800))
    ticket = desk.open()
    desk.say(ticket, desk.agent, MONDAY + 20 * MINUTE)
    desk.say(ticket, desk.agent, MONDAY + 60 * MINUTE)

    found = [(t.cycle, t.stage, t.end_reason, t.started_at) for t in desk.timers(ticket)]
    assert found == [
        (1, "met", "reset", MONDAY),
        (2, "missed", "reset", MONDAY + 20 * MINUTE),
        (3, "running", "", MONDAY + 60 * MINUTE),
    ]


def test_s11_a_hold_does_not_pause_the_first_response(desk):
    desk.only({"targets": [{"metric": m, "seconds": 3600} for m in ("first_response", "resolution")]})
    ticket = desk.open()
    desk.hold(ticket, MONDAY + MINUTE)

    assert [(t.metric, t.stage) for t in desk.timers(ticket)] == [
        ("first_response", "running"),
        ("resolution", "paused"),
    ]


def test_s15_another_priority_may_count_afresh(desk):
    targets = [
        {"metric": "resolution", "applies": [{"priority": [1]}], "seconds": 3600},
        {"metric": "resolution", "seconds": 36_000},
    ]
    desk.only({"targets": targets, "rules": {"resolution": {"on_change": "fresh"}}})
    ticket = desk.open()
    desk.change(ticket, MONDAY + 2 * HOUR, impact=1, urgency=1)

    timer = desk.timer(ticket)
    assert (timer.started_at, timer.due_at, timer.elapsed_seconds) == (MONDAY + 2 * HOUR, MONDAY + 3 * HOUR, 0)


def test_s15_the_same_pauses_are_gone_through_by_the_new_targets_own_calendar(desk):
    targets = [
        {"metric": "resolution", "applies": [{"priority": [1]}], "seconds": 40 * 3600},
        {"metric": "resolution", "seconds": 40 * 3600, "calendar": desk.office()},
    ]
    desk.only({"targets": targets})
    ticket = desk.open()
    desk.hold(ticket, MONDAY + HOUR)
    desk.do(ticket, "resume", MONDAY + 12 * HOUR)
    desk.change(ticket, MONDAY + 24 * HOUR, impact=1, urgency=1)

    old, new = desk.timers(ticket)
    assert (old.elapsed_seconds, old.paused_seconds) == (2 * 3600, 6 * 3600)
    assert (new.elapsed_seconds, new.paused_seconds) == (13 * 3600, 11 * 3600)


def test_s16_a_change_of_category_attaches_what_has_passed_and_tells_of_the_breach_once(desk):
    with desk.entered():
        category = factories.CategoryFactory()
    desk.only({**content(seconds=3600, levels=levels(50)), **match(category=[str(category.pk)])})
    ticket = desk.open()
    desk.change(ticket, MONDAY + 2 * HOUR, category_id=category.pk)

    timer = desk.timer(ticket)
    assert (timer.started_at, timer.attached_at) == (MONDAY, MONDAY + 2 * HOUR)
    assert timer.breached_at == MONDAY + HOUR
    assert desk.firings(timer) == [(50, "late"), (100, "late")]
    assert [event.name for event in desk.told(ticket)] == ["sla.breached"]


def test_s16_pauses_before_the_attachment_are_pauses_all_the_same(desk):
    with desk.entered():
        category = factories.CategoryFactory()
    desk.only({**content(seconds=7200), **match(category=[str(category.pk)])})
    ticket = desk.open()
    desk.hold(ticket, MONDAY + HOUR)
    desk.do(ticket, "resume", MONDAY + 5 * HOUR)
    desk.hold(ticket, MONDAY + 5 * HOUR + 30 * MINUTE)
    desk.change(ticket, MONDAY + 9 * HOUR, category_id=category.pk)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.breached_at) == ("paused", None)
    assert (timer.elapsed_seconds, timer.paused_seconds) == (5400, 4 * 3600)
    assert [(each.kind, each.because) for each in desk.segments(timer)] == [
        ("running", "created"),
        ("paused", "put_on_hold"),
        ("running", "resumed"),
    ]


def test_s17_a_paused_timer_keeps_what_is_left(desk):
    desk.only(content(seconds=3600))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + 59 * MINUTE)
    desk.do(ticket, "resume", MONDAY + 30 * DAY)

    assert desk.timer(ticket).due_at == MONDAY + 30 * DAY + MINUTE


def test_s18_a_breach_stays_through_a_pause_and_levels_after_it_wait(desk):
    desk.only(content(seconds=3600, levels=levels(100, 150)))
    ticket = desk.open()
    desk.sweep(MONDAY + 61 * MINUTE)
    desk.hold(ticket, MONDAY + 70 * MINUTE)
    assert desk.sweep(MONDAY + DAY) == 0
    desk.do(ticket, "resume", MONDAY + DAY)

    timer = desk.timer(ticket)
    assert (timer.breached_at, timer.due_at) == (MONDAY + HOUR, MONDAY + HOUR)
    assert timer.next_due_at == MONDAY + DAY + 20 * MINUTE
    assert desk.sweep(MONDAY + DAY + 20 * MINUTE) == 1
    assert [event.name for event in desk.told(ticket)] == ["sla.breached", "sla.escalated"]


def test_s23_after_an_outage_the_highest_level_fires_the_others_are_collapsed_and_the_breach_is_told(desk):
    desk.only(content(seconds=3600, levels=levels(50, 75, 100, 125, 150)))
    ticket = desk.open()

    assert desk.sweep(MONDAY + 80 * MINUTE) == 4
    assert desk.firings(desk.timer(ticket)) == [
        (50, "collapsed"),
        (75, "collapsed"),
        (100, "collapsed"),
        (125, "fired"),
    ]
    assert [(event.name, event.at) for event in desk.told(ticket)] == [
        ("sla.breached", MONDAY + HOUR),
        ("sla.escalated", MONDAY + 75 * MINUTE),
    ]


def test_s23_levels_that_are_due_in_quick_succession_all_fire_when_the_sweep_is_on_time(desk):
    desk.only(content(seconds=60, levels=levels(50, 75, 100)))
    ticket = desk.open()

    assert desk.sweep(MONDAY + timedelta(seconds=61)) == 3
    assert desk.firings(desk.timer(ticket)) == [(50, "fired"), (75, "fired"), (100, "fired")]
    assert [event.name for event in desk.told(ticket)] == ["sla.warned", "sla.warned", "sla.breached"]


@pytest.mark.parametrize(("late", "becomes"), [(60, "fired"), (61, "collapsed")])
def test_s23_what_is_more_than_a_minute_late_gives_way_to_what_is_higher(desk, late, becomes):
    desk.only(content(seconds=600, levels=levels(50, 60)))
    ticket = desk.open()

    desk.sweep(MONDAY + timedelta(seconds=300 + late))
    assert desk.firings(desk.timer(ticket)) == [(50, becomes), (60, "fired")]


@pytest.mark.parametrize("step", [-5 * MINUTE, 5 * MINUTE])
def test_f6_a_clock_that_is_set_fires_nothing_early_and_nothing_twice(desk, step):
    """The clock that sweeps ask jumps at the 28th minute, and is put right at the 34th."""
    desk.only(content(seconds=3600, levels=levels(50)))
    ticket = desk.open()

    def clock(minute):
        return MONDAY + minute * MINUTE + (step if 28 <= minute < 34 else timedelta())

    for minute in range(20, 50):
        now = clock(minute)
        fired = desk.sweep(now)
        assert fired == 0 or now >= MONDAY + 30 * MINUTE
        is_told = any(clock(earlier) >= MONDAY + 30 * MINUTE for earlier in range(20, minute + 1))
        assert len(desk.told(ticket)) == is_told

    assert desk.firings(desk.timer(ticket)) == [(50, "fired")]
    assert desk.timer(ticket).next_due_at == MONDAY + HOUR + timedelta(seconds=1)


def test_f6_what_has_fired_does_not_fire_again_for_a_change_at_an_earlier_time(desk):
    desk.only(content(seconds=3600, levels=levels(50)))
    ticket = desk.open()
    assert desk.sweep(MONDAY + 35 * MINUTE) == 1
    desk.hold(ticket, MONDAY + 28 * MINUTE)
    desk.do(ticket, "resume", MONDAY + 29 * MINUTE)

    assert desk.sweep(MONDAY + 36 * MINUTE) == 0
    assert [event.name for event in desk.told(ticket)] == ["sla.warned"]
    timer = desk.timer(ticket)
    assert (timer.due_at, timer.elapsed_seconds, timer.paused_seconds) == (MONDAY + 61 * MINUTE, 28 * 60, 60)


def test_s22_whoever_changes_the_ticket_first_fires_what_was_due_before(desk):
    desk.only(content(seconds=3600, levels=levels(50)))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + 31 * MINUTE)

    assert desk.firings(desk.timer(ticket)) == [(50, "fired")]
    assert [event.at for event in desk.told(ticket)] == [MONDAY + 30 * MINUTE]


def test_s26_a_new_version_is_for_new_tickets_until_open_ones_are_moved(desk):
    policy = desk.only(content(seconds=3600))
    old = desk.open()
    with desk.entered():
        version = policies.draft(policy, actor=desk.system, at=MONDAY, content=content(seconds=7200))
        policies.publish(version, actor=desk.system, at=MONDAY)
    new = desk.open(MONDAY + MINUTE)
    desk.change(old, MONDAY + MINUTE, title="Mail is still down")
    assert [desk.timer(ticket).target_seconds for ticket in (old, new)] == [3600, 7200]

    with desk.entered():
        moved = moving.migrate(PolicyVersion.objects.get(pk=version.pk), actor=desk.system, at=MONDAY + HOUR, limit=10)
    timer = desk.timer(old)
    assert moved == [old.pk]
    assert (timer.target_seconds, timer.due_at, timer.started_at) == (7200, MONDAY + 2 * HOUR, MONDAY)
    assert desk.stored(old).sla_due_at == MONDAY + 2 * HOUR


def test_s26_a_published_version_is_published_once(desk):
    policy = desk.only(content())
    with desk.entered(), pytest.raises(Conflict):
        policies.publish(policy.versions.get(), actor=desk.system, at=MONDAY)


def test_s27_other_hours_are_for_new_timers(desk):
    office = desk.office()
    desk.only(content(seconds=8 * 3600, calendar=office))
    old = desk.open()
    with desk.entered():
        calendar = BusinessCalendar.objects.select_for_update().get(pk=office)
        windows = [{"weekday": day, "start": "09:00", "end": "13:00"} for day in range(5)]
        calendar_records.change_calendar(calendar, actor=desk.system, at=MONDAY, values={"windows": windows})
    new = desk.open(MONDAY + MINUTE)
    desk.hold(old, MONDAY + HOUR)
    desk.do(old, "resume", MONDAY + 2 * HOUR)

    assert desk.timer(old).due_at == MONDAY + DAY + HOUR
    assert desk.timer(new).due_at == MONDAY + 2 * DAY + MINUTE
    assert desk.timer(old).calendar_version_id != desk.timer(new).calendar_version_id


def test_s29_what_other_records_said_is_kept_where_it_differs(desk):
    with desk.entered():
        item = factories.ConfigurationItemFactory(criticality=1)
    desk.only({**content(), **match(ci_criticality=[1])})
    plain = desk.open()
    ticket = desk.open(configuration_item_id=item.pk)
    desk.change(ticket, MONDAY + MINUTE, title="Mail is still down", impact=2)
    with desk.entered():
        ConfigurationItem.objects.update(criticality=4)
    desk.change(ticket, MONDAY + 2 * MINUTE, impact=1)

    with desk.entered():
        kept = list(Reading.objects.filter(ticket_id=ticket.pk).order_by("at").values_list("values__ci_criticality"))
        assert (kept, Reading.objects.filter(ticket_id=plain.pk).count()) == ([(1,), (4,)], 0)
    assert (desk.timer(ticket).stage, desk.timer(ticket).end_reason) == ("cancelled", "unmatched")


def test_s30_a_team_is_measured_from_assignment_to_handover(desk):
    with desk.entered():
        network, mail = factories.TeamFactory(), factories.TeamFactory()
    desk.only({**content(seconds=3600), **match(team=[str(network.pk), str(mail.pk)])}, agreement="ola")
    ticket = desk.open()
    desk.do(ticket, "assign", MONDAY + HOUR, team_id=network.pk)
    desk.do(ticket, "assign", MONDAY + 3 * HOUR, team_id=mail.pk)
    desk.resolve(ticket, MONDAY + 3 * HOUR + MINUTE)

    found = [(t.team_id, t.cycle, t.stage, t.end_reason, t.started_at, t.elapsed_seconds) for t in desk.timers(ticket)]
    assert found == [
        (network.pk, 1, "missed", "handed_over", MONDAY + HOUR, 7200),
        (mail.pk, 2, "met", "stopped", MONDAY + 3 * HOUR, 60),
    ]


def test_s30_stretches_say_in_whose_hands_the_ticket_was(desk, carol):
    desk.only(content(seconds=36_000))
    ticket = desk.open()
    desk.do(ticket, "assign", MONDAY + HOUR, assignee_id=desk.agent.pk)
    desk.do(ticket, "assign", MONDAY + 3 * HOUR, assignee_id=carol.pk)
    desk.resolve(ticket, MONDAY + 4 * HOUR)

    spent = [(each.assignee_id, each.business_seconds) for each in desk.segments(desk.timer(ticket))]
    assert spent == [(None, 3600), (desk.agent.pk, 7200), (carol.pk, 3600)]


def test_s31_a_deleted_ticket_has_no_timer_and_a_restored_one_goes_on(desk):
    desk.only(content(seconds=3600))
    ticket = desk.open()
    with desk.entered():
        services.delete(ticket, actor=desk.system, at=MONDAY + 10 * MINUTE)
    assert (desk.timer(ticket).stage, desk.timer(ticket).end_reason) == ("cancelled", "deleted")
    with desk.entered():
        services.restore(ticket, actor=desk.system, at=MONDAY + DAY)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.due_at) == ("running", MONDAY + DAY + 50 * MINUTE)


def test_s31_a_cancelled_ticket_has_no_result(desk):
    desk.only(content())
    ticket = desk.open()
    desk.do(ticket, "cancel", MONDAY + HOUR, reason="Not wanted")

    assert (desk.timer(ticket).stage, desk.timer(ticket).end_reason) == ("cancelled", "ticket_cancelled")


@pytest.mark.parametrize(
    ("reason", "stage"),
    [
        ("awaiting_requester", "paused"),
        ("awaiting_approval", "paused"),
        ("awaiting_vendor", "running"),
        ("awaiting_change", "running"),
        ("awaiting_problem", "running"),
    ],
)
def test_s34_only_the_requester_and_an_approval_are_waited_for(desk, reason, stage):
    desk.only(content())
    ticket = desk.open()
    desk.hold(ticket, MONDAY + HOUR, reason)

    assert desk.timer(ticket).stage == stage


def test_a_hold_that_turns_to_another_reason_pauses_or_resumes(desk):
    desk.only(content())
    ticket = desk.open()
    desk.hold(ticket, MONDAY + HOUR, "awaiting_requester")
    desk.hold(ticket, MONDAY + 2 * HOUR, "awaiting_vendor")

    assert (desk.timer(ticket).stage, desk.timer(ticket).paused_seconds) == ("running", 3600)


def test_s35_an_answer_resumes_when_it_was_received(desk):
    desk.only(content(seconds=7200))
    ticket = desk.open()
    desk.hold(ticket, MONDAY + HOUR)
    desk.say(ticket, desk.requester, MONDAY + 5 * HOUR)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.due_at) == ("running", MONDAY + 6 * HOUR)


def test_a_version_that_makes_no_sense_is_refused_whole_with_every_reason(desk):
    wrong = {
        "match": [{"prio": [1]}],
        "targets": [{"metric": "resolution", "seconds": 0, "calendar": "here"}, {"metric": "speed", "seconds": 60}],
        "levels": [{"metric": "next_reply", "percent": 50}, {"metric": "resolution"}],
        "color": "red",
    }
    with pytest.raises(Invalid) as refusal:
        desk.only(wrong)

    assert {(error.pointer, error.code) for error in refusal.value.errors} == {
        ("/color", "unknown_field"),
        ("/match/0/prio", "unknown_field"),
        ("/targets/0/seconds", "out_of_range"),
        ("/targets/0/calendar", "invalid"),
        ("/targets/1/metric", "invalid_choice"),
        ("/levels/0/metric", "no_target"),
        ("/levels/1", "required"),
    }
    with desk.entered():
        assert Policy.objects.count() == PolicyVersion.objects.count() == 0


def test_history_is_measured_at_its_own_time_and_told_to_nobody(desk):
    long_ago = datetime(2016, 3, 7, 9, tzinfo=UTC)
    desk.only(content(seconds=3600, levels=levels(50)), at=long_ago)
    with desk.entered(), events.historic(lacking=["reason"]):
        finished = services.create(
            "incident", actor=desk.system, at=long_ago, values={"title": "Old", "requester_id": desk.requester.pk}
        )
        verbs.resolve(
            finished,
            actor=desk.system,
            at=long_ago + 2 * HOUR,
            resolution_code="solution_provided",
            resolution_notes="Restarted.",
        )
        still_open = services.create(
            "incident", actor=desk.system, at=long_ago, values={"title": "Open", "requester_id": desk.requester.pk}
        )

    timer = desk.timer(finished)
    assert (timer.stage, timer.breached_at, timer.elapsed_seconds) == ("missed", long_ago + HOUR, 7200)
    assert desk.firings(timer) == [(50, "past"), (100, "past")]
    desk.sweep(datetime(2026, 12, 1, tzinfo=UTC))
    assert desk.firings(desk.timer(still_open)) == [(50, "past"), (100, "past")]
    assert desk.timer(still_open).breached_at == long_ago + HOUR
    assert desk.told(finished) == desk.told(still_open) == []


def test_timers_cost_two_statements_at_creation_and_two_at_a_change(desk):
    def cost():
        with desk.entered(), CaptureQueriesContext(connection) as opening:
            ticket = desk.open()
        with desk.entered(), CaptureQueriesContext(connection) as changing:
            verbs.do(ticket, "hold", actor=desk.system, at=MONDAY + HOUR, reason="awaiting_approval")
        return len(opening), len(changing)

    desk.only({"targets": [{"metric": m, "seconds": 7200} for m in ("first_response", "resolution")]})
    cost()
    promised = cost()
    desk.only({**content(), **match(priority=[1])}, name="None of these")
    cost()
    nothing = cost()
    assert (promised[0] - nothing[0], promised[1] - nothing[1]) == (1, 1)


def test_the_sweep_finds_only_organizations_that_have_something_due(fresh_database, desk):
    desk.only(content(seconds=60))
    desk.open()

    assert sweeping.DUE.organizations(MONDAY) == []
    assert sweeping.DUE.organizations(MONDAY + HOUR) == [desk.tenant.id]
    lag = sweeping.DUE.lag(MONDAY + HOUR)
    assert (lag.due, lag.seconds) == (1, 3600 - 61)
    assert sweeping.sweep(MONDAY + HOUR).levels == 1
    assert sweeping.DUE.lag(MONDAY + HOUR) == Lag(0, 0.0)


def test_a_ticket_reads_itself_and_its_timers_in_one_query(desk, django_assert_num_queries):
    desk.only(content())
    ticket = desk.open()
    with desk.entered(), django_assert_num_queries(1):
        now = situation.read(desk.tenant.id, Ticket(pk=ticket.pk).pk)

    assert (now.facts["phase"], len(now.timers), now.due_at) == ("new", 1, MONDAY + timedelta(hours=4))


def test_what_was_opened_during_a_withdrawal_is_ended_by_the_timetable(desk):
    policy = desk.only(content())
    ticket = desk.open()
    with desk.entered():
        Policy.objects.filter(pk=policy.pk).update(is_active=False)
    assert desk.timer(ticket).stage == "running"

    with desk.entered():
        assert moving.cancel_left_over(desk.system, at=MONDAY + HOUR) == 1
        assert moving.cancel_left_over(desk.system, at=MONDAY + HOUR) == 0
        assert Timer.objects.live().count() == 0


def test_timers_end_with_their_policy_batch_by_batch_in_the_order_of_their_tickets(desk):
    policy = desk.only(content())
    tickets = sorted(desk.open().pk for _ in range(5))
    other = desk.add(content(metric="first_response"), name="Other")
    tickets.append(desk.open().pk)
    with desk.entered():
        versions = [policy.versions.get().pk]
        first = moving.end_timers(policy.pk, versions, actor=desk.system, at=MONDAY + HOUR, limit=4)
        assert Timer.objects.live().filter(version__policy_id=policy.pk).count() == 2
        rest = moving.end_timers(policy.pk, versions, actor=desk.system, at=MONDAY + HOUR, limit=4, after=first[-1])

        assert (first, rest) == (tickets[:4], tickets[4:])
        assert [timer.version.policy_id for timer in Timer.objects.live()] == [other.pk]
