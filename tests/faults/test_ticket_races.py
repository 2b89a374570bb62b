"""Many people on the same tickets at once: one wins, the others are told, and no write is lost or counted twice."""

import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from apps.audit.models import Event
from apps.core import tenancy
from apps.incidents import services
from apps.tickets import merging
from apps.tickets.models import Link, Ticket
from apps.users.models import UserType
from tests.conftest import IS_FULL_RUN, access_token, person
from tests.core.expectations import assert_problem
from tests.core.racing import at_once

URL = "/api/v1/incidents/"
WRITERS, TICKETS = 50, 5
SECONDS = 60 if IS_FULL_RUN else 6
ROUNDS = 30 if IS_FULL_RUN else 8
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


@pytest.fixture
def deadlocks(fresh_database):
    """How many PostgreSQL had to undo since the test began; backends tell of theirs when they end."""

    def count():
        with connection.cursor() as cursor:
            cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            return cursor.fetchone()[0]

    return count


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


def test_families_that_change_while_their_parents_move_meet_no_deadlock_and_no_circle(acme, incidents, api, deadlocks):
    agents = [person(acme, f"agent{n}", UserType.AGENT) for n in range(4)]
    clients = [signed_in(api, agent) for agent in agents]
    ids = [str(incident.pk) for incident in incidents]

    def change(client, turn):
        codes = []
        for step in range(10 if IS_FULL_RUN else 2):
            one, other = ids[(turn + step) % TICKETS], ids[(turn + step * 2 + 1) % TICKETS]
            codes.append(client.patch(f"{URL}{one}/", {"parent": other}).status_code)
            codes.append(client.post(f"{URL}{other}/hold/", {"reason": "awaiting_vendor"}).status_code)
            codes.append(client.post(f"{URL}{other}/resume/", {}).status_code)
            codes.append(client.patch(f"{URL}{one}/", {"parent": None}).status_code)
        return codes

    answers = at_once([partial(change, client, turn) for turn, client in enumerate(clients)])

    assert deadlocks() == 0
    # 400: it would be its own parent.
    assert set(itertools.chain.from_iterable(answers)) <= {200, 400, 409}
    with acme.entered():
        told = dict(Ticket.objects.exclude(parent=None).values_list("pk", "parent_id"))
        assert dict(Link.objects.filter(link_type="parent_of").values_list("to_id", "ticket_id")) == told
        for child in told:
            above = [child]
            while above[-1] in told:
                assert told[above[-1]] not in above
                above.append(told[above[-1]])


def test_brothers_of_whom_one_becomes_the_others_parent_while_theirs_moves_all_succeed_at_once(
    acme, incidents, api, deadlocks
):
    """By ids, hanging would hold the one and wait for the other, as whoever moves their parent does the other way round."""
    agents = [person(acme, f"agent{n}", UserType.AGENT) for n in range(3)]
    clients = [signed_in(api, agent) for agent in agents]
    parent, one, other = (f"{URL}{incident.pk}/" for incident in incidents[:3])
    ids = [str(incident.pk) for incident in incidents]
    for child in (one, other):
        assert clients[0].patch(child, {"parent": ids[0]}).status_code == 200

    def rehang():
        return [clients[0].patch(one, {"parent": ids[place]}).status_code for place in (2, 0) * ROUNDS]

    def move():
        verbs = (("hold/", {"reason": "awaiting_vendor"}), ("resume/", {})) * ROUNDS
        return [clients[1].post(f"{parent}{verb}", body).status_code for verb, body in verbs]

    def merge():
        bulk = [
            clients[2].post(f"{URL}bulk/", {"ids": [ids[1]], "action": "merge", "params": {"into": ids[0]}}).json(),
            clients[2].post(f"{one}unmerge/", {}).status_code,
        ]
        return [bulk[0]["results"][0]["status"], bulk[1]]

    answers = at_once([rehang, move, lambda: [code for _ in range(ROUNDS) for code in merge()]])

    # 409: merged just now.
    assert set(answers[0]) | set(answers[2]) <= {200, 409}
    assert set(answers[1]) == {200}
    assert deadlocks() == 0


def waits():
    """Whether somebody waits for a lock that another one has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("turned", [False, True], ids=["the first into the second", "the second into the first"])
def test_a_merge_waits_for_the_first_of_its_tickets_and_holds_no_other_meanwhile(acme, incidents, bob, turned):
    """Tickets without parents are locked by their ids, whichever is absorbed: so no two merges wait for each other."""
    first, second = sorted(incidents[:2], key=lambda incident: incident.pk)
    absorbed, survivor = (second, first) if turned else (first, second)

    def merge():
        with tenancy.tenant(acme.id), transaction.atomic():
            merging.merge(absorbed, actor=acme.system, at=timezone.now(), into_id=survivor.pk)

    with ThreadPoolExecutor(1) as pool:
        with acme.entered():
            Ticket.objects.select_for_update().get(pk=first.pk)
            merging_now = pool.submit(closing, merge)
            ends_at = time.monotonic() + 30
            while not waits():
                assert time.monotonic() < ends_at
                time.sleep(0.01)
            # Refused at once if the merge had it.
            Ticket.objects.select_for_update(nowait=True).get(pk=second.pk)
        merging_now.result(30)

    with acme.entered():
        assert Ticket.objects.get(pk=absorbed.pk).merged_into_id == survivor.pk


def closing(call):
    try:
        call()
    finally:
        connections.close_all()


def test_merges_in_a_ring_all_at_once_meet_no_deadlock(acme, incidents, api, deadlocks):
    agents = [person(acme, f"agent{n}", UserType.AGENT) for n in range(TICKETS)]
    clients = [signed_in(api, agent) for agent in agents]
    ids = [str(incident.pk) for incident in incidents]

    def go_round(turn):
        codes = []
        for _ in range(ROUNDS):
            address = f"{URL}{ids[turn]}/"
            codes.append(clients[turn].post(f"{address}merge/", {"into": ids[(turn + 1) % TICKETS]}).status_code)
            codes.append(clients[turn].post(f"{address}unmerge/", {}).status_code)
        return codes

    answers = at_once([partial(go_round, turn) for turn in range(TICKETS)])

    assert deadlocks() == 0
    codes = Counter(itertools.chain.from_iterable(answers))
    assert set(codes) <= {200, 409}
    assert codes[200] > 0
