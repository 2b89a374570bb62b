"""One thread through everything: HTTP, sign-in, a write, its event, broker, worker, relay and the consumer; and the wall."""

import json
import time
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from apps.core import tenancy
from apps.core.models import new_id
from apps.organizations.services import find_organization
from tests.faults.processes import free_port, is_ready, wait_until
from tests.journeys.speaking import API, Client, is_serving
from tests.sink.models import Arrival
from tests.sink.tasks import PULSE_SECONDS

pytestmark = pytest.mark.journey

ARRIVES_WITHIN_SECONDS = 10


def arrived(organization_id: UUID, event_id: str) -> int:
    with tenancy.tenant(organization_id), transaction.atomic():
        return Arrival.objects.filter(event_id=event_id).count()


def test_a_team_made_over_http_is_audited_delivered_once_and_nobody_elses(processes, accounts):
    port = free_port()
    processes.broker()
    worker, relay, beat, web = processes.worker(), processes.relay(), processes.beat(), processes.web(port)
    wait_until(lambda: is_serving(port), "the web process is ready", 60)
    wait_until(lambda: is_ready(worker), "the worker is ready", 60)
    acme, globex = Client(port), Client(port)
    acme.sign_in(accounts["acme"]["admin"])
    globex.sign_in(accounts["globex"]["admin"])

    team = written_once(acme)
    written_at = time.monotonic()
    event = told(acme, team)

    # Its delivery, once, through relay, broker and worker.
    organization_id = find_organization("acme")
    wait_until(
        lambda: arrived(organization_id, event["id"]) > 0, "the event reached its consumer", ARRIVES_WITHIN_SECONDS
    )
    print(f"arrived after {time.monotonic() - written_at:.2f} s")
    assert "Task audit.deliver" in worker.said()
    assert "broker_away" not in relay.said()
    assert acme.get(f"{API}/audit/dispatches/")["results"] == []

    finds_nothing_of_it(globex, team, event)
    changes_nothing_of_it(globex, team, calendar=acme.get(f"{API}/sla/calendars/")["results"][0]["id"])
    assert acme.get(f"{API}/teams/{team['id']}/") == team
    assert Client(port).ask("GET", f"{API}/teams/")[0] == 401

    # Nothing came twice, and everybody still stands.
    wait_until(lambda: "core.run_job" in worker.said(), "beat woke the schedule", 5 + PULSE_SECONDS)
    assert arrived(organization_id, event["id"]) == 1
    assert [child.is_running for child in (worker, relay, beat, web)] == [True] * 4
    assert json.loads(processes.manage("relay", "--status").stdout) == {"waiting": 0, "overdue_seconds": 0.0, "dead": 0}


def written_once(acme: Client) -> dict[str, Any]:
    """A write, with the request's id and a key that makes it safe to send again."""
    headers = {"X-Request-ID": "journey-request-0001", "Idempotency-Key": "journey-key-1"}
    status, answer, team = acme.ask("POST", f"{API}/teams/", {"name": "Walking Slice"}, **headers)
    assert (status, answer["location"]) == (201, f"{API}/teams/{team['id']}/")
    status, answer, repeated = acme.ask("POST", f"{API}/teams/", {"name": "Walking Slice"}, **headers)
    assert (status, answer["idempotency-replayed"], repeated) == (201, "true", team)
    return team


def told(acme: Client, team: dict[str, Any]) -> dict[str, Any]:
    """Its event: one, naming who, what, how and by which request."""
    (event,) = acme.get(f"{API}/audit/events/?subject_id={team['id']}")["results"]
    me = acme.get(f"{API}/auth/me/")
    assert (event["name"], event["changes"]) == ("team.created", {"name": [None, "Walking Slice"]})
    assert (event["actor_id"], event["via"], event["request_id"]) == (me["id"], "api", "journey-request-0001")
    return event


def finds_nothing_of_it(globex: Client, team: dict[str, Any], event: dict[str, Any]) -> None:
    """The organization next door, by list, search, count, filter or id."""
    everything = globex.get(f"{API}/teams/?page_size=200&count=true")
    assert team["id"] not in {row["id"] for row in everything["results"]}
    assert everything["count"] == len(everything["results"]) == 2
    for path in (
        f"{API}/teams/?search=Walking&count=true",
        f"{API}/teams/?name=Walking%20Slice&count=true",
        f"{API}/audit/events/?subject_id={team['id']}&count=true",
        f"{API}/audit/events/?actor_id={event['actor_id']}&count=true",
    ):
        assert globex.get(path) == {"next": None, "previous": None, "results": [], "count": 0}
    for path in (f"{API}/teams/{{}}/", f"{API}/audit/events/{{}}/"):
        for foreign in (team["id"], event["id"]):
            foreign_status, _, problem = globex.ask("GET", path.format(foreign))
            unknown_status, _, unlike = globex.ask("GET", path.format(new_id()))
            assert (foreign_status, problem["code"], problem["title"]) == (404, unlike["code"], unlike["title"])
            assert unknown_status == 404


def changes_nothing_of_it(globex: Client, team: dict[str, Any], *, calendar: str) -> None:
    """Nor does it refer to what is not its own."""
    assert globex.ask("PATCH", f"{API}/teams/{team['id']}/", {"name": "Taken"})[0] == 404
    assert globex.ask("DELETE", f"{API}/teams/{team['id']}/")[0] == 404
    status, _, problem = globex.ask("POST", f"{API}/teams/", {"name": "Borrowed", "calendar": calendar})
    assert (status, [(error["pointer"], error["code"]) for error in problem["errors"]]) == (
        400,
        [("/calendar", "does_not_exist")],
    )
