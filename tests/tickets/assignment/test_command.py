"""The minute's work by hand, and how much waits."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.tickets.models import Placement
from tests.tickets.assignment.teams import desk_of


def said(*arguments):
    out = StringIO()
    call_command("assign_tickets", *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_by_hand_it_gives_out_what_waits_in_every_organization_and_says_how_much_that_is(fresh_database, desk, agents):
    (ann,) = agents("ann", presence="offline")
    tickets = [desk.opens() for _ in range(2)]
    assert said("--status")["waiting"] == 2

    desk.says(ann, "available")
    assert said() == {"passed_on": 0, "given": 2}

    assert desk.owners(tickets) == [ann, ann]
    assert said("--status") == {"waiting": 0, "oldest_seconds": 0}


def test_a_ticket_that_fails_keeps_neither_its_own_team_nor_another_from_its_turn(acme, desk, agents):
    ann, ben = agents("ann", "ben", capacity=5)
    begin = timezone.now()
    broken, sound = (desk.opens(at=begin, impact=1, urgency=1) for _ in range(2))
    assert desk.owners([broken, sound]) == [ann, ben]
    other = desk_of(acme, "Network")
    waiting = other.opens()
    stuck_desk = desk_of(acme, "Printers")
    stuck = stuck_desk.opens()
    with acme.entered():
        Placement.objects.filter(ticket_id__in=[broken.pk, stuck.pk]).update(skills=[{"level": 1}])
    nora, _ = other.join("nora"), stuck_desk.join("paul")

    with pytest.raises(ExceptionGroup) as failed:
        desk.a_minute_passes(begin + timedelta(minutes=6))

    assert sorted(note for each in failed.value.exceptions for note in each.__notes__) == sorted(
        [f"ticket {broken.pk}", f"team {stuck_desk.team.pk}"]
    )
    assert desk.owners([broken, sound, waiting, stuck]) == [ann, ann, nora, None]
