"""What time does to a ticket that nobody touches, step by step."""

from datetime import timedelta

import pytest

from apps.tickets import conversation, services, verbs
from apps.tickets.closing import configuring, countdowns, sweeping, terms
from apps.tickets.models import Countdown, Ticket
from tests.tickets.closing.conftest import DAY, HOUR, MONDAY, SOLVED

ASKING, CLOSING, UNTIL = "asking", "closing", "until"
SECOND = timedelta(seconds=1)


def test_a_requester_who_says_nothing_is_reminded_twice_and_the_ticket_resolved_without_an_answer(desk):
    ticket = desk.asked()

    desk.hourly(ASKING, MONDAY, MONDAY + 12 * DAY)

    assert desk.told(ticket, "reminded", "resolved") == [
        ("reminded", MONDAY + 2 * DAY),
        ("reminded", MONDAY + 4 * DAY),
        ("resolved", MONDAY + 9 * DAY),
    ]
    first, second, end = desk.facts(ticket, "reminded", "resolved")
    assert (first.data["number"], first.data["of"], first.data["users"]) == (1, 2, [str(desk.requester.pk)])
    assert first.data["resolves_at"] == (MONDAY + 9 * DAY).isoformat()
    assert (second.data["number"], second.data["days"], second.data["unit"]) == (2, 4, "business")
    assert (end.actor_kind, end.data["because"], end.data["days"]) == ("system", "no_answer", 7)
    now = desk.now(ticket)
    assert (now.status, now.resolution_code, now.hold_reason) == ("resolved", "no_resolution_provided", "")
    assert now.resolution_notes == "No answer within 7 business days."


def test_what_is_resolved_is_announced_once_and_closed_on_the_first_hour_after_five_business_days(desk):
    at = MONDAY + timedelta(minutes=10)
    ticket = desk.resolved(at)

    desk.hourly(CLOSING, MONDAY, MONDAY + 10 * DAY)

    assert desk.told(ticket, "closing_announced", "closed") == [
        ("closing_announced", MONDAY + 3 * DAY + HOUR),
        ("closed", MONDAY + 7 * DAY + HOUR),
    ]
    announced, closed = desk.facts(ticket, "closing_announced", "closed")
    assert announced.data["users"] == [str(desk.requester.pk)]
    assert announced.data["closes_at"] == (at + 7 * DAY).isoformat()
    assert (closed.actor_kind, closed.data["because"], closed.data["days"]) == ("system", "no_objection", 5)
    assert (desk.now(ticket).status, desk.now(ticket).closed_at) == ("closed", MONDAY + 7 * DAY + HOUR)
    assert desk.countdown(ticket) is None


def test_what_was_scheduled_goes_on_at_the_very_minute(desk):
    ticket, until = desk.open(), MONDAY + DAY
    desk.do(ticket, "hold", MONDAY, reason="scheduled", until=until)

    assert desk.sweep(UNTIL, until - SECOND) == 0
    assert desk.now(ticket).status == "on_hold"
    assert desk.sweep(UNTIL, until) == 1
    assert desk.sweep(UNTIL, until + HOUR) == 0

    now = desk.now(ticket)
    assert (now.status, now.hold_reason, now.hold_until) == ("in_progress", "", None)
    resumed = desk.facts(ticket, "resumed")
    assert [(each.actor_kind, each.data["because"], each.at) for each in resumed] == [
        ("system", "time_has_come", until)
    ]


def test_the_owner_of_what_waits_for_a_vendor_until_a_day_is_told_once_that_it_has_come(desk):
    ticket, until = desk.open(assignee_id=desk.agent.pk), MONDAY + DAY
    desk.do(ticket, "hold", MONDAY, reason="awaiting_vendor", until=until)

    assert [desk.sweep(UNTIL, until + hours * HOUR) for hours in range(3)] == [1, 0, 0]

    assert desk.now(ticket).status == "on_hold"
    (told,) = desk.facts(ticket, "hold_due")
    assert (told.data["users"], told.data["reason"]) == ([str(desk.agent.pk)], "awaiting_vendor")


def test_an_answer_ends_the_waiting_and_another_question_begins_it_anew(desk):
    ticket = desk.asked()
    desk.sweep(ASKING, MONDAY + 2 * DAY)

    desk.say(ticket, desk.requester, MONDAY + 3 * DAY)
    assert (desk.now(ticket).status, desk.countdown(ticket)) == ("in_progress", None)
    again = MONDAY + 7 * DAY
    desk.do(ticket, "hold", again, reason="awaiting_requester", comment="And now?")

    row = desk.countdown(ticket)
    assert (row.since, row.given, row.due_at) == (again, 0, again + 2 * DAY)


