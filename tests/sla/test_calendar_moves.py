"""A calendar's new hours for timers that run already (S27), and in whose hands their time passed (S30)."""

from datetime import timedelta

import pytest

from apps.audit.models import Event
from apps.core.errors import Denied
from apps.organizations.calendar_records import change_calendar
from apps.organizations.calendars import OpenHours
from apps.organizations.models import BusinessCalendar
from apps.sla import calendar_moves, dry_runs, timers
from tests.factories import TeamFactory
from tests.sla.conftest import DAY, HOUR, MINUTE, MONDAY, content, levels
from tests.sla.test_replay import replayed

CALENDARS, BREAKDOWN = "/api/v1/sla/calendars/", "/api/v1/sla/breakdown/"
EVENING = [{"weekday": day, "start": "09:00", "end": "20:00"} for day in range(5)]
MORNING = [{"weekday": day, "start": "08:00", "end": "12:00"} for day in range(5)]
# Three in the afternoon in Berlin.
AFTERNOON = MONDAY + 5 * HOUR


@pytest.fixture
def admin(api, dan):
    return api(dan)


@pytest.fixture
def office(desk):
    pk = desk.office()
    desk.only(content(seconds=4 * 3600, calendar=pk, levels=levels(50, 100)))
    with desk.entered():
        return BusinessCalendar.objects.get(pk=pk)


def opens(desk, office, windows, at):
    """The calendar has other hours from `at` on."""
    with desk.entered():
        locked = BusinessCalendar.objects.select_for_update().get(pk=office.pk)
        change_calendar(locked, actor=desk.system, at=at, values={"windows": windows})


def move(desk, office, at):
    with desk.entered():
        calendar = BusinessCalendar.objects.get(pk=office.pk)
        return calendar_moves.migrate(calendar.current, actor=desk.system, at=at)


def tried(desk, office, at, hours=None):
    with desk.entered():
        calendar = BusinessCalendar.objects.get(pk=office.pk)
        return dry_runs.dry_run_of_calendar(calendar, hours, actor=desk.system, at=at)


def test_new_hours_are_for_new_timers_alone_until_somebody_asks(desk, office):
    ticket = desk.open(AFTERNOON)
    opens(desk, office, EVENING, AFTERNOON + HOUR)

    # Two hours today, two on Tuesday from nine.
    assert desk.timer(ticket).due_at == MONDAY + DAY + HOUR
    assert desk.timer(desk.open(AFTERNOON + HOUR)).due_at == AFTERNOON + 5 * HOUR


def test_what_was_counted_stays_and_what_is_left_goes_by_the_new_hours(desk, office):
    ticket = desk.open(AFTERNOON)
    before = desk.timer(ticket)
    opens(desk, office, EVENING, AFTERNOON + HOUR)

    assert move(desk, office, AFTERNOON + HOUR) == [ticket.pk]

    timer = desk.timer(ticket)
    assert (timer.pk, timer.stage, timer.elapsed_seconds) == (before.pk, "running", 3600)
    assert timer.due_at == AFTERNOON + 4 * HOUR
    assert timer.original_due_at == before.due_at
    assert timer.next_due_at == AFTERNOON + 2 * HOUR
    assert desk.stored(ticket).sla_due_at == timer.due_at
    [first] = desk.segments(timer)
    assert (first.business_seconds, first.calendar_version_id) == (3600, before.calendar_version_id)
    assert timer.calendar_version_id != before.calendar_version_id
    assert timer.because == "calendar_changed"
    [fact] = desk.told(ticket, "sla.calendar_changed")
    assert (fact.data["number"], fact.data["earlier"]) == (2, [str(before.calendar_version_id)])
    assert move(desk, office, AFTERNOON + 2 * HOUR) == []

    desk.sweep(AFTERNOON + 4 * HOUR + timedelta(seconds=1))
    assert desk.firings(timer) == [(50, "collapsed"), (100, "fired")]
    desk.resolve(ticket, AFTERNOON + 5 * HOUR)
    first, second = desk.segments(timer)
    assert (second.business_seconds, second.calendar_version_id) == (4 * 3600, timer.calendar_version_id)
    assert replayed(desk) == ["1 tickets replayed, 0 differ"]


