"""An incident's life over HTTP beside real processes: who moves it, what its requester sees of it, and nothing next door."""

from typing import Any
from uuid import uuid4

import pytest

from tests.faults.processes import free_port, is_ready, wait_until
from tests.journeys.speaking import API, Client, is_serving

pytestmark = pytest.mark.journey

# Words that occur nowhere else, so that a hit is a leak.
PUBLIC, INTERNAL = "Zanzibar", "Ouagadougou"
SOLVED = {"resolution_code": "solution_provided", "resolution_notes": "Restarted the spooler."}
OWN_LIST = {"resource": "incidents", "action": "export", "reach": "own"}
NOTHING = {"next": None, "previous": None, "results": [], "count": 0}


@pytest.fixture
def web(processes: Any) -> int:
    """The port of a web process; a worker and the relay run beside it."""
    port = free_port()
    processes.broker()
    worker = processes.worker()
    processes.relay()
    processes.web(port)
    wait_until(lambda: is_serving(port), "the web process is ready", 60)
    wait_until(lambda: is_ready(worker), "the worker is ready", 60)
    return port


def test_an_incident_lives_from_opening_to_closing_and_its_requester_sees_what_is_theirs(web, accounts):
    admin, agent, requester, globex = (signed_in(web, accounts[slug][who]) for slug, who in CAST)

    incident = opened(requester)
    address, ticket = f"{API}/incidents/{incident['number']}/", f"{API}/tickets/{incident['number']}/"
    lived(agent, requester, address, ticket)
    hears_of_public_things_alone(requester, incident, ticket)
    takes_away_public_things_alone(admin, requester, incident)
    worked_on_it_sees_all(agent, incident, ticket)
    has_nothing_of_it(globex, incident)


CAST = (("acme", "admin"), ("acme", "agent"), ("acme", "requester"), ("globex", "admin"))


def signed_in(port: int, account: dict[str, str]) -> Client:
    client = Client(port)
    client.sign_in(account)
    return client


