"""The log over HTTP: an administrator reads it, pages it and narrows it; nobody else sees it, and nobody writes it."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.core import events
from apps.core.models import new_id
from tests.audit.conftest import make_team, queued
from tests.audit.test_deliver import kill
from tests.factories import EventFactory
from tests.sink.subscribers import POISON

EVENTS = "/api/v1/audit/events/"
DISPATCHES = "/api/v1/audit/dispatches/"


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [row["name"] for row in answer.json()["results"]]


def test_an_administrator_reads_an_event_as_it_was_written(acme, dan, api):
    at = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
    with acme.entered():
        team = make_team(acme)
        fact = events.record(
            "team.updated", team, actor=dan.as_actor(), at=at, changes={"name": ("Blue", "Red")}, reason="renamed"
        )

    answer = api(dan).get(f"{EVENTS}{fact.id}/")

    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("recorded_at").endswith("Z")
    assert body == {
        "id": str(fact.id),
        "name": "team.updated",
        "subject_type": "team",
        "subject_id": str(team.pk),
        "actor_kind": "user",
        "actor_id": str(dan.pk),
        "actor_label": "Dan",
        "at": "2026-03-04T05:06:07.891011Z",
        "request_id": "",
        "via": "command",
        "is_historic": False,
        "changes": {"name": ["Blue", "Red"]},
        "data": {"reason": "renamed"},
    }


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
@pytest.mark.parametrize("path", [EVENTS, DISPATCHES])
def test_agents_end_users_and_managers_are_refused(acme, api, request, who, path):
    event, dispatch = queued(acme)
    client = api(request.getfixturevalue(who))
    row = event if path == EVENTS else dispatch

    for answer in (client.get(path), client.get(f"{path}{row.pk}/"), client.get(f"{path}{new_id()}/")):
        assert (answer.status_code, answer.json()["grant"]) == (403, "audit.read")
        assert "Blue" not in answer.text


@pytest.mark.parametrize("path", [EVENTS, DISPATCHES])
def test_without_signing_in_nothing_is_told(acme, api, path):
    assert api().get(path).status_code == 401


@pytest.mark.parametrize("path", [EVENTS, DISPATCHES])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_the_log_over_http(acme, dan, api, path, method):
    event, dispatch = queued(acme)
    row = event if path == EVENTS else dispatch
    client = api(dan)
    with acme.entered():
        before = Event.objects.count(), Dispatch.objects.count()

    assert [getattr(client, method)(url, {}).status_code for url in (path, f"{path}{row.pk}/")] == [405, 405]

    with acme.entered():
        assert (Event.objects.count(), Dispatch.objects.count()) == before


def test_another_organizations_events_never_appear(acme, globex, dan, mallory, api):
    event, dispatch = queued(acme, "Acme's own")
    theirs, _ = queued(globex, "Globex' own")
    client = api(mallory)

    everything = client.get(f"{EVENTS}?page_size=200&count=true").json()
    assert str(theirs.pk) in {row["id"] for row in everything["results"]}
    assert {row["subject_id"] for row in everything["results"]} & {str(event.subject_id)} == set()
    assert everything["count"] == len(everything["results"])
    assert "Acme" not in str(everything)
    for query in (f"subject_id={event.subject_id}", f"subject_id__in={event.subject_id}", f"actor_id={dan.pk}"):
        assert client.get(f"{EVENTS}?{query}&count=true").json() == {
            "next": None,
            "previous": None,
            "results": [],
            "count": 0,
        }
    foreign, unknown = client.get(f"{EVENTS}{event.pk}/"), client.get(f"{EVENTS}{new_id()}/")
    assert (
        (foreign.status_code, foreign.json()["code"])
        == (404, "not_found")
        == (unknown.status_code, unknown.json()["code"])
    )
    assert client.get(f"{DISPATCHES}{dispatch.pk}/").status_code == 404
    assert {row["event_id"] for row in client.get(DISPATCHES).json()["results"]} == {str(theirs.pk)}


def test_the_log_is_narrowed_by_what_happened_to_what_by_whom_and_when(acme, dan, api):
    at = timezone.now() - timedelta(days=2)
    with acme.entered():
        team = make_team(acme)
        events.record("team.updated", team, actor=dan.as_actor(), at=at)
        events.record("team.deleted", team, actor=acme.system, at=at - timedelta(days=2), is_historic=True)
    client = api(dan)

    for query, expected in {
        "name=team.updated": ["team.updated"],
        "name__in=team.updated,team.deleted": ["team.updated", "team.deleted"],
        f"subject_id={team.pk}": ["team.created", "team.updated", "team.deleted"],
        f"subject_id={team.pk}&actor_kind=user": ["team.updated"],
        f"subject_type=team&actor_id={dan.pk}": ["team.updated"],
        "is_historic=true": ["team.deleted"],
        f"subject_type=team&at__gte={quote((at - timedelta(days=1)).isoformat())}": ["team.created", "team.updated"],
        f"subject_type=team&at__lte={quote(at.isoformat())}": ["team.updated", "team.deleted"],
        f"subject_id={team.pk}&ordering=at": ["team.deleted", "team.updated", "team.created"],
        "subject_type=team&via=api": [],
        "subject_type=site": [],
    }.items():
        assert names(client.get(f"{EVENTS}?{query}")) == expected, query


@pytest.mark.parametrize(
    "query", ["nome=x", "actor_kind=robot", "at__gte=yesterday", "subject_id=1", "ordering=changes", "cursor=x"]
)
def test_what_is_not_a_filter_is_refused_by_name(acme, dan, api, query):
    answer = api(dan).get(f"{EVENTS}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert answer.json()["errors"][0]["pointer"] == f"/{query.split('=')[0]}"


def test_pages_follow_each_other_without_a_gap_or_a_repeat_while_events_arrive(acme, dan, api):
    at = timezone.now() - timedelta(days=1)
    with acme.entered():
        # Half of them at one instant, so that only the id tells them apart.
        written = [EventFactory(at=at if n % 2 else at + timedelta(seconds=n)).pk for n in range(25)]
    client, seen, url = api(dan), [], f"{EVENTS}?name=team.created&page_size=10"

    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        with acme.entered():
            EventFactory()
        url = page["next"]

    assert len(seen) == len(set(seen)) == 25
    assert set(seen) == {str(pk) for pk in written}


def test_an_administrator_sees_what_has_not_arrived_and_what_is_dead(acme, dan, api):
    _, waiting = queued(acme, "Waiting")
    event, poisoned = queued(acme, POISON)
    dead = kill(acme, poisoned)
    _, done = queued(acme, "Done")
    with acme.entered():
        Dispatch.objects.filter(pk=done.pk).update(done_at=timezone.now())
    client = api(dan)

    everything = client.get(DISPATCHES).json()["results"]
    (listed,) = client.get(f"{DISPATCHES}?state=dead").json()["results"]

    assert {row["id"] for row in everything} == {str(waiting.pk), str(dead.pk)}
    assert client.get(f"{DISPATCHES}{dead.pk}/").json() == listed
    assert listed.pop("next_at").endswith("Z")
    assert listed.pop("dead_at").endswith("Z")
    assert listed == {
        "id": str(dead.pk),
        "event_id": str(event.pk),
        "consumer": "tests.sink",
        "state": "dead",
        "attempts": 8,
        "last_error": "RuntimeError",
    }
    assert [row["id"] for row in client.get(f"{DISPATCHES}?state=waiting").json()["results"]] == [str(waiting.pk)]
    assert client.get(f"{DISPATCHES}?event_id={event.pk}&consumer=tests.sink&count=true").json()["count"] == 1
    assert client.get(f"{DISPATCHES}?consumer=nobody").json()["results"] == []
    assert client.get(f"{DISPATCHES}?state=done").status_code == 400
    assert client.get(f"{DISPATCHES}{done.pk}/").status_code == 404
