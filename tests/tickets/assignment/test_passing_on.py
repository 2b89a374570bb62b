"""Offers that are not accepted: in time, three tries, then the lead."""

from datetime import UTC, datetime, timedelta

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
