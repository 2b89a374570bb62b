"""Offers that are not accepted: in time, three tries, then the lead."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import events
from tests import factories
from tests.tickets.assignment.teams import desk_of
from tests.tickets.desk import incident

P1 = {"impact": 1, "urgency": 1}


def test_a_p1_that_nobody_accepts_goes_on_every_five_minutes_and_after_three_tries_to_the_lead(desk, agents, alice):
    ann, ben, cem, lea = agents("ann", "ben", "cem", "lea", capacity=5)
    desk.leads(lea)
    desk.opens(assignee_id=lea.pk)
    begin = timezone.now()
    ticket = desk.opens(at=begin, **P1)
    owners = [desk.owner(ticket)]
    for minutes in (4, 5, 10, 15, 20, 25):
        desk.a_minute_passes(begin + timedelta(minutes=minutes, seconds=1))
        owners.append(desk.owner(ticket))

    assert owners == [ann, ann, ben, cem, lea, lea, lea]
    assert desk.placement(ticket).accept_by is None
    assert desk.story(ticket, by=alice)[-1] == (
        "The platform passed it on: Cem did not accept it in time; after 3 tries it goes to Lea, who leads the team"
    )


def test_when_everybody_was_asked_it_goes_to_the_lead_before_three_tries(desk, agents):
    ann, lea = agents("ann", "lea", capacity=1)
    desk.leads(lea)
    desk.opens(assignee_id=lea.pk)
    begin = timezone.now()
    ticket = desk.opens(at=begin, **P1)
    assert desk.owner(ticket) == ann

    desk.a_minute_passes(begin + timedelta(minutes=6))

    assert desk.owner(ticket) == lea


def test_whoever_begins_to_work_on_it_has_accepted_it(desk, agents, api):
    ann, ben = agents("ann", "ben")
    begin = timezone.now()
    claimed, said, held = (desk.opens(at=begin, assignee_id=None, **P1) for _ in range(3))
    assert desk.owners([claimed, said, held]) == [ann, ben, ann]

    api(ann).post(incident({"id": claimed.pk}, "claim"), {})
    api(ben).post(f"/api/v1/tickets/{said.pk}/comments/", {"body": "On it.", "visibility": "public"})
    api(ann).post(incident({"id": held.pk}, "hold"), {"reason": "awaiting_vendor"})
    desk.a_minute_passes(begin + timedelta(hours=3))

    assert desk.owners([claimed, said, held]) == [ann, ben, ann]
    assert [desk.placement(each).offered_to_id for each in (claimed, said, held)] == [None, None, None]


def test_a_word_of_somebody_else_accepts_nothing(desk, agents, api):
    _, ben = agents("ann", "ben")
    begin = timezone.now()
    ticket = desk.opens(at=begin, **P1)

    api(ben).post(f"/api/v1/tickets/{ticket.pk}/comments/", {"body": "Ann, you?", "visibility": "internal"})
    desk.a_minute_passes(begin + timedelta(minutes=6))

    assert desk.owner(ticket) == ben


def test_a_p3_waits_for_open_time_and_a_p5_for_ever(acme):
    with acme.entered():
        office = factories.BusinessCalendarFactory(
            time_zone="UTC", windows=[{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(5)]
        )
    desk = desk_of(acme, needs_presence=False)
    with acme.entered():
        desk.team.calendar = office
        desk.team.save()
    ann = desk.join("ann")
    friday = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)

    moderate = desk.opens(at=friday, impact=2, urgency=2)
    planned = desk.opens(at=friday)
    high = desk.opens(at=friday, impact=1, urgency=2)

    assert desk.owners([moderate, planned, high]) == [ann, ann, ann]
    assert [desk.placement(each).accept_by for each in (moderate, planned, high)] == [
        datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
        None,
        friday + timedelta(minutes=15),
    ]


def test_off_shift_nobody_gets_anything_and_at_nine_everything_is_given_out(acme):
    with acme.entered():
        office, late = (
            factories.BusinessCalendarFactory(
                time_zone="UTC", windows=[{"weekday": day, "start": start, "end": end} for day in range(5)]
            )
            for start, end in (("09:00", "17:00"), ("14:00", "22:00"))
        )
    desk = desk_of(acme, needs_presence=False)
    with acme.entered():
        desk.team.calendar = office
        desk.team.save()
    ann, ben = desk.join("ann"), desk.join("ben", calendar=late)
    monday = datetime(2026, 11, 23, tzinfo=UTC)

    night = desk.opens(at=monday + timedelta(hours=3))
    assert desk.owner(night) is None
    assert {each["why_not"] for each in desk.told(night, "created")["considered"]} == {"off_shift"}
    desk.a_minute_passes(monday + timedelta(hours=8, minutes=59))
    assert desk.owner(night) is None
    desk.a_minute_passes(monday + timedelta(hours=9))
    assert desk.owner(night) == ann

    assert desk.owner(desk.opens(at=monday + timedelta(hours=18))) == ben


def test_what_belongs_to_somebody_who_is_gone_goes_to_others_at_once(desk, agents, dan, api):
    ann, ben = agents("ann", "ben")
    ticket = desk.opens()
    desk.does(ticket, "claim", by=ann)

    assert api(dan).post(f"/api/v1/users/{ann.pk}/deactivate/", {}).status_code == 200
    desk.delivers()

    assert desk.owner(ticket) == ben
    assert desk.now(ticket).status == "in_progress"


def test_taken_away_by_hand_it_goes_to_somebody_else_and_by_hand_to_anybody_with_a_word_on_why_not(
    desk, agents, carol, api
):
    _, ben, cem = agents("ann", "ben", "cem")
    desk.says(cem, "away")
    ticket = desk.opens()
    address = incident({"id": ticket.pk}, "assign")

    assert api(carol).post(address, {"assignee": None}).json()["assignee"] == str(ben.pk)
    assert api(carol).post(address, {"assignee": str(cem.pk)}).json()["assignee"] == str(cem.pk)

    assert desk.story(ticket, by=carol)[-1] == "Carol assigned it to Cem; although Cem is away"
    assert desk.placement(ticket).offered_to_id is None


def test_another_teams_queue_finds_its_own_person_and_asks_everybody_anew(acme, desk, agents, carol, api):
    ann, ben = agents("ann", "ben")
    network = desk_of(acme, "Network")
    nora = network.join("nora")
    ticket = desk.opens()
    api(ann).post(incident({"id": ticket.pk}, "reject"), {"reason": "It is the network"})
    assert (desk.owner(ticket), desk.placement(ticket).passed) == (ben, [ann.pk])

    answer = api(carol).post(
        incident({"id": ticket.pk}, "escalate"), {"to": "functional", "team": str(network.team.pk), "reason": "lines"}
    )

    assert answer.json()["assignee"] == str(nora.pk)
    assert desk.placement(ticket).passed == []


def test_nobody_refuses_what_was_not_offered_to_them(desk, agents, api):
    ann, ben = agents("ann", "ben")
    ticket = desk.opens()

    for person, reason, status in ((ben, "Why me", 409), (ann, " ", 400)):
        answer = api(person).post(incident({"id": ticket.pk}, "reject"), {"reason": reason})
        assert answer.status_code == status, answer.json()
    api(ann).post(incident({"id": ticket.pk}, "accept"), {})
    assert api(ann).post(incident({"id": ticket.pk}, "reject"), {"reason": "Changed my mind"}).status_code == 409

    assert desk.owner(ticket) == ann


def test_history_is_assigned_to_nobody(desk, agents):
    agents("ann")
    with events.historic():
        ticket = desk.opens()

    assert desk.owner(ticket) is None


def test_a_colleague_may_begin_with_what_is_only_offered_and_nobody_with_what_is_accepted(desk, agents, api):
    ann, ben, cem = agents("ann", "ben", "cem")
    ticket = desk.opens()
    assert desk.owner(ticket) == ann

    taken = api(ben).post(incident({"id": ticket.pk}, "claim"), {})
    late = api(cem).post(incident({"id": ticket.pk}, "claim"), {})

    assert (taken.status_code, taken.json()["assignee"], taken.json()["status"]) == (200, str(ben.pk), "in_progress")
    assert (late.status_code, late.json()["code"], late.json()["owner"]) == (409, "already_claimed", str(ben.pk))
    assert desk.tells(ticket, "claimed") == [str(ann.pk)]


def test_without_a_lead_everybody_is_asked_anew_when_all_have_let_it_pass(desk, agents, alice):
    ann, ben = agents("ann", "ben", capacity=5)
    begin = timezone.now()
    ticket = desk.opens(at=begin, **P1)
    owners = [desk.owner(ticket)]
    for minutes in (5, 10, 15, 20):
        desk.a_minute_passes(begin + timedelta(minutes=minutes, seconds=minutes))
        owners.append(desk.owner(ticket))

    assert owners == [ann, ben, ann, ben, ann]
    assert desk.story(ticket, by=alice)[2] == (
        "The platform passed it on: Ben did not accept it in time; nobody has accepted it in 2 tries; "
        "it goes to Ann, the only one who can take it (not Ben: let it pass before)"
    )


def test_a_lead_who_lets_it_pass_as_the_last_is_asked_again_after_the_others(desk, agents):
    ann, lea = agents("ann", "lea", capacity=5)
    desk.leads(lea)
    begin = timezone.now()
    desk.opens(assignee_id=ann.pk)
    ticket = desk.opens(at=begin, **P1)
    assert desk.owner(ticket) == lea
    desk.says(ann, "away")
    desk.a_minute_passes(begin + timedelta(minutes=5, seconds=1))
    assert desk.owner(ticket) is None

    desk.says(ann, "available")
    desk.a_minute_passes(begin + timedelta(minutes=6))
    assert desk.owner(ticket) == ann
    desk.a_minute_passes(begin + timedelta(minutes=11, seconds=1))

    assert (desk.owner(ticket), desk.placement(ticket).accept_by) == (lea, None)


def test_the_only_one_who_refused_it_is_asked_again_after_a_rest(desk, agents, api):
    (ann,) = agents("ann")
    begin = timezone.now()
    ticket = desk.opens(at=begin, **P1)
    assert api(ann).post(incident({"id": ticket.pk}, "reject"), {"reason": "On the phone"}).status_code == 200
    desk.delivers()
    since = desk.placement(ticket).waiting_since

    desk.a_minute_passes(since + timedelta(minutes=14, seconds=59))
    assert desk.owner(ticket) is None
    desk.a_minute_passes(since + timedelta(minutes=15))

    assert (desk.owner(ticket), desk.placement(ticket).passed) == (ann, [])


def test_what_is_handed_back_does_not_overtake_what_is_more_urgent(desk, agents):
    (ann,) = agents("ann", capacity=1)
    low, urgent = desk.opens(), desk.opens(**P1)
    assert desk.owners([low, urgent]) == [ann, None]
    (ben,) = agents("ben", capacity=1)
    now = timezone.now()
    with desk.tenant.entered():
        factories.AbsenceFactory(user=ann, starts_at=now - timedelta(minutes=5), ends_at=now + timedelta(days=5))

    desk.a_minute_passes()

    assert desk.owners([low, urgent]) == [None, ben]
    assert desk.told(low, "passed_on")["is_behind"] is True


def test_what_becomes_a_p1_while_it_is_offered_has_five_minutes_from_then_on(desk, agents):
    ann, ben = agents("ann", "ben")
    begin = timezone.now()
    ticket, calm = desk.opens(at=begin), desk.opens(at=begin, assignee_id=None)
    assert (desk.owner(ticket), desk.placement(ticket).accept_by) == (ann, None)

    later = begin + timedelta(minutes=30)
    desk.does(ticket, "override-priority", priority=1, reason="The board waits", at=later)
    assert desk.placement(ticket).accept_by == later + timedelta(minutes=5)
    desk.does(ticket, "override-priority", priority=2, reason="They found a way", at=later + timedelta(minutes=1))
    assert desk.placement(ticket).accept_by == later + timedelta(minutes=5)
    assert desk.placement(calm).accept_by is None
    desk.a_minute_passes(later + timedelta(minutes=5))

    assert desk.owner(ticket) == ben


def test_an_offer_does_not_run_out_while_it_is_on_hold_and_begins_anew_after_it(desk, agents):
    ann, ben = agents("ann", "ben")
    begin = timezone.now()
    ticket = desk.opens(at=begin, **P1)
    desk.does(ticket, "hold", reason="awaiting_vendor", at=begin + timedelta(minutes=1))
    desk.a_minute_passes(begin + timedelta(minutes=30))
    assert desk.owner(ticket) == ann

    desk.does(ticket, "resume", at=begin + timedelta(minutes=40))
    assert desk.placement(ticket).accept_by == begin + timedelta(minutes=45)
    desk.a_minute_passes(begin + timedelta(minutes=44))
    assert desk.owner(ticket) == ann
    desk.a_minute_passes(begin + timedelta(minutes=45))

    assert desk.owner(ticket) == ben


def test_reopened_where_work_is_given_by_hand_it_does_not_return_to_somebody_who_is_gone(desk, agents, alice, dan, api):
    ann, ben = agents("ann", "ben")
    desk.changes(is_active=False)
    left, kept = desk.opens(assignee_id=ann.pk), desk.opens(assignee_id=ben.pk)
    for ticket in (left, kept):
        desk.resolves(ticket)
    assert api(dan).post(f"/api/v1/users/{ann.pk}/deactivate/", {}).status_code == 200

    for ticket in (left, kept):
        desk.does(ticket, "reopen", reason="It is back")

    assert desk.owners([left, kept]) == [None, ben]
    assert desk.story(left, by=alice)[-1].endswith("Ann is gone, so it is nobody's")


def test_by_hand_to_somebody_without_the_skill_is_told(desk, agents, carol, api):
    with desk.tenant.entered():
        skill = factories.SkillFactory()
        factories.AssignmentRuleFactory(team=desk.team, match={}, skills=[{"skill": str(skill.pk), "level": 2}])
    agents("ann", skills={skill: 2})
    (ben,) = agents("ben", skills={skill: 1})
    ticket = desk.opens()

    assert api(carol).post(incident({"id": ticket.pk}, "assign"), {"assignee": str(ben.pk)}).status_code == 200

    assert desk.told(ticket, "assigned")["despite"] == "lacks_skill"
    assert desk.story(ticket, by=carol)[-1] == "Carol assigned it to Ben; although Ben lacks the skill"


def test_what_somebody_who_is_gone_had_in_several_teams_is_taken_back_team_by_team(acme, desk, agents, dan, api):
    (ann,) = agents("ann")
    other = desk_of(acme, "Network")
    first, second = sorted((desk, other), key=lambda each: each.team.pk)
    held = [each.opens(assignee_id=ann.pk, **values) for each, values in ((second, P1), (first, {}), (second, {}))]
    assert api(dan).post(f"/api/v1/users/{ann.pk}/deactivate/", {}).status_code == 200

    with CaptureQueriesContext(connection) as asked:
        desk.delivers()

    assert desk.owners(held) == [None, None, None]
    locks = [each["sql"] for each in asked if "tickets_assignmentqueue" in each["sql"] and "FOR NO KEY" in each["sql"]]
    assert [second.team.pk.hex in sql for sql in locks[:3]] == [False, True, True]
