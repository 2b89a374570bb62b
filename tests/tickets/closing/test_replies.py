"""Who reopens what by saying something: people do, machines never."""

from datetime import timedelta

import pytest

from apps.core.errors import Denied
from apps.tickets import timeline
from apps.tickets.closing.replies import is_only_thanks
from apps.tickets.models import Comment, Ticket
from tests import factories
from tests.tickets.closing.conftest import DAY, HOUR, MONDAY

CLOSING = "closing"


def closed_by_time(desk):
    desk.terms(warn_after=0, close_days="calendar", close_after=5)
    ticket = desk.resolved()
    assert desk.sweep(CLOSING, MONDAY + 5 * DAY) == 1
    return ticket


def test_the_requesters_reply_reopens_what_is_resolved_and_it_is_counted(desk):
    ticket = desk.resolved()

    comment = desk.say(ticket, desk.requester, MONDAY + HOUR, "It is still down.")

    now = desk.now(ticket)
    assert (now.status, now.reopen_count, now.resolved_at) == ("in_progress", 1, None)
    (fact,) = desk.facts(ticket, "reopened")
    assert (fact.actor_kind, fact.data["because"]) == ("system", str(comment.pk))
    assert (now.last_reopened_at, now.last_reopened_by_id) == (MONDAY + HOUR, None)


def test_osticket_1744_and_znu_138_an_automatic_reply_neither_reopens_nor_resumes_nor_closes_anything(desk):
    closed = closed_by_time(desk)
    resolved, asked = desk.resolved(), desk.asked()

    for ticket in (resolved, asked, closed):
        desk.say(ticket, desk.requester, MONDAY + 5 * DAY, "I am out of office.", is_automatic=True)

    assert [desk.now(ticket).status for ticket in (resolved, asked, closed)] == ["resolved", "on_hold", "closed"]
    assert desk.facts(resolved, "reopened") == desk.facts(closed, "reopened") == []
    # Nor does it count as an answer: the reminders go on.
    assert desk.countdown(asked).since == MONDAY


def test_a_watchers_or_colleagues_words_reopen_nothing(desk, carol):
    ticket = desk.resolved()

    desk.say(ticket, desk.agent, MONDAY + HOUR)
    desk.say(ticket, carol, MONDAY + HOUR)
    desk.say(ticket, desk.agent, MONDAY + HOUR, visibility="internal")

    assert desk.now(ticket).status == "resolved"


def test_an_organization_may_leave_it_to_the_agents(desk):
    desk.terms(reply_reopens=False)
    ticket = desk.resolved()

    desk.say(ticket, desk.requester, MONDAY + HOUR)

    assert desk.now(ticket).status == "resolved"


def test_what_was_resolved_for_want_of_an_answer_goes_on_with_the_answer_whatever_the_terms(desk):
    desk.terms(reply_reopens=False)
    ticket = desk.asked()
    desk.hourly("asking", MONDAY, MONDAY + 9 * DAY)
    assert desk.now(ticket).status == "resolved"

    desk.say(ticket, desk.requester, MONDAY + 10 * DAY, "Sorry, I was away. It still blinks.")

    assert (desk.now(ticket).status, desk.now(ticket).reopen_count) == ("in_progress", 1)


def test_a_requester_does_not_reopen_a_major_incident_by_talking(desk):
    ticket = desk.resolved()
    with desk.entered():
        Ticket.objects.filter(pk=ticket.pk).update(is_major=True, major_status="accepted")

    desk.say(ticket, desk.requester, MONDAY + HOUR)

    assert desk.now(ticket).status == "resolved"


def test_freescout_2626_thanks_reopen_nothing_where_the_organization_wants_it_so(desk):
    ticket = desk.resolved()
    desk.terms(ignores_thanks=True)

    desk.say(ticket, desk.requester, MONDAY + HOUR, "Thank you very much!")
    assert desk.now(ticket).status == "resolved"
    desk.say(ticket, desk.requester, MONDAY + HOUR, "Thanks, but it is still down.")
    assert desk.now(ticket).status == "in_progress"


