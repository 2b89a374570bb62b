"""What PostgreSQL does for the queues: every statement about tickets goes by an index that the tenant leads, however many rows."""

import json
import re
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import tenancy
from apps.incidents import load
from apps.incidents.admin import IncidentAdmin
from apps.tickets.admin.queue import TicketAdmin
from apps.tickets.models import Ticket
from apps.users.models import UserType
from tests.conftest import IS_FULL_RUN, Api, make_tenant, person, superuser
from tests.core.test_exports import body, rows_of_csv
from tests.users.test_admin_sign_in import signed_in

MANY = 20_000 if IS_FULL_RUN else 4_000
# Tables that the load has filled; small ones may be read from end to end.
GROWING = {"tickets_ticket", "incidents_incident", "tickets_comment", "tickets_searchdocument"}
READS = {
    "the newest": "/api/v1/incidents/",
    "the newest of all kinds": "/api/v1/tickets/",
    "closed ones": "/api/v1/incidents/?status=closed",
    "open work": "/api/v1/tickets/?phase__in=new,open,pending&ordering=priority",
    "one's own work": "/api/v1/tickets/?assignee=me",
    "those of a requester": "/api/v1/tickets/?requester={requester}",
    "those of a team": "/api/v1/tickets/?team={team}",
    "one": "/api/v1/incidents/{id}/",
    "one by number": "/api/v1/tickets/{number}/",
    "a rare word": "/api/v1/incidents/?search={rare}",
    "a common word": "/api/v1/incidents/?search=vpn",
    "a common word and a filter": "/api/v1/incidents/?search=the&status=new",
    "hits by another ordering": "/api/v1/tickets/?search=printer&ordering=-updated_at",
    "a count": "/api/v1/incidents/?phase=new&count=true&page_size=1",
    "counts of views": "/api/v1/views/counts/",
}


@pytest.fixture
def queue(fresh_database):
    """Two organizations of many tickets each, an agent and an end user of the first, and what requests can name."""
    acme, globex = make_tenant("acme", "Acme"), make_tenant("globex", "Globex")
    alice, bob = person(acme, "alice", UserType.AGENT), person(acme, "bob", UserType.END_USER)
    for tenant, seed in ((acme, 1), (globex, 2)):
        load.generate(tenant.id, MANY, seed=seed, at=timezone.now(), with_events=False)
    with superuser() as admin:
        admin.execute("VACUUM ANALYZE")
    with acme.entered():
        ticket = Ticket.objects.filter(title__contains="LT-").order_by("opened_at").first()
    rare = next(word for word in ticket.title.split() if word.startswith("LT-"))
    names = {
        "id": ticket.pk,
        "number": ticket.number,
        "requester": ticket.requester_id,
        "team": ticket.team_id,
        "rare": rare,
    }
    return acme, alice, bob, names


