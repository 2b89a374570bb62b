"""What the hourly job reads: due rows alone, by their index, however many wait."""

import json

import psycopg
from django.db import connection

from apps.tickets.closing import countdowns, sweeping
from tests.conftest import superuser
from tests.tickets.closing.conftest import DAY, MONDAY

MANY = 3_000
# The rows of one ticket as often as there are numbers; only the first of them are due.
COPY = """
INSERT INTO tickets_ticket SELECT (t.copy).* FROM (
    SELECT jsonb_populate_record(k, jsonb_build_object('id', gen_random_uuid(), 'number', 'X' || n)) AS copy
    FROM tickets_ticket k, generate_series(1, %(many)s) n WHERE k.id = %(ticket)s
) t
"""
WAIT = """
INSERT INTO tickets_countdown (id, organization_id, ticket_id, purpose, since, given, due_at, counted_by)
SELECT gen_random_uuid(), c.organization_id, k.id, c.purpose, c.since, 0,
    c.due_at + interval '1 minute' * row_number() OVER (ORDER BY k.id), c.counted_by
FROM tickets_countdown c JOIN tickets_ticket k ON k.organization_id = c.organization_id AND k.number LIKE 'X%%'
WHERE c.ticket_id = %(ticket)s
"""


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explained(queryset):
    sql, parameters = queryset.query.sql_with_params()
    with connection.cursor() as cursor:
        asked = psycopg.ClientCursor(connection.connection).mogrify(sql, parameters)
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked}")
        found = cursor.fetchone()[0]
    return list(nodes((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))


def test_the_job_reads_what_is_due_and_nothing_else(fresh_database, desk):
    ticket = desk.resolved()
    with superuser() as admin:
        for statement in (COPY, WAIT):
            admin.execute(statement, {"many": MANY, "ticket": ticket.pk})
        admin.execute("ANALYZE tickets_countdown")
        admin.execute("ANALYZE tickets_ticket")
    now = desk.countdown(ticket).due_at + 7 * (DAY / 1440)

    with desk.entered():
        due = explained(sweeping.due_rows("closing", now)[: sweeping.BATCH])
        none = explained(sweeping.due_rows("closing", MONDAY)[: sweeping.BATCH])

    reads = [node for node in due if node.get("Relation Name") == "tickets_countdown"]
    assert [node.get("Index Name") or reads for node in due if "Index Name" in node] == ["countdown_due"]
    assert [(node["Actual Rows"], node.get("Rows Removed by Filter", 0)) for node in reads] == [(8, 0)]
    assert [node["Actual Rows"] for node in none if node.get("Relation Name")] == [0]


def test_looking_for_what_other_terms_counted_finds_nothing_by_index_when_nothing_is_stale(fresh_database, desk):
    ticket = desk.resolved()
    with superuser() as admin:
        for statement in (COPY, WAIT):
            admin.execute(statement, {"many": MANY, "ticket": ticket.pk})
        admin.execute("ANALYZE tickets_countdown")

    with desk.entered():
        assert countdowns.recount_stale(500) == 0
        for narrowed in countdowns.stale_rows():
            reads = [node for node in explained(narrowed[:500]) if node.get("Relation Name") == "tickets_countdown"]
            assert [node.get("Rows Removed by Filter", 0) for node in reads] == [0]
            assert {node["Node Type"] for node in reads} <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
