"""What other desks' users reported of automatic assignment, each report a test."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core.errors import Conflict
from apps.tickets.assignment import draining
from tests import factories
from tests.conftest import IS_FULL_RUN
from tests.core.racing import at_once
from tests.tickets.assignment.teams import desk_of


def test_chatwoot_10376_what_waited_is_given_out_oldest_first_before_what_comes_later(desk, agents):
    (ann,) = agents("ann", capacity=1)
    held = desk.opens()
    waiting = [desk.opens() for _ in range(3)]
    assert desk.owners([held, *waiting]) == [ann, None, None, None]

    desk.resolves(held, by=ann)
    later = desk.opens()
    desk.delivers()

    assert desk.owners([*waiting, later]) == [ann, None, None, None]
    desk.resolves(waiting[0], by=ann)
    desk.delivers()
    assert desk.owners([*waiting, later]) == [ann, ann, None, None]


def test_chatwoot_10583_when_everybody_is_full_it_waits_and_is_given_out_when_somebody_has_room(desk, agents):
    ann, ben = agents("ann", "ben", capacity=1)
    first, second, third = (desk.opens() for _ in range(3))
    assert desk.owners([first, second, third]) == [ann, ben, None]

    desk.resolves(second, by=ben)
    desk.delivers()

    assert desk.owner(third) == ben


def test_chatwoot_11034_what_waited_for_somebody_to_come_is_dealt_in_turns_though_it_is_dealt_at_one_instant(
    desk, agents
):
    """Of equal turns the first by id would get all of it."""
    ann, ben, cid = agents("ann", "ben", "cid", presence="offline")
    waiting = [desk.opens() for _ in range(9)]
    for agent in (ann, ben, cid):
        desk.says(agent, "available")

    desk.a_minute_passes()

    owners = desk.owners(waiting)
    assert [owners.count(agent) for agent in (ann, ben, cid)] == [3, 3, 3]
    # And the next one goes to whoever was first, who is longest without.
    assert desk.owner(desk.opens()) == owners[6]


def test_chatwoot_10583_the_most_urgent_of_what_waits_comes_first(desk, agents):
    (ann,) = agents("ann", capacity=1)
    held, calm, urgent = desk.opens(), desk.opens(), desk.opens(impact=1, urgency=1)

    desk.resolves(held, by=ann)
    desk.delivers()

    assert desk.owners([calm, urgent]) == [None, ann]


def test_chatwoot_10376_pages_of_what_nobody_can_do_hold_up_nobody(desk, agents, monkeypatch):
    monkeypatch.setattr(draining, "PAGE", 2)
    (ann,) = agents("ann", presence="offline", capacity=5)
    with desk.tenant.entered():
        skill = factories.SkillFactory()
        factories.AssignmentRuleFactory(team=desk.team, match={"source": ["phone"]}, skills=[{"skill": str(skill.pk)}])
    at = timezone.now()
    beyond = [desk.opens(at=at, source="phone", impact=1, urgency=1) for _ in range(5)]
    plain = [desk.opens(at=at + timedelta(minutes=place)) for place in range(3)]
    desk.says(ann, "available")

    assert desk.a_minute_passes().given == 3

    assert desk.owners([*beyond, *plain]) == [None] * 5 + [ann] * 3


@pytest.mark.parametrize("method", ["round_robin", "least_loaded"])
def test_chatwoot_11034_work_is_spread_evenly_over_those_who_are_there(desk, agents, method):
    desk.changes(method=method)
    people = agents("ann", "ben", "cem", capacity=4)

    owners = desk.owners([desk.opens() for _ in range(12)])

    assert sorted(owners.count(person) for person in people) == [4, 4, 4]


def test_chatwoot_7204_what_was_offered_goes_back_a_minute_after_its_person_went_offline(desk, agents):
    ann, ben = agents("ann", "ben")
    ticket = desk.opens()
    assert desk.owner(ticket) == ann
    desk.says(ann, "offline")

    at = timezone.now()
    desk.a_minute_passes(at + timedelta(seconds=50))
    assert desk.owner(ticket) == ann
    desk.a_minute_passes(at + timedelta(seconds=62))

    assert desk.owner(ticket) == ben
    assert desk.told(ticket, "passed_on")["because"] == "offline"
    # Who had it hears that they have it no more.
    assert desk.tells(ticket, "passed_on") == [str(ann.pk)]
    assert desk.placement(ticket).passed == []


def test_chatwoot_7204_whoever_is_back_within_the_minute_keeps_it(desk, agents):
    ann, _ = agents("ann", "ben")
    ticket = desk.opens()
    desk.says(ann, "offline")
    desk.says(ann, "available")

    desk.a_minute_passes(timezone.now() + timedelta(minutes=2))

    assert desk.owner(ticket) == ann


def test_chatwoot_7204_accepted_work_is_kept_unless_the_team_wants_it_back(desk, agents):
    ann, ben = agents("ann", "ben")
    ticket = desk.opens()
    desk.does(ticket, "claim", by=ann)
    desk.says(ann, "offline", minutes_ago=5)

    desk.a_minute_passes()
    assert desk.owner(ticket) == ann
    desk.changes(hands_back="all")
    desk.a_minute_passes()

    assert desk.owner(ticket) == ben


def test_chatwoot_7204_with_nobody_online_it_is_nobodys_rather_than_an_absent_persons(desk, agents):
    (ann,) = agents("ann")
    ticket = desk.opens()
    desk.says(ann, "offline", minutes_ago=5)

    desk.a_minute_passes(timezone.now() + timedelta(minutes=2))

    assert desk.owner(ticket) is None
    assert desk.placement(ticket).waiting_since is not None


def test_chatwoot_4158_and_9587_what_returns_goes_to_its_last_owner_only_while_they_are_there(desk, agents):
    ann, ben = agents("ann", "ben")
    kept, moved = desk.opens(), desk.opens(assignee_id=ann.pk)
    for ticket in (kept, moved):
        desk.resolves(ticket, by=ann)

    desk.does(kept, "reopen", reason="It is back")
    assert desk.owner(kept) == ann
    desk.says(ann, "offline")
    desk.does(moved, "reopen", reason="It is back")

    assert desk.owner(moved) == ben


def test_chatwoot_5672_with_nobody_online_nothing_is_lost_and_a_team_may_do_without_presence(desk, agents):
    (ann,) = agents("ann", presence="offline")
    ticket = desk.opens()
    assert desk.owner(ticket) is None

    desk.a_minute_passes()
    assert desk.owner(ticket) is None
    desk.changes(needs_presence=False)
    desk.a_minute_passes()

    assert desk.owner(ticket) == ann


def test_chatwoot_10685_whoever_comes_online_gets_what_waits_up_to_their_capacity(desk, agents, api):
    (ann,) = agents("ann", presence="offline", capacity=2)
    tickets = [desk.opens() for _ in range(3)]

    assert api(ann).patch("/api/v1/auth/presence/", {"status": "available"}).status_code == 200
    desk.delivers()

    assert desk.owners(tickets) == [ann, ann, None]


def test_zammad_3156_of_two_who_open_it_at_once_one_has_it_and_the_other_is_told_who(fresh_database, desk, agents):
    ann, ben = agents("ann", "ben", presence="offline")
    ticket = desk.opens()

    def take(person):
        try:
            desk.does(ticket, "claim", by=person)
        except Conflict as refusal:
            return refusal.code
        return person

    answers = at_once([lambda: take(ann), lambda: take(ben)])

    assert sorted(map(str, answers)).count("already_claimed") == 1
    assert desk.owner(ticket) in answers


def test_zammad_3156_a_claim_and_the_queue_at_once_leave_one_owner(fresh_database, desk, agents):
    ann, ben = agents("ann", "ben", presence="offline")
    rounds = 10 if IS_FULL_RUN else 3
    for _ in range(rounds):
        ticket = desk.opens()
        desk.says(ben, "available")

        def claim(ticket=ticket):
            try:
                desk.does(ticket, "claim", by=ann)
            except Conflict as refusal:
                return refusal.code
            return "claimed"

        answers = at_once([claim, lambda: desk.a_minute_passes().given])
        # What the queue has only offered may still be claimed.
        assert tuple(answers) in {("claimed", 0), ("claimed", 1), ("already_claimed", 1)}
        assert desk.owner(ticket) == (ann if answers[0] == "claimed" else ben)
        desk.says(ben, "offline")


def test_zammad_4308_a_team_that_does_not_ask_for_it_gives_its_work_out_by_hand(acme, desk, agents):
    agents("ann")
    other = desk_of(acme, "Network", is_active=False)
    other.join("nora")

    ticket = other.opens()
    other.a_minute_passes()

    assert other.owner(ticket) is None


def test_freescout_5429_nobody_gets_work_while_out_of_office(desk, agents):
    ann, ben = agents("ann", "ben")
    now = timezone.now()
    with desk.tenant.entered():
        factories.AbsenceFactory(user=ann, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(days=1))

    tickets = [desk.opens() for _ in range(2)]

    assert desk.owners(tickets) == [ben, ben]
    assert [each["why_not"] for each in desk.told(tickets[0], "created")["considered"]] == [None, "out_of_office"]


def test_freescout_5429_an_offer_goes_on_when_its_person_goes_on_holiday(desk, agents):
    ann, ben = agents("ann", "ben")
    ticket = desk.opens()
    now = timezone.now()
    with desk.tenant.entered():
        factories.AbsenceFactory(user=ann, starts_at=now, ends_at=now + timedelta(days=1))

    desk.a_minute_passes(now + timedelta(seconds=1))

    assert desk.owner(ticket) == ben


def test_freescout_3684_whoever_has_the_least_comes_first_weighted_by_priority(desk, agents):
    ann, ben = agents("ann", "ben")
    desk.opens(assignee_id=ann.pk, impact=1, urgency=1)
    for _ in range(3):
        desk.opens(assignee_id=ben.pk)

    # Four of the weight of one: a P1 is more than three of the least.
    assert desk.owner(desk.opens()) == ben