def done(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The record that a POST answers with."""
    status, _, answer = client.ask("POST", path, body)
    assert status in {200, 201, 202}, answer
    made: dict[str, Any] = answer
    return made


def opened(requester: Client) -> dict[str, Any]:
    """Impact 1 and urgency 2 are priority 2; a ticket that is not rated has the lowest."""
    incident = done(
        requester,
        f"{API}/incidents/",
        {"title": "The printer is dead", "description": "Third floor.", "impact": 1, "urgency": 2},
    )
    assert (incident["priority"], incident["status"]) == (2, "new")
    assert incident["allowed_transitions"] == ["cancel"]
    assert done(requester, f"{API}/incidents/", {"title": "The beamer is dim"})["priority"] == 5
    assert done(requester, f"{API}/incidents/", {"title": "All is dark", "impact": 1, "urgency": 1})["priority"] == 1
    return incident


def lived(agent: Client, requester: Client, address: str, ticket: str) -> None:
    """Claimed, talked about, held, resumed, resolved, reopened, resolved again and closed by its requester."""
    me = agent.get(f"{API}/auth/me/")["id"]
    status, _, refused = requester.ask("POST", f"{address}claim/", {})
    assert (status, refused["grant"]) == (403, "incidents.assign")

    claimed = done(agent, f"{address}claim/", {})
    assert (claimed["status"], claimed["assignee"]) == ("in_progress", me)
    done(agent, f"{ticket}comments/", {"body": f"{INTERNAL}: the vendor lies.", "visibility": "internal"})
    assert agent.get(address)["responded_at"] is None
    done(agent, f"{ticket}comments/", {"body": f"{PUBLIC}: we are on it.", "visibility": "public"})
    assert agent.get(address)["responded_at"] is not None

    status, _, refused = agent.ask("POST", f"{address}hold/", {"reason": "awaiting_requester"})
    assert (status, [error["pointer"] for error in refused["errors"]]) == (400, ["/comment"])
    held = done(agent, f"{address}hold/", {"reason": "awaiting_requester", "comment": "Which colour is its light?"})
    assert (held["status"], held["hold_reason"]) == ("on_hold", "awaiting_requester")
    done(requester, f"{ticket}comments/", {"body": "Red."})
    resumed = agent.get(address)
    assert (resumed["status"], resumed["hold_reason"]) == ("in_progress", "")
    assert done(agent, f"{address}hold/", {"reason": "awaiting_vendor"})["phase"] == "pending"
    assert done(agent, f"{address}resume/", {})["phase"] == "open"

    assert done(agent, f"{address}resolve/", SOLVED)["status"] == "resolved"
    status, _, refused = agent.ask("POST", f"{address}claim/", {})
    assert (status, refused["code"], refused["current_status"]) == (409, "illegal_transition", "resolved")
    assert requester.get(address)["allowed_transitions"] == ["close", "reopen"]
    reopened = done(requester, f"{address}reopen/", {"reason": "Dead again."})
    assert (reopened["status"], reopened["reopen_count"], reopened["resolution_code"]) == ("in_progress", 1, "")
    done(agent, f"{address}resolve/", SOLVED)
    closed = done(requester, f"{address}close/", {"comment": "It prints."})
    assert (closed["status"], closed["allowed_transitions"]) == ("closed", [])


def hears_of_public_things_alone(requester: Client, incident: dict[str, Any], ticket: str) -> None:
    """Own tickets, and of this one neither the internal comment nor that there is one."""
    me = requester.get(f"{API}/auth/me/")["id"]
    everything = requester.get(f"{API}/tickets/?page_size=200&count=true")
    assert {row["requester"] for row in everything["results"]} == {me}
    assert everything["count"] == len(everything["results"])

    said = requester.get(f"{ticket}comments/?count=true&ordering=created_at")
    assert [row["body"] for row in said["results"]] == [
        f"{PUBLIC}: we are on it.",
        "Which colour is its light?",
        "Red.",
        "It prints.",
    ]
    assert said["count"] == 4
    assert requester.get(f"{ticket}comments/?visibility=internal&count=true") == NOTHING

    facts = requester.get(f"{ticket}timeline/?page_size=200")["results"]
    # Whom the platform gave it before somebody claimed it, depends on who is there.
    told = [fact["event"].removeprefix("incident.") for fact in facts]
    assert [name for name in told if name != "assigned"] == [
        "created", "claimed", "commented", "put_on_hold", "commented", "commented", "resumed", "put_on_hold", "resumed",
        "resolved", "reopened", "resolved", "closed", "commented",
    ]  # fmt: skip
    assert INTERNAL not in str(facts)

    hits = requester.get(f"{API}/tickets/?search={PUBLIC}&count=true")
    assert ([row["number"] for row in hits["results"]], hits["count"]) == ([incident["number"]], 1)
    for path in ("tickets", "incidents"):
        assert requester.get(f"{API}/{path}/?search={INTERNAL}&count=true") == NOTHING
    view = done(requester, f"{API}/views/", {"name": "Mine", "filters": {"phase": "closed"}})["id"]
    assert requester.get(f"{API}/views/{view}/tickets/?search={PUBLIC}&count=true")["count"] == 1
    assert requester.get(f"{API}/views/{view}/tickets/?search={INTERNAL}&count=true") == NOTHING
    closed = [row for row in everything["results"] if row["phase"] == "closed"]
    assert {row["view"]: row["count"] for row in requester.get(f"{API}/views/counts/")["results"]} == {
        view: len(closed)
    }
    assert INTERNAL not in str(requester.get(f"{API}/tickets/{incident['id']}/"))


def takes_away_public_things_alone(admin: Client, requester: Client, incident: dict[str, Any]) -> None:
    """No file for who may not export; and in one's own, given the grant, own tickets without a word of the inside."""
    order = {"resource": "tickets", "format": "csv", "filters": {}}
    assert requester.ask("POST", f"{API}/exports/", order)[0] == 403
    role = done(admin, f"{API}/roles/", {"name": "Own list", "grants": [OWN_LIST]})
    me = requester.get(f"{API}/auth/me/")["id"]
    done(admin, f"{API}/role-assignments/", {"role": role["id"], "user": me})

    own = requester.get(f"{API}/tickets/?count=true")["count"]
    for filters, rows in (({}, own), ({"search": PUBLIC}, 1), ({"search": INTERNAL}, 0)):
        file = fetched(requester, {**order, "filters": {**filters, "fields": "number,requester,description"}})
        lines = file.removeprefix("\ufeff").splitlines()
        assert (lines[0], len(lines) - 1) == ("number,requester,description", rows)
        assert all(f",{me}," in line for line in lines[1:])
        assert (incident["number"] in file) is bool(rows)
        assert INTERNAL not in file


def fetched(client: Client, order: dict[str, Any]) -> str:
    """The file of a list, once the job has written it."""
    job = done(client, f"{API}/exports/", order)["id"]
    wait_until(lambda: client.get(f"{API}/jobs/{job}/")["state"] == "done", "the export is written", 30)
    return client.text(f"{API}/exports/{job}/download/")


def worked_on_it_sees_all(agent: Client, incident: dict[str, Any], ticket: str) -> None:
    """What is hidden from the requester is there: or hiding it would prove nothing."""
    assert agent.get(f"{ticket}comments/?count=true")["count"] == 5
    hits = agent.get(f"{API}/tickets/?search={INTERNAL}&count=true")
    assert ([row["number"] for row in hits["results"]], hits["count"]) == ([incident["number"]], 1)
    assert INTERNAL in str(agent.get(f"{ticket}timeline/?page_size=200"))


def has_nothing_of_it(globex: Client, incident: dict[str, Any]) -> None:
    """The organization next door, by id, number, search, count or verb; its own INC numbers are others'."""
    unknown = str(uuid4())
    for below in ("", "comments/", "timeline/", "watchers/", "links/", "attachments/"):
        status, _, problem = globex.ask("GET", f"{API}/tickets/{incident['id']}/{below}")
        assert (status, problem["code"]) == (404, "not_found")
        assert globex.ask("GET", f"{API}/tickets/{unknown}/{below}")[2]["title"] == problem["title"]
    for verb in ("claim", "close", "resume"):
        assert globex.ask("POST", f"{API}/incidents/{incident['id']}/{verb}/", {})[0] == 404
    for words in (PUBLIC, INTERNAL):
        assert globex.get(f"{API}/tickets/?search={words}&count=true") == NOTHING
    for filters in (f"requester={incident['requester']}", f"id={incident['id']}"):
        status, _, answer = globex.ask("GET", f"{API}/tickets/?{filters}&count=true")
        assert status == 400 or answer == NOTHING
    own = globex.get(f"{API}/tickets/?page_size=200&count=true")
    assert own["count"] == len(own["results"])
    assert incident["id"] not in {row["id"] for row in own["results"]}
