"""Many people on the same tickets at once: one wins, the others are told, and no write is lost or counted twice."""

import itertools
import time
from collections import Counter
from functools import partial
from threading import Lock

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.incidents import services
from apps.tickets.models import Ticket
from apps.users.models import UserType
from tests.conftest import IS_FULL_RUN, access_token, person
from tests.core.expectations import assert_problem
from tests.core.racing import at_once

URL = "/api/v1/incidents/"
WRITERS, TICKETS = 50, 5
SECONDS = 60 if IS_FULL_RUN else 6
# What people do to one ticket; each, if it is accepted, is one write of it.
WRITES = [
    ("patch", "", lambda n: {"title": f"Title {n}"}),
    ("post", "hold/", lambda n: {"reason": "awaiting_vendor"}),
    ("post", "resume/", lambda n: {}),
    ("post", "claim/", lambda n: {}),
    ("post", "escalate/", lambda n: {"to": "hierarchical", "reason": f"Reason {n}"}),
    ("post", "override-priority/", lambda n: {"priority": 1 + n % 5, "reason": f"Reason {n}"}),
]


@pytest.fixture
def incidents(fresh_database, acme, bob):
    with acme.entered():
        return [
            services.create(
                actor=acme.system, at=timezone.now(), values={"title": f"Ticket {n}", "requester_id": bob.pk}
            )
            for n in range(TICKETS)
        ]


def signed_in(api, user):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(user)}")
    return client


@pytest.mark.parametrize("attempt", range(5 if IS_FULL_RUN else 1))
def test_of_two_agents_who_claim_at_once_one_has_it_and_the_other_is_told_who(acme, incidents, api, attempt):
    agents = [person(acme, name, UserType.AGENT) for name in ("anna", "anton")]
    clients = [signed_in(api, agent) for agent in agents]

    answers = at_once([partial(client.post, f"{URL}{incidents[0].pk}/claim/", {}) for client in clients])

    (winner,) = (answer for answer in answers if answer.status_code == 200)
    (loser,) = (answer for answer in answers if answer.status_code != 200)
    owner = agents[answers.index(winner)]
    problem = assert_problem(loser, 409, "already_claimed")
    assert (problem["owner"], problem["owner_name"]) == (str(owner.pk), str(owner))
    assert problem["current_status"] == "in_progress"
    with acme.entered():
        assert Ticket.objects.get(pk=incidents[0].pk).assignee_id == owner.pk
        assert Event.objects.filter(subject_id=incidents[0].pk, name="incident.claimed").count() == 1


def test_fifty_writers_on_five_tickets_lose_no_write_and_meet_no_deadlock(acme, incidents, api, record_property):
    agents = [person(acme, f"agent{n}", UserType.AGENT) for n in range(WRITERS)]
    clients = [signed_in(api, agent) for agent in agents]
    numbers, accepted, codes, lock = itertools.count(), Counter(), Counter(), Lock()
    ends_at = time.monotonic() + SECONDS

    def write(client):
        while time.monotonic() < ends_at:
            number = next(numbers)
            incident = incidents[number % TICKETS]
            method, verb, body = WRITES[number // TICKETS % len(WRITES)]
            answer = getattr(client, method)(f"{URL}{incident.pk}/{verb}", body(number))
            with lock:
                codes[answer.status_code] += 1
                accepted[incident.pk] += answer.status_code == 200

    at_once([partial(write, client) for client in clients])

    assert set(codes) <= {200, 409}, codes
    with acme.entered():
        for incident in incidents:
            assert Ticket.objects.get(pk=incident.pk).version == incident.version + accepted[incident.pk]
            facts = Event.objects.filter(subject_id=incident.pk).count()
            assert facts == 1 + accepted[incident.pk]
    assert min(accepted.values()) > 0
    record_property(f"writes accepted in {SECONDS} s, {WRITERS} writers on {TICKETS} tickets", codes[200])
    record_property("of them refused for the state they met (409)", codes[409])
