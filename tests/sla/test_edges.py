"""Where promises meet their edges: calendars that end, policies that come and go, deadlines by hand, a ticket that fails."""

from datetime import timedelta

import pytest

from apps.core.errors import Invalid
from apps.organizations import calendar_records
from apps.organizations.models import BusinessCalendar
from apps.sla import policies, situation, sweeping, timers
from apps.sla.models import Timer
from tests import factories
from tests.sla.conftest import DAY, HOUR, MINUTE, MONDAY, content, levels

SECOND = timedelta(seconds=1)
# Monday nine to five, once; nothing ever after.
ONCE = {"windows": [], "exceptions": [{"date": "2026-03-02", "kind": "open", "start": "09:00", "end": "17:00"}]}


@pytest.fixture
def category(desk):
    with desk.entered():
        return factories.CategoryFactory()


def of(category):
    return {"match": [{"category": [str(category.pk)]}]}


def set_by_hand(desk, ticket, due_at, at):
    with desk.entered():
        return timers.set_deadline(
            desk.timer(ticket), actor=desk.system, at=at, due_at=due_at, reason="As agreed on the phone."
        )


def test_a_ticket_of_an_older_version_goes_on_by_a_calendar_that_no_newer_one_names(desk):
    policy = desk.only(content(seconds=3600, calendar=desk.office()))
    old = desk.open()
    with desk.entered():
        late = content(seconds=7200, calendar=desk.office(name="Late", time_zone="Europe/Lisbon"))
        draft = policies.draft(policy, actor=desk.system, at=MONDAY, content=late)
        policies.publish(draft, actor=desk.system, at=MONDAY)

    desk.change(old, MONDAY + MINUTE, title="Mail is still down")
    desk.resolve(old, MONDAY + 30 * MINUTE)

    assert (desk.timer(old).stage, desk.timer(old).elapsed_seconds) == ("met", 1800)
    desk.do(old, "reopen", MONDAY + HOUR, reason="No, it is not.")
    assert desk.timer(old).due_at == MONDAY + HOUR + 30 * MINUTE


@pytest.mark.parametrize(
    ("target", "percent", "pointer"),
    [
        ({"seconds": 94_608_000}, 100, "/targets/0/seconds"),
        ({"seconds": 9 * 3600}, 100, None),
        ({"seconds": 10_000 * 3600}, 1_000, "/targets/0/seconds"),
        ({"business_days": 1_095}, 100, None),
        ({"business_days": 1_095}, 300, "/targets/0/business_days"),
    ],
)
def test_a_target_that_ends_beyond_what_calendars_count_is_refused(desk, target, percent, pointer):
    draft = {"targets": [{"metric": "resolution", "calendar": desk.office(), **target}], "levels": levels(percent)}
    with desk.entered():
        policy = policies.create(actor=desk.system, at=MONDAY, values={"name": "Far"})
        if pointer is None:
            assert policies.draft(policy, actor=desk.system, at=MONDAY, content=draft).number == 1
            return
        with pytest.raises(Invalid) as refusal:
            policies.draft(policy, actor=desk.system, at=MONDAY, content=draft)
        assert [(error.pointer, error.code) for error in refusal.value.errors] == [(pointer, "out_of_range")]
        assert not policy.versions.exists()


def test_a_calendar_that_opens_no_more_keeps_no_ticket_from_anything(desk):
    office = desk.office()
    desk.only(content(seconds=9 * 3600, calendar=office))
    with desk.entered():
        calendar = BusinessCalendar.objects.select_for_update().get(pk=office)
        calendar_records.change_calendar(calendar, actor=desk.system, at=MONDAY, values=ONCE)
    ticket = desk.open()
    # Seven hours are left of the only day.
    assert desk.timer(ticket).due_at == MONDAY + timedelta(days=3660)
    desk.hold(ticket, MONDAY + DAY)
    desk.do(ticket, "resume", MONDAY + 2 * DAY)
    desk.resolve(ticket, MONDAY + 3 * DAY)

    assert (desk.timer(ticket).stage, desk.timer(ticket).elapsed_seconds) == ("met", 7 * 3600)