@contextmanager
def noted():
    """What is sent about tickets meanwhile, as SQL with its values."""
    sent: list[str] = []

    def note(execute, sql, params, many, context):
        if any(table in sql for table in GROWING) and sql.lstrip().upper().startswith("SELECT"):
            sent.append(psycopg.ClientCursor(connection.connection).mogrify(sql, params) if params else sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield sent


def statements_of(client, path):
    """What the request sent about tickets, and what it answered."""
    with noted() as sent:
        answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return sent, answer.json()


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def plan_of(sql):
    """As the application's role, inside the tenant in force."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        found = cursor.fetchone()[0]
    return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def led_by_the_tenant():
    with superuser() as admin:
        rows = admin.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'").fetchall()
    return {name for name, definition in rows if re.search(r"\((organization_id|tenant)\b", definition)}


def test_every_read_goes_by_an_index_that_the_tenant_leads(queue, monkeypatch):
    acme, alice, bob, names = queue
    # As ten thousand are to a million: where most rows of a table are wanted, reading it from end to end is right.
    for limit in (
        "apps.tickets.finding.MOST_LOOKED_THROUGH",
        "apps.tickets.api.searching.EXACT_COUNT_LIMIT",
        "apps.tickets.saved_views.MOST_COUNTED",
        "apps.core.api.pagination.EXACT_COUNT_LIMIT",
    ):
        monkeypatch.setattr(limit, MANY // 50)
    client = Api(alice)
    for view, filters in {"open": {"phase__in": "new,open"}, "mine": {"assignee": "me"}}.items():
        assert client.post("/api/v1/views/", {"name": view, "filters": filters}).status_code == 201
    led, explained = led_by_the_tenant(), 0
    for user in (alice, bob):
        for name, path in READS.items():
            if user is bob and name in {"one", "one by number"}:
                continue
            sent, _ = statements_of(Api(user), path.format(**names))
            with acme.entered():
                explained += sum(by_the_tenant(sql, led, (name, user.full_name)) for sql in sent)
    assert explained > len(READS)


def by_the_tenant(sql, led, name):
    """How many times the statement reads a growing table, each time by an index that the tenant leads."""
    found = 0
    for node in nodes(plan_of(sql)):
        if node.get("Relation Name") not in GROWING and "Index Name" not in node:
            continue
        found += 1
        assert node["Node Type"] != "Seq Scan", (name, sql, node)
        index = node.get("Index Name")
        # By its key alone: a row that the tenant's own index, or a join, has found already.
        assert index is None or index in led or index.endswith("_pkey"), (name, sql, node)
    return found


# --- guardrail G4 of exports and of the admin's lists

CHILD = "incidents_incident"


def bounded(sql):
    """It says how much it reads at most: a limit, or the ids it asks about."""
    return " LIMIT " in sql or " IN (" in sql or "= ANY" in sql


def newest(acme, number):
    """A parameter that keeps just so many of the newest incidents."""
    with acme.entered():
        opened = Ticket.objects.order_by("-opened_at", "-id").values_list("opened_at", flat=True)[number - 1]
    return f"opened_at__gte={opened:%Y-%m-%dT%H:%M:%S.%fZ}"


EXPORTS = ("/api/v1/incidents/", "/api/v1/tickets/")


def test_g4_an_export_reads_base_rows_in_bounded_batches_by_the_tenants_index(queue, monkeypatch):
    acme, *_ = queue
    client, led = Api(person(acme, "dan", UserType.ADMIN)), led_by_the_tenant()
    for path in EXPORTS:
        with monkeypatch.context() as limits, noted() as sent:
            # Two batches and a rest.
            limits.setattr("apps.core.api.exporting.BATCH", 40)
            limits.setattr("apps.core.api.exporting.MAX_ROWS", 100)
            assert exported(client, f"{path}?{newest(acme, 90)}") == 90
        assert len(sent) >= 4
        assert [sql for sql in sent if CHILD in sql] == []
        assert [sql for sql in sent if not bounded(sql)] == []
        with acme.entered():
            assert sum(by_the_tenant(sql, led, path) for sql in sent) >= len(sent)
        costs = []
        # Some are closed among the fewer too: by which terms those reopen is read once, however many there are.
        for rows in (40, 200):
            address = f"{path}?{newest(acme, rows)}"
            with CaptureQueriesContext(connection) as captured:
                assert exported(client, address) == rows
            costs.append(len(captured))
        assert costs[0] == costs[1], path


def exported(client, address):
    """How many rows the file has."""
    answer = client.get(f"{address}&format=csv")
    assert answer.status_code == 200, answer.content
    # Without its head.
    return len(rows_of_csv(body(answer))) - 1


ADMIN_LISTS = {
    "the queue": "/admin/tickets/ticket/",
    "incidents": "/admin/incidents/incident/",
    "another page": "/admin/incidents/incident/?p=3",
    "new ones": "/admin/tickets/ticket/?phase__exact=new",
    "open ones of a priority": "/admin/incidents/incident/?phase__exact=open&priority__exact=1",
    "of a team": "/admin/tickets/ticket/?team__exact={team}",
    "of a requester": "/admin/tickets/ticket/?requester__exact={requester}",
}


def test_g4_the_admins_lists_read_bounded_pages_of_base_rows_by_the_tenants_index(queue, monkeypatch):
    acme, *_, names = queue
    browser, led = signed_in(person(acme, "dan", UserType.ADMIN)), led_by_the_tenant()
    for name, path in ADMIN_LISTS.items():
        with noted() as sent:
            answer = browser.get(path.format(**names))
        assert (answer.status_code, len(sent) > 0) == (200, True), name
        assert [sql for sql in sent if CHILD in sql] == [], name
        assert [sql for sql in sent if not bounded(sql)] == [], name
        with acme.entered():
            assert sum(by_the_tenant(sql, led, name) for sql in sent) >= len(sent)
    for path, page in {"/admin/tickets/ticket/": TicketAdmin, "/admin/incidents/incident/": IncidentAdmin}.items():
        costs = []
        for rows in (2, 200):
            monkeypatch.setattr(page, "list_per_page", rows)
            with CaptureQueriesContext(connection) as captured:
                answer = browser.get(path)
            assert answer.content.count(b"field-number") >= rows
            costs.append(len(captured))
        assert costs[0] == costs[1], path


@pytest.mark.parametrize("column", ["public_words", "all_words"])
def test_the_door_to_the_words_follows_the_word(queue, column):
    """The statement behind `tickets_hits`: a rare word by the GIN index, a common one back from the newest."""
    acme, *_, names = queue
    with superuser() as admin:

        def plan(word, most):
            sql = f"""EXPLAIN (FORMAT JSON) SELECT d.ticket_id FROM tickets_searchdocument d
                WHERE d.organization_id = '{acme.id}' AND d.{column} @@ to_tsquery('itsm_words', '{word}')
                ORDER BY d.ticket_id DESC LIMIT {most}"""
            return {node.get("Index Name") for node in nodes(admin.execute(sql).fetchone()[0][0]["Plan"])} - {None}

        assert plan(names["rare"].lower(), 500) == {f"search_document_{'all' if column == 'all_words' else 'public'}"}
        assert plan("the", 5) == {"search_document_once"}


def test_a_list_costs_as_many_queries_for_two_hundred_rows_as_for_two(queue):
    _, alice, bob, _ = queue
    for user in (alice, bob):
        for path in ("/api/v1/incidents/?", "/api/v1/tickets/?", "/api/v1/tickets/?search=the&"):
            numbers = []
            for size in (2, 200):
                sent, body = statements_of(Api(user), f"{path}page_size={size}")
                assert user is bob or len(body["results"]) == size
                numbers.append(len(sent))
            assert numbers[0] == numbers[1], (user.full_name, path)


def test_the_tenant_is_left_as_it_was(queue):
    assert tenancy.current() is None
