"""Watchers: who adds whom, and what it changes."""

import pytest

from apps.audit.models import Event
from apps.users.models import User, UserType
from tests.conftest import person
from tests.core.racing import at_once

TICKETS = "/api/v1/tickets/"


@pytest.fixture
def erin(acme):
    return person(acme, "erin", UserType.END_USER)


@pytest.fixture
def frank(acme):
    return person(acme, "frank", UserType.END_USER)


@pytest.fixture
def url(ticket):
    return f"{TICKETS}{ticket['id']}/watchers/"


def test_a_watcher_sees_the_ticket_from_then_on_and_no_longer_than_they_watch(acme, alice, erin, api, ticket, url):
    assert api(erin).get(f"{TICKETS}{ticket['id']}/").status_code == 404

    answer = api(alice).post(url, {"user": str(erin.pk)})
    assert (answer.status_code, answer.json()["user"]) == (201, str(erin.pk))
    assert answer["Location"] == f"{url}{answer.json()['id']}/"
    assert api(erin).get(f"{TICKETS}{ticket['id']}/").status_code == 200
    assert [row["user"] for row in api(erin).get(url).json()["results"]] == [str(erin.pk)]
    assert api(erin).delete(answer["Location"]).status_code == 204
    assert api(erin).get(f"{TICKETS}{ticket['id']}/").status_code == 404
    with acme.entered():
        facts = Event.objects.filter(subject_id=ticket["id"], name__endswith="watched").order_by("id")
        assert [(fact.name, fact.data, fact.actor_label) for fact in facts] == [
            ("incident.watched", {"user": str(erin.pk)}, "Alice"),
            ("incident.unwatched", {"user": str(erin.pk)}, "Erin"),
        ]


def test_a_requester_shows_their_own_ticket_to_colleagues_and_a_watcher_shows_it_to_nobody(
    acme, bob, erin, frank, api, url
):
    erins = api(bob).post(url, {"user": str(erin.pk)})
    assert erins.status_code == 201

    refusal = api(erin).post(url, {"user": str(frank.pk)})
    assert (refusal.status_code, refusal.json()["grant"]) == (403, "incidents.update")
    franks = api(bob).post(url, {"user": str(frank.pk)}).json()
    assert api(erin).delete(f"{url}{franks['id']}/").status_code == 403
    assert api(bob).delete(f"{url}{franks['id']}/").status_code == 204


def test_nobody_adds_themselves_to_what_they_do_not_see(acme, globex, erin, mallory, api, url):
    for outsider in (erin, mallory):
        assert api(outsider).post(url, {"user": str(outsider.pk)}).status_code == 404
        assert api(outsider).get(url).status_code == 404


def test_people_of_other_organizations_and_those_who_left_are_no_watchers(acme, globex, alice, erin, mallory, api, url):
    with acme.entered():
        User.objects.filter(pk=erin.pk).update(is_active=False)

    foreign = api(alice).post(url, {"user": str(mallory.pk)})
    assert (foreign.status_code, foreign.json()["errors"][0]["code"]) == (400, "does_not_exist")
    left = api(alice).post(url, {"user": str(erin.pk)})
    assert (left.status_code, left.json()["errors"][0]["code"]) == (400, "not_active")


def test_a_watcher_is_found_below_their_own_ticket_alone(acme, alice, erin, api, url):
    watcher = api(alice).post(url, {"user": str(erin.pk)}).json()
    other = api(alice).post("/api/v1/incidents/", {"title": "Another"}).json()

    assert api(alice).delete(f"{TICKETS}{other['id']}/watchers/{watcher['id']}/").status_code == 404
    assert api(alice).get(f"{url}{watcher['id']}/").status_code == 200


@pytest.mark.usefixtures("fresh_database")
def test_of_many_at_once_one_adds_the_watcher(acme, alice, erin, api, url):
    clients = [api(alice) for _ in range(4)]

    answers = at_once([lambda client=client: client.post(url, {"user": str(erin.pk)}) for client in clients])

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_watching"}