def test_a_breach_at_the_last_closing_is_told_when_it_happens(desk):
    desk.only(content(seconds=7 * 3600, calendar=desk.office(**ONCE)))
    ticket = desk.open()

    assert desk.sweep(MONDAY + DAY) == 1
    [breach] = desk.told(ticket, "sla.breached")
    assert breach.at == MONDAY + 7 * HOUR


@pytest.mark.parametrize(
    ("around_the_clock", "when"), [(False, "2026-03-09T08:00:00Z"), (True, "2026-03-06T16:00:01Z")]
)
def test_s36_people_are_told_in_open_time_unless_the_level_is_for_any_hour(desk, around_the_clock, when):
    level = {"metric": "resolution", "percent": 100, "is_around_the_clock": around_the_clock}
    desk.only(content(seconds=7 * 3600, calendar=desk.office(), levels=[level]))
    ticket = desk.open(MONDAY + 4 * DAY)

    desk.sweep(MONDAY + 5 * DAY)
    [breach] = desk.told(ticket, "sla.breached")
    assert breach.data["notify_at"] == when


def test_a_ticket_that_fails_keeps_no_other_from_its_turn_and_the_failure_is_told(desk, monkeypatch):
    desk.only(content(seconds=3600))
    tickets = [desk.open(MONDAY + number * SECOND) for number in range(3)]
    taken_up = situation.of_row

    def failing(row):
        if row.ticket_id == tickets[0].pk:
            raise ArithmeticError("this one cannot be computed")
        return taken_up(row)

    monkeypatch.setattr(situation, "of_row", failing)
    with pytest.raises(ExceptionGroup, match="the levels of 1 tickets failed") as failure:
        sweeping.sweep_organization(desk.tenant.id, MONDAY + 2 * HOUR)
    assert [str(each) for each in failure.value.exceptions] == ["this one cannot be computed"]
    assert failure.value.exceptions[0].__notes__ == [f"ticket {tickets[0].pk}"]
    assert [desk.firings(desk.timer(ticket)) for ticket in tickets] == [[], [(100, "fired")], [(100, "fired")]]

    monkeypatch.undo()
    assert desk.sweep(MONDAY + 2 * HOUR) == 1


def test_s14_what_was_resolved_before_the_attachment_is_not_counted(desk, category):
    desk.only({**content(seconds=4 * 3600), **of(category)})
    ticket = desk.open()
    desk.resolve(ticket, MONDAY + HOUR)
    desk.do(ticket, "reopen", MONDAY + 10 * DAY, reason="It is back.")
    desk.change(ticket, MONDAY + 10 * DAY + HOUR, category_id=category.pk)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.breached_at) == ("running", None)
    assert (timer.elapsed_seconds, timer.paused_seconds, timer.due_at) == (3600, 0, MONDAY + 10 * DAY + 3 * HOUR)
    assert [each.kind for each in desk.segments(timer)] == ["running", "stopped"]


def test_leaving_a_policy_and_coming_back_is_no_way_to_a_new_deadline(desk, category):
    desk.only({**content(seconds=4 * 3600), **of(category)})
    ticket = desk.open(category_id=category.pk)
    desk.change(ticket, MONDAY + 3 * HOUR, category_id=None)
    assert (desk.timer(ticket).stage, desk.timer(ticket).end_reason) == ("cancelled", "unmatched")
    desk.change(ticket, MONDAY + 4 * HOUR, category_id=category.pk)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.started_at, timer.due_at) == ("running", MONDAY, MONDAY + 5 * HOUR)
    assert [(each.kind, each.business_seconds) for each in desk.segments(timer)] == [
        ("running", 10_800),
        ("stopped", 3600),
    ]


def test_s18_counting_afresh_takes_no_breach_back(desk):
    targets = [
        {"metric": "resolution", "applies": [{"priority": [1]}], "seconds": 3600},
        {"metric": "resolution", "seconds": 36_000},
    ]
    desk.only({"targets": targets, "rules": {"resolution": {"on_change": "fresh"}}})
    ticket = desk.open(impact=1, urgency=1)
    desk.sweep(MONDAY + 2 * HOUR)
    desk.change(ticket, MONDAY + 2 * HOUR, impact=3, urgency=3)
    desk.resolve(ticket, MONDAY + 3 * HOUR)

    timer = desk.timer(ticket)
    assert (timer.target_seconds, timer.stage, timer.breached_at) == (36_000, "missed", MONDAY + HOUR)
    assert [event.name for event in desk.told(ticket)] == ["sla.breached"]


