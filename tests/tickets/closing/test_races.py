"""A reply, a reopening, a resumption against what time does, each on a connection of its own, in both orders."""

import time
from threading import Event

import pytest

from apps.tickets import conversation, verbs
from apps.tickets.closing import acting, sweeping
from apps.tickets.models import Comment, Countdown
from tests.core.racing import at_once
from tests.tickets.closing.conftest import DAY, MONDAY

# What the first one's transaction stays open for, after it did what it does.
HELD_SECONDS = 0.8
DUE = {"closing": MONDAY + 5 * DAY, "asking": MONDAY + 7 * DAY, "until": MONDAY + DAY}


def prepared(desk, purpose):
    """One ticket of which the last step of this purpose is due, counted by calendar days and without notices."""
    desk.terms(
        answer_days="calendar", close_days="calendar", warn_after=0, remind_after=[], close_after=5, resolve_after=7
    )
    if purpose == "closing":
        return desk.resolved()
    if purpose == "asking":
        return desk.asked()
    ticket = desk.open()
    desk.do(ticket, "hold", MONDAY, reason="scheduled", until=MONDAY + DAY)
    return ticket


def one_behind_the_other(desk, first, second):
    """`first` in a transaction that stays open for a while, `second` begun in the meantime."""
    is_done = Event()

    def hold():
        with desk.entered():
            first()
            is_done.set()
            time.sleep(HELD_SECONDS)

    def follow():
        assert is_done.wait(30)
        second()

    at_once([hold, follow])


def by_time(desk, ticket, purpose):
    return lambda: acting.take(ticket.pk, purpose, at=DUE[purpose])


def by_person(desk, ticket, what, at):
    requester, agent = desk.acting(desk.requester), desk.acting(desk.agent)

    def say():
        conversation.add_comment(ticket, actor=requester, at=at, body="It is still down.", visibility="public")

    def do(verb, actor, **given):
        return lambda: verbs.do(ticket, verb, actor=actor, at=at, **given)

    return {
        "reply": say,
        "reopen": do("reopen", requester, reason="Still down"),
        "resume": do("resume", agent),
    }[what]


def in_tenant(desk, act):
    def run():
        with desk.entered():
            act()

    return run


@pytest.mark.parametrize(
    ("purpose", "what", "past"),
    [
        ("closing", "reply", "closed"),
        ("closing", "reopen", "closed"),
        ("asking", "reply", "resolved"),
        ("asking", "resume", "resolved"),
        ("until", "resume", "resumed"),
    ],
)
def test_helpdesk_ai_3140_whoever_was_first_is_heard_and_time_does_nothing(fresh_database, desk, purpose, what, past):
    ticket, at = prepared(desk, purpose), DUE[purpose]
    with desk.entered():
        act = by_person(desk, ticket, what, at)

    one_behind_the_other(desk, act, lambda: desk.sweep(purpose, at))

    assert desk.sweep(purpose, at) == 0
    assert desk.now(ticket).status == "in_progress"
    by_the_platform = [fact for fact in desk.facts(ticket, past) if "days" in fact.data]
    assert by_the_platform == []
    assert desk.countdown(ticket) is None


@pytest.mark.parametrize(("purpose", "what"), [("closing", "reply"), ("closing", "reopen"), ("asking", "reply")])
def test_the_words_of_the_same_second_win_also_over_what_time_did_just_before(fresh_database, desk, purpose, what):
    ticket, at = prepared(desk, purpose), DUE[purpose]
    with desk.entered():
        act = by_person(desk, ticket, what, at)

    one_behind_the_other(desk, by_time(desk, ticket, purpose), in_tenant(desk, act))

    assert (desk.now(ticket).status, desk.now(ticket).reopen_count) == ("in_progress", 1)
    assert desk.countdown(ticket) is None
    assert desk.sweep(purpose, at + DAY) == 0


def test_of_replies_at_once_on_what_is_closed_for_good_one_opens_the_follow_up_and_the_others_are_said_there(
    fresh_database, desk
):
    ticket, late = prepared(desk, "closing"), MONDAY + 30 * DAY
    desk.sweep("closing", DUE["closing"])

    at_once([lambda: desk.say(ticket, desk.requester, late, "It is down again.")] * 3)

    (made,) = desk.follow_ups(ticket)
    assert len(desk.facts(ticket, "followed_up")) == 1
    with desk.entered():
        assert Comment.objects.filter(ticket_id=ticket.pk).count() == 3
        assert Comment.objects.filter(ticket_id=made.pk).count() == 2


def test_three_sweepers_do_each_step_once(fresh_database, desk):
    desk.terms(close_days="calendar")
    tickets = [desk.resolved() for _ in range(12)]
    warned, closed = MONDAY + 3 * DAY, MONDAY + 5 * DAY

    first = at_once([lambda: desk.sweep("closing", warned)] * 3)
    second = at_once([lambda: desk.sweep("closing", closed)] * 3)

    assert (sum(first), sum(second)) == (12, 12)
    expected = [("closing_announced", warned), ("closed", closed)]
    assert [desk.told(ticket, "closing_announced", "closed") for ticket in tickets] == [expected] * 12
    with desk.entered():
        assert Countdown.objects.count() == 0


def test_other_terms_and_the_sweep_of_the_same_moment_lose_no_countdown(fresh_database, desk):
    tickets = [desk.resolved() for _ in range(6)]

    at_once(
        [
            lambda: desk.terms(close_days="calendar", warn_after=0, close_after=20),
            lambda: sweeping.sweep_organization(desk.tenant.id, "closing", MONDAY + DAY),
        ]
    )
    desk.sweep("closing", MONDAY + DAY)

    assert [desk.countdown(ticket).due_at for ticket in tickets] == [MONDAY + 20 * DAY] * 6
