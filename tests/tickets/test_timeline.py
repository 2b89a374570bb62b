"""The timeline: everything in order for those who work on a ticket, public facts alone for those who wait for it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import events
from apps.tickets import services
from tests.tickets.test_attachments import attached

TICKETS = "/api/v1/tickets/"
SECRET = "he-is-to-be-let-go"
SOLVED = {"resolution_code": "solution_provided", "resolution_notes": "Restarted the mail server."}


def timeline(client, ticket, **query):
    answer = client.get(f"{TICKETS}{ticket['id']}/timeline/", query)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def summaries(client, ticket):
    return [entry["summary"] for entry in timeline(client, ticket)["results"]]


def event_of(acme, ticket, past, at, **data):
    with acme.entered(), events.historic():
        locked = services.lock(ticket["id"], actor=acme.system)
        events.record(f"incident.{past}", locked, actor=acme.system, at=at, **data)


@pytest.fixture
def lived(acme, alice, bob, carol, api, ticket, files):
    """A ticket with a bit of everything, public and not."""
    address = f"{TICKETS}{ticket['id']}/"
    agent = api(alice)
    agent.post(f"{address}claim/", {})
    agent.post(f"{address}comments/", {"body": "Have you tried it again?"})
    agent.post(f"{address}comments/", {"body": SECRET, "visibility": "internal"})
    attached(agent, f"{address}attachments/", f"{SECRET}.txt", visibility="internal")
    attached(api(bob), f"{address}attachments/", "screen.txt")
    agent.post(f"{address}assign/", {"assignee": str(carol.pk), "note": SECRET})
    agent.post(f"{address}escalate/", {"to": "hierarchical", "reason": SECRET})
    agent.post(f"{address}override-priority/", {"priority": 1, "reason": SECRET})
    agent.patch(address, {"title": "Mail is down again"})
    agent.post(f"{address}hold/", {"reason": "awaiting_vendor", "comment": SECRET})
    agent.post(f"{address}resolve/", SOLVED)
    for past in ("work_logged", "task_added"):
        event_of(acme, ticket, past, timezone.now(), note=SECRET)
    return ticket


def test_those_who_work_on_it_hear_everything_in_order_and_in_sentences(acme, alice, api, lived):
    told = timeline(api(alice), lived)

    assert [entry["summary"] for entry in told["results"]] == [
        "Bob opened it",
        "Alice took it over",
        "Alice commented",
        "Alice wrote an internal comment",
        "Alice attached a file",
        "Bob attached a file",
        "Alice wrote an internal comment",
        "Alice assigned it to Carol",
        f"Alice escalated it: {SECRET}",
        f"Alice set the priority to 1 by hand: {SECRET}",
        "Alice changed title",
        "Alice put it on hold: awaiting_vendor",
        "Alice wrote an internal comment",
        "Alice resolved it: solution_provided",
        "The platform logged work",
        "The platform added a task",
    ]
    moments = [entry["at"] for entry in told["results"]]
    assert moments == sorted(moments)
    first, comment = told["results"][0], told["results"][3]
    assert (first["event"], first["changes"]["title"]) == ("incident.created", [None, "Mail is down"])
    assert comment["actor"] == {"id": str(alice.pk), "name": "Alice"}
    assert comment["comment"]["body"] == SECRET
    assert told["results"][4]["attachment"]["name"] == f"{SECRET}.txt"
    assert told["results"][10]["changes"] == {"title": ["Mail is down", "Mail is down again"]}


def test_a_requester_hears_public_facts_and_no_word_or_id_of_the_rest(acme, alice, bob, api, lived):
    hidden = {entry["comment"]["id"] for entry in timeline(api(alice), lived)["results"] if entry["comment"]} - {
        entry["comment"]["id"] for entry in timeline(api(bob), lived)["results"] if entry["comment"]
    }
    answer = api(bob).get(f"{TICKETS}{lived['id']}/timeline/")

    assert [entry["summary"] for entry in answer.json()["results"]] == [
        "Bob opened it",
        "Alice took it over",
        "Alice commented",
        "Bob attached a file",
        "Alice assigned it to Carol",
        "Alice changed title",
        "Alice put it on hold: awaiting_vendor",
        "Alice resolved it: solution_provided",
    ]
    assert answer.json()["results"][2]["comment"]["body"] == "Have you tried it again?"
    assert len(hidden) == 3
    text = answer.content.decode()
    assert SECRET not in text
    assert not [pk for pk in hidden if pk in text]


def test_strangers_and_neighbours_find_no_timeline(acme, globex, mallory, api, lived):
    assert api(mallory).get(f"{TICKETS}{lived['id']}/timeline/").status_code == 404
    assert api(mallory).get(f"{TICKETS}{lived['number']}/timeline/").status_code == 404
    assert api().get(f"{TICKETS}{lived['id']}/timeline/").status_code == 401


def test_a_number_names_the_ticket_too(acme, bob, api, lived):
    assert api(bob).get(f"{TICKETS}{lived['number']}/timeline/").json() == timeline(api(bob), lived)


def test_pages_follow_one_another_without_gap_or_repetition(acme, alice, api, lived):
    whole = [entry["id"] for entry in timeline(api(alice), lived)["results"]]
    page = timeline(api(alice), lived, page_size=5)
    found = [entry["id"] for entry in page["results"]]
    while page["next"]:
        page = api(alice).get(page["next"]).json()
        found += [entry["id"] for entry in page["results"]]

    assert found == whole
    assert [entry["id"] for entry in api(alice).get(page["previous"]).json()["results"]] == whole[10:15]


def test_history_stands_where_it_happened(acme, alice, api, ticket):
    long_ago = timezone.now() - timedelta(days=400)
    event_of(acme, ticket, "started", long_ago)
    event_of(acme, ticket, "resumed", long_ago + timedelta(days=1))

    assert summaries(api(alice), ticket) == [
        "The platform began to work on it",
        "The platform resumed it",
        "Bob opened it",
    ]


def test_what_was_deleted_says_nothing_any_more_and_what_was_hidden_is_no_more_known(
    acme, alice, bob, carol, api, ticket, files
):
    address = f"{TICKETS}{ticket['id']}/"
    comment = api(alice).post(f"{address}comments/", {"body": SECRET}).json()
    file = attached(api(alice), f"{address}attachments/", f"{SECRET}.txt")
    api(alice).delete(f"{address}comments/{comment['id']}/")
    api(carol).patch(f"{address}attachments/{file['id']}/", {"visibility": "internal"})

    assert summaries(api(bob), ticket) == ["Bob opened it", "Alice commented", "Alice deleted a comment"]
    assert SECRET not in api(bob).get(f"{address}timeline/").content.decode()
    assert summaries(api(alice), ticket)[-1] == "Carol showed or hid a file"


def test_a_change_of_what_a_requester_does_not_see_is_no_fact_for_them(acme, alice, bob, api, ticket):
    api(alice).patch(f"{TICKETS}{ticket['id']}/", {"tags": ["vip"]})

    assert summaries(api(alice), ticket) == ["Bob opened it", "Alice changed tags"]
    assert summaries(api(bob), ticket) == ["Bob opened it"]


def test_thirty_facts_cost_no_more_queries_than_three(acme, alice, bob, api, ticket):
    client, requester = api(alice), api(bob)
    comments = f"{TICKETS}{ticket['id']}/comments/"

    def cost(reader):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            timeline(reader, ticket)
        return len(queries)

    client.post(comments, {"body": "one"})
    client.post(f"{TICKETS}{ticket['id']}/assign/", {"assignee": str(alice.pk)})
    before = cost(client), cost(requester)
    for number in range(27):
        client.post(comments, {"body": str(number), "visibility": ("public", "internal")[number % 2]})

    assert (cost(client), cost(requester)) == before


@pytest.mark.parametrize("query", [{"page_size": 201}, {"cursor": "forged"}, {"colour": "red"}])
def test_bad_parameters_are_400(acme, bob, api, ticket, query):
    assert api(bob).get(f"{TICKETS}{ticket['id']}/timeline/", query).status_code == 400
