"""Figures for those who watch over the installation: what they tell, to whom, and that one that fails hides none of the others."""

import socket
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.utils import ProgrammingError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apps.core import figures
from apps.core.metrics_server import MOST_THREADS, Metrics, serve
from apps.core.models import JobTick
from apps.incidents import major, services
from apps.organizations.models import Team
from apps.tickets import verbs
from apps.tickets.assignment import configuring
from tests.incidents.conftest import SOLVED, acting

LAGS = {
    "itsm_sla_sweep_lag_seconds",
    "itsm_sla_due_timers",
    "itsm_escalation_lag_seconds",
    "itsm_escalation_due_steps",
    "itsm_outbox_lag_seconds",
    "itsm_outbox_waiting_deliveries",
    "itsm_outbox_dead_deliveries",
    "itsm_queue_waiting_tickets",
    "itsm_queue_oldest_seconds",
    "itsm_major_due_alarms",
    "itsm_major_alarm_lag_seconds",
    "itsm_countdown_due_tickets",
    "itsm_countdown_lag_seconds",
    "itsm_job_last_finished_timestamp_seconds",
    "itsm_job_failed_runs",
    "itsm_figures_read",
}


def read():
    """Every sample by name and labels."""
    families = list(text_string_to_metric_families(figures.shown().decode()))
    samples = {(each.name, tuple(sorted(each.labels.items()))): each.value for f in families for each in f.samples}
    return {family.name for family in families}, samples


def test_every_figure_is_declared_with_its_unit_and_read(fresh_database, acme):
    names, samples = read()

    assert names == LAGS
    assert {value for (name, _), value in samples.items() if name == "itsm_figures_read"} == {1.0}


def test_what_waits_in_a_teams_queue_is_told_for_that_team_of_that_organization(fresh_database, acme, globex, bob):
    at = timezone.now()
    with acme.entered():
        team = Team.objects.create(organization_id=acme.id, name="Mail", created_at=at, updated_at=at)
        configuring.create_queue(actor=acme.system, at=at, values={"team_id": team.pk})
        for hours in (1, 3):
            values = {"title": "Down", "requester_id": bob.pk, "team_id": team.pk}
            services.create(actor=acme.system, at=at - timedelta(hours=hours), values=values)

    _, samples = read()

    of = (("organization", str(acme.id)), ("team", str(team.pk)))
    assert samples["itsm_queue_waiting_tickets", of] == 2
    assert 3 * 3600 <= samples["itsm_queue_oldest_seconds", of] < 3 * 3600 + 120
    assert [labels for name, labels in samples if name == "itsm_queue_waiting_tickets"] == [of]


def test_an_alarm_that_nobody_raised_is_a_lag(fresh_database, acme, bob, carol):
    long_ago = timezone.now() - timedelta(minutes=40)
    with acme.entered():
        incident = services.create(actor=acme.system, at=long_ago, values={"title": "Down", "requester_id": bob.pk})
        major.propose(incident, actor=acting(carol), at=long_ago, reason="x")
        major.accept(incident, actor=acting(carol), at=long_ago, reason="x")

    _, samples = read()

    assert samples["itsm_major_due_alarms", ()] == 1
    assert 590 <= samples["itsm_major_alarm_lag_seconds", ()] < 700


def test_each_job_that_time_has_work_for_tells_how_far_it_is_behind(fresh_database, acme, bob):
    long_ago = timezone.now() - timedelta(days=60)
    with acme.entered():
        given = {"title": "Down", "requester_id": bob.pk}
        asked, closing, scheduled = (services.create(actor=acme.system, at=long_ago, values=given) for _ in range(3))
        verbs.do(asked, "hold", actor=acme.system, at=long_ago, reason="awaiting_requester", comment="What do you see?")
        verbs.do(closing, "resolve", actor=acme.system, at=long_ago, **SOLVED)
        until = {"reason": "scheduled", "comment": "In the night", "until": timezone.now() + timedelta(days=1)}
        verbs.do(scheduled, "hold", actor=acme.system, at=long_ago, **until)

    _, samples = read()

    def shown(name):
        return {dict(labels)["job"]: value for (found, labels), value in samples.items() if found == name}

    assert shown("itsm_countdown_due_tickets") == {
        "tickets.resume_scheduled": 0,
        "tickets.hold_reminders": 1,
        "tickets.auto_close": 1,
    }
    lags = shown("itsm_countdown_lag_seconds")
    assert lags["tickets.resume_scheduled"] == 0
    # The first reminder was due two business days after the question, the warning three after the resolution.
    assert 60 * 86_400 > lags["tickets.hold_reminders"] > lags["tickets.auto_close"] > 50 * 86_400