def test_what_waits_goes_on_by_the_new_hours(desk, office):
    ticket = desk.open(AFTERNOON)
    desk.hold(ticket, AFTERNOON + HOUR)
    opens(desk, office, MORNING, AFTERNOON + 90 * MINUTE)
    move(desk, office, AFTERNOON + 90 * MINUTE)

    paused = desk.timer(ticket)
    assert (paused.stage, paused.due_at, paused.elapsed_seconds, paused.paused_seconds) == ("paused", None, 3600, 1800)

    desk.do(ticket, "resume", AFTERNOON + 2 * HOUR)
    # Three hours are left, and the office opens at eight, seven in UTC.
    assert desk.timer(ticket).due_at == MONDAY + DAY + HOUR
    assert desk.timer(ticket).paused_seconds == 1800
    assert replayed(desk) == ["1 tickets replayed, 0 differ"]


def test_a_breach_and_a_deadline_set_by_hand_stay(desk, office):
    missed, fixed = desk.open(MONDAY), desk.open(AFTERNOON)
    desk.sweep(AFTERNOON)
    with desk.entered():
        given = {"due_at": MONDAY + 2 * DAY, "reason": "Agreed by phone."}
        timers.set_deadline(desk.timer(fixed), actor=desk.system, at=AFTERNOON, **given)
    opens(desk, office, EVENING, AFTERNOON + HOUR)
    move(desk, office, AFTERNOON + HOUR)

    assert (desk.timer(missed).breached_at, desk.timer(missed).due_at) == (MONDAY + 4 * HOUR, MONDAY + 4 * HOUR)
    assert desk.timer(fixed).due_at == MONDAY + 2 * DAY
    assert [event.name for event in desk.told(missed, "sla.breached")] == ["sla.breached"]
    assert replayed(desk) == ["2 tickets replayed, 0 differ"]


def test_a_dry_run_says_what_the_move_then_does_and_writes_nothing(desk, office):
    today, held = desk.open(AFTERNOON), desk.open(AFTERNOON)
    desk.hold(held, AFTERNOON + HOUR)
    at = AFTERNOON + HOUR
    with desk.entered():
        calendar = BusinessCalendar.objects.get(pk=office.pk)
        evening = OpenHours(calendar.time_zone, EVENING, [])
    proposed = tried(desk, office, at, evening)

    assert (proposed.version_id, proposed.tickets, proposed.is_complete) == (None, 2, True)
    assert proposed.counts == {"unchanged": 1, "moved": 1, "breached": 0, "unbreached": 0, "cancelled": 0}
    [moved] = proposed.moved
    assert (moved.number, moved.due_at, moved.new_due_at) == (today.number, MONDAY + DAY + HOUR, AFTERNOON + 4 * HOUR)
    assert desk.timer(today).due_at == MONDAY + DAY + HOUR
    assert desk.told(today, "sla.calendar_changed") == []

    assert tried(desk, office, at).tickets == 0
    opens(desk, office, EVENING, at)
    assert [each.new_due_at for each in tried(desk, office, at).moved] == [moved.new_due_at]
    move(desk, office, at)
    assert desk.timer(today).due_at == moved.new_due_at


def test_over_http_a_job_moves_them_and_the_calendar_tells_of_it(desk, office, admin):
    ticket = desk.open(AFTERNOON)
    opens(desk, office, EVENING, AFTERNOON + HOUR)
    address = f"{CALENDARS}{office.pk}/"

    counts = admin.post(f"{address}dry-run/", {}).json()["counts"]
    answer = admin.post(f"{address}migrate/")

    assert (answer.status_code, answer.json()["kind"], answer.json()["total"]) == (202, "sla_calendar_migration", 1)
    assert sum(counts.values()) == 1
    job = desk.do_job()
    assert (job.state, job.result) == ("done", {"tickets": 1})
    assert len(desk.told(ticket, "sla.calendar_changed")) == 1
    with desk.entered():
        [fact] = Event.objects.filter(name="calendar.migrated")
    assert (fact.subject_id, fact.data["number"], fact.data["tickets"]) == (office.pk, 2, 1)
    assert admin.post(f"{address}migrate/", {"windows": []}).status_code == 400