def test_thanks_reopen_like_any_other_word_unless_somebody_chose_otherwise(desk):
    ticket = desk.resolved()

    desk.say(ticket, desk.requester, MONDAY + HOUR, "Thank you very much!")

    assert desk.now(ticket).status == "in_progress"


@pytest.mark.parametrize(
    ("body", "is_thanks"),
    [
        ("Thanks!", True),
        ("Vielen Dank und schönes Wochenende", True),
        ("Merci beaucoup", True),
        ("Thanks, that did not help", False),
        ("Thanks. When is it done?", False),
        ("Danke, aber es geht nicht", False),
        ("Thanks, error 500 now", False),
        ("Thanks " + "and a long story " * 10, False),
        ("It works", False),
    ],
)
def test_only_a_short_text_that_says_nothing_else_is_thanks(body, is_thanks):
    assert is_only_thanks(body) is is_thanks


def test_a_reply_that_was_on_the_way_while_the_platform_closed_it_wins(desk):
    ticket = closed_by_time(desk)

    desk.say(ticket, desk.requester, MONDAY + 5 * DAY + timedelta(seconds=1), "It is still down.")

    assert (desk.now(ticket).status, desk.now(ticket).reopen_count) == ("in_progress", 1)


def test_a_requesters_reopening_in_the_same_second_wins_over_the_closing_and_a_minute_later_does_not(desk, api):
    early, late = closed_by_time(desk), closed_by_time(desk)
    requester = desk.acting(desk.requester)
    desk.do(early, "reopen", MONDAY + 5 * DAY, actor=requester, reason="Still down")
    with pytest.raises(Denied):
        desk.do(late, "reopen", MONDAY + 5 * DAY + timedelta(seconds=61), actor=requester, reason="Still down")

    assert (desk.now(early).status, desk.now(late).status) == ("in_progress", "closed")


def test_a_later_reply_leaves_what_is_closed_closed(desk):
    ticket = closed_by_time(desk)

    desk.say(ticket, desk.requester, MONDAY + 6 * DAY)

    assert (desk.now(ticket).status, desk.follow_ups(ticket)) == ("closed", [])


def test_a_file_alone_is_an_answer_as_words_are_and_one_that_is_internal_or_a_colleagues_is_none(desk, carol):
    asked, resolved, theirs, hidden = desk.asked(), desk.resolved(), desk.asked(), desk.open(requester_id=carol.pk)
    desk.do(hidden, "hold", MONDAY, reason="awaiting_requester", comment="What do you see?")

    file = desk.send(asked, desk.requester, MONDAY + HOUR)
    desk.send(resolved, desk.requester, MONDAY + HOUR)
    desk.send(theirs, desk.agent, MONDAY + HOUR)
    desk.send(hidden, carol, MONDAY + HOUR, visibility="internal")

    tickets = (asked, resolved, theirs, hidden)
    assert [desk.now(ticket).status for ticket in tickets] == ["in_progress", "in_progress", "on_hold", "on_hold"]
    (fact,) = desk.facts(asked, "resumed")
    assert (fact.actor_kind, fact.data["because"]) == ("system", str(file.pk))
    assert [name for name, _ in desk.told(asked, "attached", "resumed")] == ["attached", "resumed"]
    assert desk.countdown(asked) is None


def test_the_file_of_a_comment_is_heard_with_the_comment_and_not_once_more(desk):
    ticket = desk.asked()
    comment = desk.say(ticket, desk.requester, MONDAY + HOUR, is_automatic=True)

    desk.send(ticket, desk.requester, MONDAY + HOUR, comment_id=comment.pk)

    assert desk.now(ticket).status == "on_hold"


