"""What a sweep reads: what is due, and of what is open nothing."""

import json

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.organizations import services as organizations
from apps.organizations.rounds import Lag, active_organization_ids
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


def assert_read_by(nodes, rows=DUE):
    """By the index of what is due in its tenant, and no row beyond it."""
    used, looked = read_of(nodes, "sla_timer")
    assert used == {"sla_timer_due_here"}
    assert looked == rows


def test_a_sweep_reads_what_is_due_and_nothing_else(desk, crowd):
    with connections["system"].cursor() as cursor:
        which = explained(cursor, sweeping.DUE.which, {"now": crowd, "among": [desk.tenant.id]})
    parameters = {"organization": desk.tenant.id, "now": crowd, "limit": sweeping.BATCH, "but": []}
    with desk.entered(), connection.cursor() as cursor:
        claimed = explained(cursor, sweeping.CLAIM, parameters)
        ids = sweeping._claim(desk.tenant.id, crowd, sweeping.BATCH)
        rows = Timer.objects.filter(ticket_id__in=ids, next_due_at__lte=crowd).order_by("next_due_at", "id")
        sql, values = rows.query.sql_with_params()
        taken = explained(cursor, sql, values)

    assert_read_by(which, 1)
    assert_read_by(claimed)
    assert read_of(claimed, "tickets_ticket")[1] == DUE
    assert read_of(taken, "sla_timer")[1] == DUE
    assert desk.sweep(crowd) == DUE
    assert desk.sweep(crowd) == 0


def page_of(desk, api, state):
    """The statement of the list's first page by deadline, explained as the caller's own."""
    with CaptureQueriesContext(connection) as sent:
        answer = api(desk.agent).get(f"/api/v1/tickets/?sla={state}&ordering=sla_due_at")
    [sql] = [query["sql"] for query in sent if "EXISTS" in query["sql"] and "LIMIT 51" in query["sql"]]
    with desk.entered(), connection.cursor() as cursor:
        return answer.json()["results"], explained(cursor, sql.replace("%", "%%"), [])


def test_a_queue_of_few_reads_the_few_and_no_other_timer(desk, crowd, api):
    with superuser() as admin:
        admin.execute("UPDATE sla_timer SET breached_at = %s WHERE next_due_at <= %s", [crowd, crowd])
        admin.execute("VACUUM ANALYZE sla_timer")
    for state, rows, index in (
        ("breached", DUE, "sla_timer_breached"),
        ("at_risk", 0, "sla_timer_at_risk"),
        ("paused", 0, "sla_timer_paused"),
    ):
        found, nodes = page_of(desk, api, state)

        indexes = {node["Index Name"] for node in nodes if "Index Name" in node}
        assert (len(found), index in indexes) == (rows, True)
        assert [node for node in nodes if node["Node Type"] == "Seq Scan"] == []
        assert (read_of(nodes, "sla_timer")[1], read_of(nodes, "tickets_ticket")[1]) == (rows, rows)


def test_a_queue_of_many_reads_its_page_in_the_order_of_deadlines(desk, crowd, api):
    with superuser() as admin:
        admin.execute("UPDATE sla_timer SET breached_at = %s WHERE get_byte(uuid_send(id), 15) %% 2 = 0", [crowd])
        admin.execute("VACUUM ANALYZE sla_timer")

    found, nodes = page_of(desk, api, "breached")

    used, looked = read_of(nodes, "tickets_ticket")
    assert (len(found), used) == (50, {"ticket_due"})
    assert max(looked, read_of(nodes, "sla_timer")[1]) < 300
    assert [row["sla_due_at"] for row in found] == sorted(row["sla_due_at"] for row in found)


def test_a_sweep_of_nothing_reads_no_row(desk, crowd):
    desk.sweep(crowd)
    with connections["system"].cursor() as cursor:
        which = explained(cursor, sweeping.DUE.which, {"now": crowd, "among": [desk.tenant.id]})

    assert read_of(which, "sla_timer")[1] == 0
    assert sweeping.DUE.organizations(crowd) == []
    assert sweeping.DUE.organizations(crowd + HOUR) == [desk.tenant.id]


@pytest.mark.parametrize("tidied", ["VACUUM ANALYZE", "ANALYZE"])
def test_what_is_due_in_a_suspended_organization_costs_the_sweep_of_the_others_nothing(desk, crowd, globex, tidied):
    """However long it has been: neither its rows nor any that run are looked at, by the job or by the figures."""
    with superuser() as admin:
        admin.execute("UPDATE sla_timer SET next_due_at = %s", [crowd - HOUR])
        admin.execute(f"{tidied} sla_timer")
    with desk.entered():
        organizations.suspend(desk.tenant.organization, actor=desk.system, at=crowd, reason="unpaid")
    given = {"now": crowd, "among": active_organization_ids()}
    with connections["system"].cursor() as cursor:
        which, late = explained(cursor, sweeping.DUE.which, given), explained(cursor, sweeping.DUE.late, given)

    assert given["among"] == [globex.id]
    assert (read_of(which, "sla_timer")[1], read_of(late, "sla_timer")[1]) == (0, 0)
    assert sweeping.DUE.organizations(crowd) == []
    assert sweeping.DUE.lag(crowd) == Lag(0, 0.0)