def test_the_desks_own_question_in_between_gives_the_requester_as_long_again(desk):
    ticket, asked = desk.asked(), MONDAY + DAY
    desk.sweep(ASKING, MONDAY + 2 * DAY)

    desk.say(ticket, desk.agent, asked + 2 * DAY, visibility="internal")
    assert desk.countdown(ticket).since == MONDAY
    desk.say(ticket, desk.agent, asked + 2 * DAY)

    row = desk.countdown(ticket)
    assert (row.since, row.given, row.last_given_at, row.due_at) == (asked + 2 * DAY, 0, None, asked + 6 * DAY)


def test_a_note_that_is_made_public_is_a_further_question_and_a_change_of_public_words_is_none(desk):
    ticket, shown = desk.asked(), MONDAY + 3 * DAY
    note = desk.say(ticket, desk.agent, MONDAY + DAY, "Which error?", visibility="internal")
    desk.sweep(ASKING, MONDAY + 2 * DAY)

    with desk.entered():
        conversation.edit_comment(note, actor=desk.acting(desk.agent), at=shown, visibility="public")
    row = desk.countdown(ticket)
    assert (row.since, row.given, row.due_at) == (shown, 0, shown + 4 * DAY)

    with desk.entered():
        note.refresh_from_db()
        conversation.edit_comment(note, actor=desk.acting(desk.agent), at=shown + DAY, body="Which one?")
    assert desk.countdown(ticket).since == shown


def test_a_colleagues_note_that_is_made_public_is_the_word_of_whoever_publishes_it(desk, carol):
    ticket, shown = desk.asked(), MONDAY + 3 * DAY
    note = desk.say(ticket, desk.agent, MONDAY + DAY, "Which error?", visibility="internal")

    with desk.entered():
        conversation.edit_comment(note, actor=desk.acting(carol), at=shown, visibility="public")
    assert (desk.countdown(ticket).since, desk.now(ticket).responded_at) == (shown, shown)
    assert desk.facts(ticket, "comment_edited")[-1].data["voice"] == "desk"

    with desk.entered():
        note.refresh_from_db()
        conversation.edit_comment(note, actor=desk.acting(carol), at=shown + DAY, body="Which one?")
    assert desk.countdown(ticket).since == shown
    assert "voice" not in desk.facts(ticket, "comment_edited")[-1].data


def test_the_owner_of_what_waits_for_its_requester_until_a_day_is_told_once_and_the_reminders_go_on(desk):
    ticket, until = desk.open(assignee_id=desk.agent.pk), MONDAY + 3 * DAY
    desk.do(ticket, "hold", MONDAY, reason="awaiting_requester", comment="And now?", until=until)

    desk.hourly(ASKING, MONDAY, MONDAY + 5 * DAY)

    assert desk.told(ticket, "reminded", "hold_due", "resumed") == [
        ("reminded", MONDAY + 2 * DAY),
        ("hold_due", until),
        ("reminded", MONDAY + 4 * DAY),
    ]
    (told,) = desk.facts(ticket, "hold_due")
    assert (told.data["users"], told.data["reason"]) == ([str(desk.agent.pk)], "awaiting_requester")
    # Who hears of it is its owner, so the requester's own reminders are counted as ever.
    row = desk.countdown(ticket)
    assert (row.given, row.recalled_at, row.due_at) == (2, until, MONDAY + 9 * DAY)
    assert desk.now(ticket).status == "on_hold"


def test_comments_do_not_put_off_the_closing_which_counts_from_the_resolution(desk):
    ticket = desk.resolved()

    desk.say(ticket, desk.agent, MONDAY + 4 * DAY)
    desk.sweep(CLOSING, MONDAY + 6 * DAY)
    desk.sweep(CLOSING, MONDAY + 8 * DAY)

    assert desk.now(ticket).status == "closed"


@pytest.mark.parametrize("verb", ["reopen", "close"])
def test_whoever_reopens_or_closes_it_ends_the_countdown(desk, verb):
    ticket = desk.resolved()

    desk.do(ticket, verb, MONDAY + HOUR, **({"reason": "Still down"} if verb == "reopen" else {}))

    assert desk.countdown(ticket) is None
    assert desk.sweep(CLOSING, MONDAY + 30 * DAY) == 0


def test_the_last_resolution_counts_when_it_was_reopened_in_between(desk):
    ticket, again = desk.resolved(), MONDAY + 2 * DAY
    desk.do(ticket, "reopen", MONDAY + DAY, reason="Still down")
    desk.do(ticket, "resolve", again, **SOLVED)

    desk.hourly(CLOSING, again, again + 9 * DAY)

    assert desk.told(ticket, "closed") == [("closed", again + 7 * DAY)]