def test_a_job_tells_when_it_last_ended_and_that_it_failed(fresh_database):
    ended = datetime(2026, 11, 2, tzinfo=UTC)
    JobTick.objects.create(name="sla.sweep", due_at=ended, lease_until=ended, finished_at=ended)
    JobTick.objects.create(name="sla.climb", due_at=ended, lease_until=ended, error="OperationalError: gone")

    _, samples = read()

    assert samples["itsm_job_last_finished_timestamp_seconds", (("job", "sla.sweep"),)] == ended.timestamp()
    assert samples["itsm_job_failed_runs", (("job", "sla.climb"),)] == 1


def test_a_source_that_fails_hides_none_of_the_others(fresh_database, monkeypatch):
    def broken(now):
        raise RuntimeError("out of order")

    monkeypatch.setitem(figures._sources, "broken", ((figures.Gauge("broken", "Nothing."),), broken))
    names, samples = read()

    assert samples["itsm_figures_read", (("source", "broken"),)] == 0
    assert samples["itsm_figures_read", (("source", "sla"),)] == 1
    assert names - LAGS == set()


@pytest.mark.parametrize("door", ["assignment_waiting()", "countdowns_due(now())"])
def test_the_webs_login_does_not_get_through_the_doors_of_figures(acme, door):
    refused = pytest.raises(ProgrammingError, match=f"permission denied for function {door.partition('(')[0]}")
    with refused, acme.entered(), connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {door}")


# --- who may ask


def environ(address="10.1.2.3", token="", path="/metrics", method="GET"):
    given = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
    return {"REMOTE_ADDR": address, "PATH_INFO": path, "REQUEST_METHOD": method, **given}


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (environ("127.0.0.1"), "200 OK"),
        (environ("::ffff:127.0.0.1"), "200 OK"),
        (environ("10.1.2.3"), "403 Forbidden"),
        (environ("10.1.2.3", token="x" * 32), "200 OK"),
        (environ("10.1.2.3", token="x" * 31), "403 Forbidden"),
        (environ("10.1.2.3", token="é" * 32), "403 Forbidden"),
        (environ("127.0.0.1", path="/"), "404 Not Found"),
        (environ("127.0.0.1", method="POST"), "405 Method Not Allowed"),
    ],
)
def test_allowed_networks_and_the_token_are_answered_and_nobody_else(asked, status):
    metrics = Metrics(["127.0.0.0/8", "::1/128"], "x" * 32, read=lambda: b"some figures")

    answered, _, body = metrics.answer(asked)

    assert (answered, body == b"some figures") == (status, status == "200 OK")


def test_without_a_token_an_empty_one_lets_nobody_in():
    metrics = Metrics([], "", read=lambda: b"some figures")

    assert metrics.answer(environ() | {"HTTP_AUTHORIZATION": "Bearer "})[0] == "403 Forbidden"


def test_asked_again_at_once_it_reads_once_and_what_fails_says_nothing_of_why():
    reads = []

    def count():
        reads.append(1)
        return b"figures"

    metrics = Metrics(["127.0.0.1/32"], read=count)
    assert [metrics.answer(environ("127.0.0.1"))[2] for _ in range(3)] == [b"figures"] * 3
    assert len(reads) == 1

    def fail():
        reads.append(1)
        raise RuntimeError("password=secret")

    failing = Metrics(["127.0.0.1/32"], read=fail)
    for _ in range(3):
        status, _, body = failing.answer(environ("127.0.0.1"))
        assert (status, b"secret" in body) == ("503 Service Unavailable", False)
    assert len(reads) == 2


def test_at_the_address_of_everybody_both_families_are_answered_and_no_more_at_once_than_there_are_threads():
    """Who sends nothing holds a thread until it is timed out: with all of them held the next one is hung up on."""
    server = serve("[::]:0", Metrics(["127.0.0.0/8", "::1/128"], read=lambda: b"figures"))
    try:
        port = server.server_port
        for host in ("127.0.0.1", "[::1]"):
            with urllib.request.urlopen(f"http://{host}:{port}/metrics") as answer:
                assert answer.read() == b"figures"
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST_THREADS)]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as one_more:
            assert one_more.recv(1) == b""
        for each in silent:
            each.close()
        assert server._free.acquire(timeout=5)
        server._free.release()
    finally:
        server.shutdown()
        server.server_close()


def test_a_name_of_both_families_is_answered_by_the_one_that_is_asked_more_often(monkeypatch):
    """Whatever the name server says first."""
    both = [(family, socket.SOCK_STREAM, 6, "", ()) for family in (socket.AF_INET6, socket.AF_INET)]
    for host, found, family in (
        ("localhost", both, socket.AF_INET),
        ("[::1]", both[:1], socket.AF_INET6),
    ):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, found=found, **options: found)
        server = serve(f"{host}:0", Metrics([]))
        server.shutdown()
        server.server_close()
        assert server.address_family == family


def test_it_is_served_over_http(fresh_database, acme):
    server = serve("127.0.0.1:0", Metrics(["127.0.0.0/8"]))
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{base}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert b"itsm_sla_sweep_lag_seconds 0.0" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{base}/admin/")
    finally:
        server.shutdown()
        server.server_close()
