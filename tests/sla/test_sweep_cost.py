"""What a sweep reads: what is due, and of what is open nothing."""

import json

import pytest
from django.db import connection, connections
from django.utils import timezone

from apps.sla import sweeping
from apps.sla.models import Timer
from tests.conftest import superuser
from tests.sla.conftest import HOUR, MINUTE, content, levels
from tests.sla.many import multiply

# So many that reading all of a table is dearer than looking up what is due.
OPEN, DUE = 30_000, 40


@pytest.fixture
def crowd(fresh_database, desk):
    """Thousands of running timers, of which a few are due; the time of day."""
    now = timezone.now()
    desk.only(content(seconds=3600, levels=levels(50)), at=now)
    running = desk.timer(desk.open(now))
    due = desk.timer(desk.open(now - 31 * MINUTE))
    with superuser() as admin:
        multiply(admin, running, OPEN - 1, series=1)
        multiply(admin, due, DUE - 1, series=2)
        admin.execute("VACUUM ANALYZE sla_timer")
        admin.execute("VACUUM ANALYZE tickets_ticket")
    return now


def explained(cursor, sql, parameters):
    """Every node of the plan as it ran."""
    cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", parameters)
    found = cursor.fetchone()[0]
    nodes = [(json.loads(found) if isinstance(found, str) else found)[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    return nodes


def read_of(nodes, table):
    """By which index a table was read, and how many of its rows were looked at."""
    scans = [node for node in nodes if node.get("Relation Name") == table]
    looked = sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans)
    return {node.get("Index Name", node["Node Type"]) for node in scans}, looked


def assert_read_by(nodes):
    """By one of the indexes of what is due, and no row beyond it."""
    used, looked = read_of(nodes, "sla_timer")
    assert used and used <= {"sla_timer_due", "sla_timer_due_here"}
    assert looked == DUE


def test_a_sweep_reads_what_is_due_and_nothing_else(desk, crowd):
    with connections["system"].cursor() as cursor:
        which = explained(cursor, sweeping.DUE, [crowd])
    parameters = {"organization": desk.tenant.id, "now": crowd, "limit": sweeping.BATCH, "but": []}
    with desk.entered(), connection.cursor() as cursor:
        claimed = explained(cursor, sweeping.CLAIM, parameters)
        ids = sweeping._claim(desk.tenant.id, crowd, sweeping.BATCH)
        rows = Timer.objects.filter(ticket_id__in=ids, next_due_at__lte=crowd).order_by("next_due_at", "id")
        sql, values = rows.query.sql_with_params()
        taken = explained(cursor, sql, values)

    assert_read_by(which)
    assert_read_by(claimed)
    assert read_of(claimed, "tickets_ticket")[1] == DUE
    assert read_of(taken, "sla_timer")[1] == DUE
    assert desk.sweep(crowd) == DUE
    assert desk.sweep(crowd) == 0


def test_a_sweep_of_nothing_reads_no_row(desk, crowd):
    desk.sweep(crowd)
    with connections["system"].cursor() as cursor:
        which = explained(cursor, sweeping.DUE, [crowd])

    assert read_of(which, "sla_timer")[1] == 0
    assert sweeping.organizations_due(crowd) == []
    assert sweeping.organizations_due(crowd + HOUR) == [desk.tenant.id]