def test_s32_a_deadline_by_hand_outlives_another_priority(desk):
    targets = [
        {"metric": "resolution", "applies": [{"priority": [1]}], "seconds": 3600},
        {"metric": "resolution", "seconds": 36_000},
    ]
    desk.only({"targets": targets})
    ticket = desk.open()
    set_by_hand(desk, ticket, MONDAY + 3 * DAY, MONDAY + HOUR)
    desk.change(ticket, MONDAY + 2 * HOUR, impact=1, urgency=1)

    timer = desk.timer(ticket)
    assert (timer.due_at, timer.fixed_due_at) == (MONDAY + 3 * DAY, MONDAY + 3 * DAY)
    assert timer.set_because == "As agreed on the phone."
    assert desk.stored(ticket).sla_due_at == MONDAY + 3 * DAY


def test_s32_a_fixed_deadline_that_passes_during_a_pause_is_told_when_the_ticket_is_resolved(desk):
    desk.only(content(levels=levels(50)))
    ticket = desk.open()
    set_by_hand(desk, ticket, MONDAY + 5 * HOUR, MONDAY + HOUR)
    desk.hold(ticket, MONDAY + 2 * HOUR)
    assert desk.sweep(MONDAY + 6 * HOUR) == 0
    desk.resolve(ticket, MONDAY + 8 * HOUR)

    timer = desk.timer(ticket)
    assert (timer.stage, timer.breached_at) == ("missed", MONDAY + 5 * HOUR)
    assert desk.firings(timer) == [(100, "fired")]
    assert [(event.name, event.at) for event in desk.told(ticket, "sla.breached")] == [
        ("sla.breached", MONDAY + 5 * HOUR)
    ]


def test_s32_a_fixed_deadline_that_was_kept_is_not_missed_by_a_later_reopening(desk):
    desk.only(content())
    ticket = desk.open()
    set_by_hand(desk, ticket, MONDAY + 6 * HOUR, MONDAY + HOUR)
    desk.resolve(ticket, MONDAY + 4 * HOUR)
    assert desk.timer(ticket).stage == "met"
    desk.do(ticket, "reopen", MONDAY + DAY, reason="It is back.")

    timer = desk.timer(ticket)
    assert (timer.stage, timer.breached_at) == ("running", None)
    # Two hours were left.
    assert timer.due_at == MONDAY + DAY + 2 * HOUR


def test_what_is_promised_between_teams_is_no_deadline_of_the_ticket(desk):
    with desk.entered():
        team = factories.TeamFactory()
    desk.only(content(seconds=8 * 3600))
    desk.add({**content(seconds=3600), "match": [{"team": [str(team.pk)]}]}, agreement="ola", name="Between us")
    ticket = desk.open()
    desk.do(ticket, "assign", MONDAY + MINUTE, team_id=team.pk)

    assert desk.timer(ticket, agreement="ola").due_at == MONDAY + MINUTE + HOUR
    assert desk.stored(ticket).sla_due_at == MONDAY + 8 * HOUR


def test_a_changed_calendar_is_for_timers_that_begin_later_also_where_a_priority_changes(desk):
    office = desk.office()
    targets = [
        {"metric": "resolution", "applies": [{"priority": [1]}], "seconds": 3600, "calendar": office},
        {"metric": "resolution", "seconds": 36_000},
    ]
    desk.only({"targets": targets})
    ticket = desk.open()
    with desk.entered():
        calendar = BusinessCalendar.objects.select_for_update().get(pk=office)
        windows = [{"weekday": 0, "start": "12:00", "end": "17:00"}]
        calendar_records.change_calendar(calendar, actor=desk.system, at=MONDAY, values={"windows": windows})
    desk.change(ticket, MONDAY + MINUTE, impact=1, urgency=1)

    # Twelve in Berlin is two hours later.
    assert desk.timer(ticket).due_at == MONDAY + 3 * HOUR
    with desk.entered():
        assert Timer.objects.filter(ticket_id=ticket.pk, stage="running").count() == 1
