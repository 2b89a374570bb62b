"""Many at once into one team: nobody gets more than they can take, and nothing is lost or given twice."""

from collections import Counter

import pytest

from apps.tickets.models import Ticket
from tests.conftest import IS_FULL_RUN
from tests.core.racing import at_once

THREADS = 20 if IS_FULL_RUN else 5
EACH = 10 if IS_FULL_RUN else 4


@pytest.mark.heavy
def test_two_hundred_at_once_into_room_for_fifty_and_the_rest_is_given_out_in_order(
    fresh_database, desk, agents, record_property
):
    """By default 20 into room for 5."""
    total, room = THREADS * EACH, THREADS * EACH // 4
    people = agents(*(f"agent{place}" for place in range(5)), capacity=room // 5)
    with desk.tenant.entered():
        desk.queue.refresh_from_db()

    def open_some():
        return [desk.opens() for _ in range(EACH)]

    tickets = [ticket for found in at_once([open_some] * THREADS) for ticket in found]

    owners = Counter(desk.owners(tickets))
    assert (len({ticket.pk for ticket in tickets}), owners[None]) == (total, total - room)
    assert {owners[person] for person in people} == {room // 5}

    waiting = _waiting(desk)
    assert len(waiting) == total - room
    freed = [ticket for ticket in tickets if desk.owner(ticket) is not None][: room // 2]
    at_once([lambda ticket=ticket: desk.resolves(ticket) for ticket in freed])
    desk.delivers()

    assert _waiting(desk) == waiting[len(freed) :]
    owners = Counter(desk.now(ticket).assignee for ticket in tickets if desk.now(ticket).is_open)
    assert {owners[person] for person in people} == {room // 5}
    record_property("tickets at once into one team, all with one owner or waiting", total)


@pytest.mark.heavy
def test_drains_creations_and_resolutions_at_once_leave_nobody_over_their_capacity(fresh_database, desk, agents):
    people = agents("ann", "ben", capacity=3)
    rounds = 10 if IS_FULL_RUN else 2

    def churn():
        for _ in range(rounds):
            ticket = desk.opens()
            desk.a_minute_passes()
            if desk.owner(ticket) is not None:
                desk.resolves(ticket)

    at_once([churn] * 4 + [lambda: [desk.a_minute_passes() for _ in range(rounds)]])
    desk.delivers()
    desk.a_minute_passes()

    with desk.tenant.entered():
        open_now = Counter(Ticket.objects.filter(phase="new").values_list("assignee_id", flat=True))
    assert all(open_now[person.pk] <= 3 for person in people)
    assert open_now[None] == 0 or all(open_now[person.pk] == 3 for person in people)


def _waiting(desk):
    """In the order in which they are given out."""
    with desk.tenant.entered():
        found = Ticket.objects.filter(assignee=None, phase="new").order_by("priority", "opened_at", "id")
        return list(found.values_list("pk", flat=True))