def test_no_major_incident_is_ended_by_time_and_one_that_is_none_any_more_is(desk):
    major, former = desk.resolved(), desk.resolved()
    with desk.entered():
        Ticket.objects.filter(pk=major.pk).update(is_major=True, major_status="accepted")

    desk.hourly(CLOSING, MONDAY + 2 * DAY, MONDAY + 9 * DAY)
    assert (desk.now(major).status, desk.now(former).status) == ("resolved", "closed")
    assert desk.told(major, "closing_announced", "closed") == []
    assert desk.countdown(major).due_at is None


def test_what_is_deleted_is_left_alone_until_it_is_restored(desk):
    ticket = desk.resolved()
    with desk.entered():
        services.delete(ticket, actor=desk.tenant.system, at=MONDAY + DAY)
    assert (desk.sweep(CLOSING, MONDAY + 30 * DAY), desk.countdown(ticket).due_at) == (0, None)
    with desk.entered():
        services.restore(ticket, actor=desk.tenant.system, at=MONDAY + 30 * DAY)

    # Announced late, so closed a day after it.
    assert desk.sweep(CLOSING, MONDAY + 30 * DAY) == 1
    assert desk.sweep(CLOSING, MONDAY + 31 * DAY - SECOND) == 0
    assert desk.sweep(CLOSING, MONDAY + 31 * DAY) == 1
    assert desk.now(ticket).status == "closed"


def test_what_was_announced_before_it_was_deleted_is_announced_once_more_when_it_is_restored(desk):
    ticket, back = desk.resolved(), MONDAY + 30 * DAY
    desk.sweep(CLOSING, MONDAY + 3 * DAY)
    with desk.entered():
        services.delete(ticket, actor=desk.tenant.system, at=MONDAY + 4 * DAY)
        services.restore(ticket, actor=desk.tenant.system, at=back)

    desk.hourly(CLOSING, back, back + 2 * DAY)

    assert desk.told(ticket, "closing_announced", "closed") == [
        ("closing_announced", MONDAY + 3 * DAY),
        ("closing_announced", back),
        ("closed", back + DAY),
    ]


def test_what_is_restored_where_nothing_is_announced_is_there_for_a_day_before_it_is_ended(desk):
    desk.terms(warn_after=0, remind_after=[])
    tickets, back = (desk.resolved(), desk.asked()), MONDAY + 30 * DAY
    with desk.entered():
        for ticket in tickets:
            services.delete(ticket, actor=desk.tenant.system, at=MONDAY + DAY)
            services.restore(ticket, actor=desk.tenant.system, at=back)

    for purpose in (CLOSING, ASKING):
        assert desk.sweep(purpose, back + DAY - SECOND) == 0
        assert desk.sweep(purpose, back + DAY) == 1
    assert [desk.now(ticket).status for ticket in tickets] == ["closed", "resolved"]


def test_what_comes_before_a_parent_is_looked_at_again_comes_in_time_and_is_foretold_in_order(desk):
    parent, until = desk.open(assignee_id=desk.agent.pk), MONDAY + 9 * DAY + 5 * HOUR
    desk.open(parent_id=parent.pk)
    desk.do(parent, "hold", MONDAY, reason="awaiting_requester", comment="And?", until=until)

    desk.hourly(ASKING, MONDAY + 4 * DAY, MONDAY + 9 * DAY + HOUR)
    assert foretold(desk, parent) == [("recall", until), ("resolve", until)]
    desk.hourly(ASKING, MONDAY + 9 * DAY + 2 * HOUR, until + HOUR)

    assert desk.told(parent, "hold_due") == [("hold_due", until)]
    (again,) = foretold(desk, parent)
    assert until < again[1] <= until + DAY + HOUR


def test_what_other_terms_counted_puts_nothing_off(desk):
    ticket = desk.asked()
    desk.terms(answer_days="calendar", remind_after=[], resolve_after=1)

    assert foretold(desk, ticket) == [("resolve", MONDAY + DAY)]


def foretold(desk, ticket):
    with desk.entered():
        steps = countdowns.foretold(desk.countdown(ticket), desk.now(ticket), terms.current())
    return [(step.doing.value, step.at) for step in steps]


def test_a_parent_is_not_resolved_for_one_persons_silence_while_others_hang_below_it(desk):
    parent = desk.asked()
    child = desk.open(parent_id=parent.pk)

    desk.hourly(ASKING, MONDAY + 4 * DAY, MONDAY + 13 * DAY)
    assert desk.now(parent).status == "on_hold"
    with desk.entered():
        steps = countdowns.foretold(desk.countdown(parent), desk.now(parent), terms.current())
    # When it is looked at again, rather than a day that has passed.
    assert [(step.doing.value, step.at) for step in steps] == [("resolve", MONDAY + 14 * DAY)]
    desk.do(child, "resolve", MONDAY + 13 * DAY, **SOLVED)
    desk.hourly(ASKING, MONDAY + 13 * DAY, MONDAY + 14 * DAY + HOUR)

    assert desk.now(parent).status == "resolved"