def test_a_reply_on_what_is_closed_for_good_is_followed_up_by_a_ticket_that_later_replies_go_to(desk, alice):
    ticket, late = closed_by_time(desk), MONDAY + 5 * DAY + 15 * DAY
    desk.say(ticket, desk.requester, late, "Out of office.", is_automatic=True)
    desk.say(ticket, desk.agent, late, "For the record.")
    assert desk.follow_ups(ticket) == []

    comment = desk.say(ticket, desk.requester, late, "It is down again.")

    (made,) = desk.follow_ups(ticket)
    assert (made.title, made.description, made.status) == (ticket.title, "It is down again.", "new")
    assert (made.requester_id, made.kind, desk.now(ticket).status) == (desk.requester.pk, "incident", "closed")
    (fact,) = desk.facts(ticket, "followed_up")
    assert (fact.actor_kind, fact.data) == (
        "system",
        {
            "other": str(made.pk),
            "other_number": made.number,
            "because": str(comment.pk),
            "users": [str(desk.requester.pk)],
        },
    )
    (linked,) = desk.facts(made, "linked")
    assert (linked.data["link_type"], linked.data["other_number"]) == ("follow_up_of", ticket.number)
    (followed_up,) = desk.facts(ticket, "followed_up")
    with desk.entered():
        told = {
            reader: [
                each["summary"]
                for row, fact in ((ticket, followed_up), (made, linked))
                for each in timeline.told([fact], row, desk.acting(reader))
            ]
            for reader in (alice, desk.requester, factories.UserFactory())
        }
    why = "which follows it up: its requester wrote when it was closed for good"
    both = [
        f"The platform opened {made.number}, {why}",
        f"The platform linked it to {ticket.number}, which it follows up",
    ]
    # Whoever may not see the other one is not told its number.
    neither = [
        f"The platform opened a new ticket, {why}",
        "The platform linked it to another ticket, which it follows up",
    ]
    assert list(told.values()) == [both, both, neither]

    # What is said while that one is open is said there too, and resumes it.
    desk.do(made, "hold", late, reason="awaiting_requester", comment="Since when?")
    desk.say(ticket, desk.requester, late + HOUR, "Since noon.")
    desk.send(ticket, desk.requester, late + HOUR)
    with desk.entered():
        said = list(
            Comment.objects.filter(ticket_id=made.pk).order_by("created_at", "id").values_list("body", flat=True)
        )
    assert said == ["Since when?", "Since noon.", f"Sent a file on {ticket.number}."]
    assert (desk.now(made).status, len(desk.follow_ups(ticket))) == ("in_progress", 1)

    desk.do(made, "cancel", late + HOUR, reason="Found")
    desk.send(ticket, desk.requester, late + 2 * HOUR)
    assert [each.description for each in desk.follow_ups(ticket)][1:] == [f"Sent a file on {ticket.number}."]


def test_where_nothing_closed_is_reopened_words_that_were_on_the_way_are_followed_up_unless_they_are_mere_thanks(desk):
    desk.terms(reopen_within=0, ignores_thanks=True)
    ticket = closed_by_time(desk)

    desk.say(ticket, desk.requester, MONDAY + 5 * DAY + timedelta(seconds=1), "Thank you!")
    assert desk.follow_ups(ticket) == []
    desk.say(ticket, desk.requester, MONDAY + 5 * DAY + timedelta(seconds=2), "It is still down.")

    assert (desk.now(ticket).status, [each.status for each in desk.follow_ups(ticket)]) == ("closed", ["new"])


@pytest.mark.parametrize(
    ("terms", "body"), [({"reply_reopens": False}, "Still down"), ({"ignores_thanks": True}, "Thanks!")]
)
def test_what_was_on_the_way_follows_the_organizations_terms_as_before_the_closing(desk, terms, body):
    desk.terms(**terms)
    ticket = closed_by_time(desk)

    desk.say(ticket, desk.requester, MONDAY + 5 * DAY + timedelta(seconds=1), body)

    assert desk.now(ticket).status == "closed"
