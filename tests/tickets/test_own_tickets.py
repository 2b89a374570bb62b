"""An agent of one team is a requester like any other on the tickets that another team works on."""

import pytest

from apps.audit.models import Event
from apps.tickets.models import Ticket
from apps.users.models import Role, RoleAssignment, UserType
from tests import factories
from tests.conftest import person
from tests.tickets.desk import incident, opened, part, refused
from tests.tickets.test_attachments import attached, send
from tests.users.test_admin_sign_in import signed_in

SECRET = "he-is-to-be-let-go"


@pytest.fixture
def erin(acme):
    """Works on the tickets of her team alone, and asks for help like everybody."""
    erin = person(acme, "erin", UserType.AGENT)
    with acme.entered():
        team = factories.TeamFactory()
        RoleAssignment.objects.filter(user=erin).update(limited_to_team=team)
        factories.RoleAssignmentFactory(user=erin, role=Role.objects.get(key="end_user"))
    erin.her_team = team
    return erin


@pytest.fixture
def hers(acme, alice, erin, api, files):
    """Her ticket, which others work on, with everything on it that is not for her."""
    ticket, agent = opened(api(erin)), api(alice)
    note = agent.post(part(ticket, "comments"), {"body": "frist", "visibility": "internal"}).json()
    agent.patch(part(ticket, "comments", note["id"]), {"body": SECRET})
    answer = agent.post(part(ticket, "comments"), {"body": SECRET, "visibility": "internal"}).json()
    agent.patch(part(ticket, "comments", answer["id"]), {"body": "We look into it.", "visibility": "public"})
    file = attached(agent, part(ticket, "attachments"), f"{SECRET}.txt", visibility="internal")
    worklog = agent.post(part(ticket, "worklogs"), {"minutes": 5, "note": SECRET}).json()
    task = agent.post(part(ticket, "tasks"), {"title": SECRET}).json()
    agent.post(incident(ticket, "escalate"), {"to": "hierarchical", "reason": SECRET})
    parts = {"note": note, "answer": answer, "file": file, "worklog": worklog, "task": task}
    return ticket, {name: row["id"] for name, row in parts.items()}


def given_to(acme, ticket, team):
    with acme.entered():
        Ticket.objects.filter(pk=ticket["id"]).update(team=team)


def hidden(ticket, ids):
    return [
        part(ticket, "comments", ids["note"]),
        part(ticket, "comments", ids["note"], "edits"),
        part(ticket, "comments", ids["answer"], "edits"),
        part(ticket, "attachments", ids["file"]),
        part(ticket, "attachments", ids["file"], "download"),
        part(ticket, "worklogs", ids["worklog"]),
        part(ticket, "tasks", ids["task"]),
    ]


def test_she_reads_nothing_internal_there_until_it_is_her_teams(acme, erin, api, hers):
    ticket, ids = hers
    client = api(erin)

    assert [row["id"] for row in client.get(part(ticket, "comments")).json()["results"]] == [ids["answer"]]
    for name in ("attachments", "worklogs", "tasks"):
        assert client.get(part(ticket, name)).json()["results"] == []
    assert [client.get(address).status_code for address in hidden(ticket, ids)] == [404] * 7
    heard = client.get(part(ticket, "timeline"))
    assert SECRET not in heard.content.decode()
    assert [entry["event"] for entry in heard.json()["results"]] == ["incident.created", "incident.comment_edited"]

    given_to(acme, ticket, erin.her_team)
    addresses = [address for address in hidden(ticket, ids) if "worklogs" not in address and "tasks" not in address]
    assert [client.get(address).status_code for address in addresses] == [200] * 5
    heard = [entry["event"] for entry in client.get(part(ticket, "timeline")).json()["results"]]
    assert {"incident.escalated", "incident.work_logged", "incident.task_added"} <= set(heard)


def test_she_writes_nothing_internal_there(acme, erin, api, hers):
    ticket, _ = hers
    client = api(erin)

    whisper = {"body": "psst", "visibility": "internal"}
    assert refused(client.post(part(ticket, "comments"), whisper), 403, "missing_grant")["grant"] == (
        "internal_comments.create"
    )
    assert send(client, part(ticket, "attachments"), visibility="internal").status_code == 403
    assert client.post(part(ticket, "worklogs"), {"minutes": 5}).json()["grant"] == "work_logs.create"
    assert client.post(part(ticket, "tasks"), {"title": "x"}).json()["grant"] == "tasks.create"
    assert client.post(part(ticket, "comments"), {"body": "Thank you."}).status_code == 201


@pytest.mark.parametrize("resource", ["internal_comments", "work_logs", "tasks"])
def test_grants_for_all_that_is_internal_do_not_open_what_is_only_ones_own(acme, alice, erin, api, hers, resource):
    ticket, ids = hers
    with acme.entered():
        role = factories.RoleFactory(name="Reads everything internal")
        factories.GrantFactory(role=role, resource=resource, action="read", reach="organization")
        factories.RoleAssignmentFactory(user=erin, role=role)

    assert [api(erin).get(address).status_code for address in hidden(ticket, ids)] == [404] * 7
    for address in ("incidents", "tickets"):
        assert api(erin).get(f"/api/v1/{address}/", {"search": SECRET}).json()["results"] == []
        assert len(api(alice).get(f"/api/v1/{address}/", {"search": SECRET}).json()["results"]) == 1


def test_nobody_mentions_her_in_what_she_may_not_read(acme, alice, erin, api, hers):
    ticket, _ = hers
    body = f"@[Erin](user:{erin.pk}) is not to know"
    api(alice).post(part(ticket, "comments"), {"body": body, "visibility": "internal"})
    api(alice).post(part(ticket, "comments"), {"body": body})

    with acme.entered():
        facts = Event.objects.filter(subject_id=ticket["id"], name="incident.commented").order_by("-id")[:2]
        assert [fact.data["mentions"] for fact in facts] == [[str(erin.pk)], []]


def test_the_admin_keeps_it_from_her_too(acme, dan, erin, api, hers):
    ticket, _ = hers
    with acme.entered():
        RoleAssignment.objects.filter(user=dan, role__key="admin").update(limited_to_team=erin.her_team)
        factories.RoleAssignmentFactory(user=dan, role=Role.objects.get(key="end_user"))
        role = factories.RoleFactory(name="Reads everything internal")
        for resource in ("internal_comments", "work_logs", "tasks"):
            factories.GrantFactory(role=role, resource=resource, action="read", reach="organization")
        factories.RoleAssignmentFactory(user=dan, role=role)
        Ticket.objects.filter(pk=ticket["id"]).update(requester=dan)
    browser = signed_in(dan)

    for address in (
        f"incidents/incident/{ticket['id']}/change/",
        "tickets/comment/",
        "tickets/attachment/",
        "tickets/worklog/",
        "tickets/task/",
    ):
        page = browser.get(f"/admin/{address}")
        assert page.status_code == 200, address
        assert SECRET not in page.content.decode(), address
