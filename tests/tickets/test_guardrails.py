"""The rules that make one base table with children safe (decision 0002), read off the SQL that is sent."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.incidents import services
from apps.incidents.models import Incident
from apps.tickets.models import Ticket
from tests.tickets.desk import INCIDENTS, SOLVED, TICKETS, incident, opened, part

CHILD = "incidents_incident"


def statements(call, *, status=200):
    with CaptureQueriesContext(connection) as captured:
        answer = call()
    assert answer.status_code == status, answer.content
    return [query["sql"] for query in captured.captured_queries]


def test_g1_a_child_is_sought_by_tenant_and_kind_of_its_base_row(acme):
    with acme.entered():
        sql = str(Incident.objects.filter(workaround="Restart").query)

    where = sql.partition(" WHERE ")[2]
    assert '"tickets_ticket"."kind" = incident' in where
    assert f'"tickets_ticket"."organization_id" = {acme.id}' in where
    assert f'"{CHILD}"."tenant" = {acme.id}' in where


@pytest.mark.parametrize(
    "name", ["status", "phase", "is_major", "major_status", "parent_id", "priority", "hold_reason"]
)
def test_g2_what_a_list_shows_or_filters_by_is_a_column_of_the_base(name):
    assert name in {field.attname for field in Ticket._meta.local_fields}
    assert name not in {field.attname for field in Incident._meta.local_fields}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("claim", {}),
        ("assign", {"assignee": None}),
        ("start", {}),
        ("hold", {"reason": "awaiting_vendor"}),
        ("resolve", SOLVED),
        ("cancel", {"reason": "A mistake"}),
        ("escalate", {"to": "hierarchical", "reason": "Too long"}),
        ("override-priority", {"priority": 2, "reason": "A director"}),
        ("major/propose", {"reason": "Everybody"}),
    ],
)
def test_g3_a_verb_locks_the_base_row_alone(acme, alice, api, verb, body):
    agent = api(alice)
    ticket = opened(agent)

    sent = statements(lambda: agent.post(incident(ticket, *verb.split("/")), body))

    locks = [sql for sql in sent if re.search(r"FOR (NO KEY )?UPDATE", sql) and "ticket" in sql]
    assert locks
    assert [sql for sql in locks if CHILD in sql] == []


def test_g3_a_link_and_a_merge_lock_base_rows_alone(acme, alice, api):
    agent = api(alice)
    first, second = opened(agent), opened(agent)
    calls = [
        statements(lambda: agent.post(part(first, "links"), {"type": "parent_of", "to": second["id"]}), status=201),
        statements(lambda: agent.post(incident(second, "merge"), {"into": first["id"]})),
        statements(lambda: agent.post(incident(second, "unmerge"), {})),
    ]
    for sent in calls:
        locks = [sql for sql in sent if "FOR UPDATE" in sql]
        assert any("tickets_ticket" in sql for sql in locks)
        assert [sql for sql in locks if CHILD in sql] == []


@pytest.mark.parametrize(
    "path",
    [
        INCIDENTS,
        TICKETS,
        f"{INCIDENTS}?major_status=candidate",
        f"{INCIDENTS}?status=new&ordering=priority",
        f"{INCIDENTS}?search=mail",
        f"{TICKETS}?search=mail",
        "children",
    ],
)
def test_g4_no_list_reads_the_child(acme, alice, bob, api, path):
    agent = api(alice)
    parent = opened(agent)
    opened(agent, parent=parent["id"])
    url = incident(parent, path) if path == "children" else path

    sent = statements(lambda: agent.get(url))

    assert [sql for sql in sent if "tickets_ticket" in sql] != []
    assert [sql for sql in sent if CHILD in sql] == []


def test_g4_a_list_shows_and_finds_candidates_by_the_base_row(acme, alice, api):
    agent = api(alice)
    grave, other = opened(agent), opened(agent)
    agent.post(incident(grave, "major", "propose"), {"reason": "Everybody"})

    rows = {row["id"]: row["major_status"] for row in agent.get(INCIDENTS).json()["results"]}
    found = agent.get(f"{INCIDENTS}?major_status=candidate").json()["results"]

    assert rows == {grave["id"]: "candidate", other["id"]: ""}
    assert [row["id"] for row in found] == [grave["id"]]


def test_g5_a_child_is_not_created_in_bulk_but_after_its_base(acme, bob):
    with acme.entered():
        row = Incident(organization_id=acme.id, tenant=acme.id, number="INC1", title="Mail", requester_id=bob.pk)
        with pytest.raises(ValueError, match="bulk create a multi-table inherited"):
            Incident.objects.bulk_create([row])
        with CaptureQueriesContext(connection) as captured:
            services.create(actor=acme.system, at=bob.created_at, values={"title": "Mail", "requester_id": bob.pk})
    written = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("INSERT")]
    tables = [re.search(r'INSERT INTO "?(\w+)', sql).group(1) for sql in written]
    assert tables.index("tickets_ticket") < tables.index(CHILD)