def test_other_terms_count_for_what_waits_already(desk):
    ticket = desk.resolved()

    desk.terms(close_days="calendar", warn_after=0, close_after=1)
    assert desk.sweep(CLOSING, MONDAY + DAY - SECOND) == 0
    assert desk.sweep(CLOSING, MONDAY + DAY) == 1
    assert desk.now(ticket).status == "closed"


def test_switched_off_nothing_happens_and_switched_on_again_what_waits_has_its_turn(desk):
    ticket = desk.resolved()

    desk.terms(warn_after=0, close_after=0)
    assert desk.sweep(CLOSING, MONDAY + 30 * DAY) == 0
    desk.terms(close_after=5)
    assert desk.sweep(CLOSING, MONDAY + 30 * DAY) == 1
    assert desk.now(ticket).status == "closed"


def test_a_holiday_that_is_entered_later_puts_the_closing_off(desk):
    calendar = desk.calendar(time_zone="UTC")
    desk.terms(calendar_id=calendar.pk, warn_after=0)
    ticket = desk.resolved(MONDAY + HOUR)
    from apps.organizations import calendar_records
    from apps.organizations.models import BusinessCalendar

    assert desk.countdown(ticket).due_at == MONDAY + HOUR + 7 * DAY
    with desk.entered():
        locked = BusinessCalendar.objects.select_for_update().get(pk=calendar.pk)
        exceptions = [{"date": "2026-03-09", "kind": "closed"}]
        calendar_records.change_calendar(locked, actor=desk.tenant.system, at=MONDAY, values={"exceptions": exceptions})

    assert desk.sweep(CLOSING, MONDAY + HOUR + 7 * DAY) == 0
    assert desk.countdown(ticket).due_at == MONDAY + HOUR + 8 * DAY


def test_one_ticket_that_fails_keeps_no_other_from_its_turn(desk, monkeypatch):
    tickets = [desk.resolved() for _ in range(3)]
    desk.terms(warn_after=0, close_days="calendar")
    broken, close = tickets[1].pk, verbs.SHARED["close"]

    def fails_for_one(ticket, **given):
        if ticket.pk == broken:
            raise RuntimeError("its row is damaged")
        return close(ticket, **given)

    monkeypatch.setitem(verbs.SHARED, "close", fails_for_one)
    with pytest.raises(ExceptionGroup) as failed:
        desk.sweep(CLOSING, MONDAY + 5 * DAY)

    assert [failure.__notes__ for failure in failed.value.exceptions] == [[f"ticket {broken}"]]
    assert [desk.now(ticket).status for ticket in tickets] == ["closed", "resolved", "closed"]
    monkeypatch.undo()
    assert desk.sweep(CLOSING, MONDAY + 5 * DAY) == 1


def test_the_sweep_visits_every_organization_and_goes_batch_by_batch(desk, globex, monkeypatch):
    monkeypatch.setattr(sweeping, "BATCH", 2)
    tickets = [desk.resolved() for _ in range(5)]
    desk.terms(warn_after=0, close_days="calendar")

    assert sweeping.sweep(CLOSING, lambda: MONDAY + 5 * DAY) == 5
    assert {desk.now(ticket).status for ticket in tickets} == {"closed"}
    with desk.entered():
        assert Countdown.objects.count() == 0


def test_the_timeline_tells_each_automatic_step_with_its_reason_also_to_the_requester(desk, api):
    ticket = desk.asked()
    desk.hourly(ASKING, MONDAY, MONDAY + 9 * DAY)
    desk.hourly(CLOSING, MONDAY + 9 * DAY, MONDAY + 17 * DAY)

    answer = api(desk.requester).get(f"/api/v1/tickets/{ticket.pk}/timeline/").json()["results"]

    told = [entry["summary"] for entry in answer if entry["actor"]["name"] == "The platform"]
    assert told[-5:] == [
        "The platform reminded its requester (1 of 2), after 2 business days; without an answer it is resolved on"
        " 2026-03-11 at 09:00 UTC",
        "The platform reminded its requester (2 of 2), after 4 business days; without an answer it is resolved on"
        " 2026-03-11 at 09:00 UTC",
        "The platform resolved it: its requester gave no answer within 7 business days",
        "The platform told its requester, after 3 business days, that it will be closed; without an objection it is closed"
        " on 2026-03-18 at 09:00 UTC",
        "The platform closed it: nobody objected within 5 business days of its resolution",
    ]


def test_an_organization_older_than_its_terms_counts_by_its_office_hours_from_the_first_look_on(desk):
    office = desk.calendar(name="Office hours")
    with desk.entered():
        made = configuring.settings(desk.tenant.id, at=MONDAY)

        assert (made.calendar_id, made.version) == (office.pk, 1)
        assert configuring.settings(desk.tenant.id, at=MONDAY + DAY).pk == made.pk