def test_a_job_for_hours_that_are_no_longer_current_moves_nothing(desk, office, admin):
    ticket = desk.open(AFTERNOON)
    opens(desk, office, EVENING, AFTERNOON + HOUR)
    admin.post(f"{CALENDARS}{office.pk}/migrate/")
    opens(desk, office, MORNING, AFTERNOON + 2 * HOUR)

    job = desk.do_job()

    assert (job.state, job.errors[0]["code"]) == ("failed", "superseded")
    assert desk.told(ticket, "sla.calendar_changed") == []


@pytest.mark.parametrize(
    ("hours", "pointer", "code"),
    [
        ({"time_zone": "Mars/Olympus"}, "/time_zone", "unknown_zone"),
        ({"windows": []}, "/windows", "never_open"),
        ({"windows": [*EVENING, EVENING[0]]}, "/windows/5/start", "overlap"),
        ({"limit": 0}, "/limit", "out_of_range"),
    ],
)
def test_hours_that_make_no_sense_are_not_tried(desk, office, admin, hours, pointer, code):
    refusal = admin.post(f"{CALENDARS}{office.pk}/dry-run/", hours)

    assert refusal.status_code == 400
    assert (refusal.json()["errors"][0]["pointer"], refusal.json()["errors"][0]["code"]) == (pointer, code)


def test_only_who_configures_moves_timers(desk, office, api):
    for verb in ("migrate", "dry-run"):
        assert api(desk.agent).post(f"{CALENDARS}{office.pk}/{verb}/", {}).json()["grant"] == "sla.configure"
    with desk.entered(), pytest.raises(Denied):
        calendar_moves.request(office, actor=desk.acting(desk.agent), at=MONDAY)


# --- in whose hands


def test_the_hands_add_up_to_the_timers(desk, api):
    desk.only(content(seconds=8 * 3600))
    desk.add(content(seconds=3600), agreement="ola", name="Teams")
    with desk.entered():
        mail, web = TeamFactory(name="Mail"), TeamFactory(name="Web")
    ticket, other = desk.open(MONDAY), desk.open(MONDAY)
    desk.do(ticket, "assign", MONDAY + HOUR, team_id=mail.pk)
    desk.hold(ticket, MONDAY + 90 * MINUTE)
    desk.do(ticket, "resume", MONDAY + 2 * HOUR)
    desk.do(ticket, "assign", MONDAY + 4 * HOUR, team_id=web.pk, assignee_id=None)
    for each in (ticket, other):
        desk.resolve(each, MONDAY + 5 * HOUR)

    found = api(desk.agent).get(f"{BREAKDOWN}?period=2026-03").json()
    assert found["totals"] == {"timers": 2, "counted_seconds": 34_200, "waiting_seconds": 1800}
    assert [
        (row["name"], row["tickets"], row["counted_seconds"], row["waiting_seconds"]) for row in found["results"]
    ] == [
        ("Mail", 1, 9000, 1800),
        ("Web", 1, 3600, 0),
        ("", 2, 21_600, 0),
    ]
    assert sum(row["counted_seconds"] for row in found["results"]) == found["totals"]["counted_seconds"]
    assert [
        (row["name"], row["agreement"], row["timers"], row["met"], row["missed"], row["counted_seconds"])
        for row in found["agreements"]
    ] == [("Mail", "ola", 1, 0, 1, 9000), ("Web", "ola", 1, 1, 0, 3600)]


def test_the_hands_by_person_and_what_is_refused(desk, api):
    desk.only(content(seconds=8 * 3600))
    ticket = desk.open(MONDAY)
    desk.do(ticket, "assign", MONDAY + HOUR, assignee_id=desk.agent.pk)
    desk.resolve(ticket, MONDAY + 3 * HOUR)
    agent = api(desk.agent)

    rows = agent.get(f"{BREAKDOWN}?group_by=person&period=2026-03").json()["results"]

    assert [(row["group"], row["name"], row["counted_seconds"]) for row in rows] == [
        (str(desk.agent.pk), desk.agent.full_name, 7200),
        (None, "", 3600),
    ]
    assert agent.get(f"{BREAKDOWN}?period=2026-04").json()["totals"]["timers"] == 0
    assert "team, person" in agent.get(f"{BREAKDOWN}?group_by=policy").json()["detail"]
    assert api(desk.requester).get(BREAKDOWN).status_code == 403
