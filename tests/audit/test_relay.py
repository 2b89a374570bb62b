"""What operators see without seeing content, and what the relay may know."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from apps.audit import relay, services
from tests.audit.conftest import queued
from tests.audit.test_deliver import kill, let_time_pass
from tests.conftest import superuser
from tests.sink.subscribers import POISON

pytestmark = pytest.mark.usefixtures("fresh_database")


def test_the_system_login_lists_what_is_due_of_all_organizations(acme, globex):
    mine, theirs = queued(acme)[1], queued(globex)[1]
    _, done = queued(acme, "Done")
    services.deliver(acme.id, done.pk)

    assert relay.list_due(10) == {acme.id: [mine.pk], globex.id: [theirs.pk]}
    assert relay.list_due(1) == {acme.id: [mine.pk]}
    assert relay.list_due(0) == {}


@pytest.mark.parametrize("column", ["event_id", "consumer", "last_error", "attempts", "*"])
def test_the_system_login_reads_no_content(acme, login, column):
    queued(acme)

    with login("system", acme.id) as connection, pytest.raises(Exception, match="permission denied"):
        connection.execute(f"SELECT {column} FROM audit_dispatch")


@pytest.mark.parametrize(
    "table", ["audit_event", "audit_rowchange", "organizations_team", "users_user", "sink_arrival"]
)
def test_the_system_login_reads_no_other_table(acme, login, table):
    with login("system", acme.id) as connection, pytest.raises(Exception, match="permission denied"):
        connection.execute(f"SELECT count(*) FROM {table}")


def test_the_system_login_changes_nothing(acme, login):
    queued(acme)

    with login("system", acme.id) as connection:
        for statement in ("UPDATE audit_dispatch SET done_at = now()", "DELETE FROM audit_dispatch"):
            with pytest.raises(Exception, match="permission denied"):
                connection.execute(statement)


def test_the_status_counts_what_waits_how_late_it_is_and_what_is_dead(acme, globex, capsys):
    call_command("relay", "--status")
    assert json.loads(capsys.readouterr().out) == {"waiting": 0, "overdue_seconds": 0.0, "dead": 0}

    queued(acme)
    queued(globex)
    call_command("relay", "--status")
    fresh = json.loads(capsys.readouterr().out)
    assert (fresh["waiting"], fresh["dead"]) == (2, 0)
    assert 0 <= fresh["overdue_seconds"] < 30


def test_the_status_fails_when_a_delivery_is_late(acme, capsys):
    queued(acme)
    with superuser() as connection:
        connection.execute("UPDATE audit_dispatch SET next_at = now() - interval '90 seconds'")

    with pytest.raises(SystemExit, match="1"):
        call_command("relay", "--status")

    late = json.loads(capsys.readouterr().out)
    assert 90 <= late["overdue_seconds"] < 120
    assert (late["waiting"], late["dead"]) == (1, 0)


def test_the_status_fails_when_a_delivery_is_dead(acme, capsys):
    kill(acme, queued(acme, POISON)[1])

    with pytest.raises(SystemExit, match="1"):
        call_command("relay", "--status")

    assert json.loads(capsys.readouterr().out) == {"waiting": 0, "overdue_seconds": 0.0, "dead": 1}


def test_a_delivery_that_waits_for_its_next_attempt_is_not_late(acme, capsys):
    _, dispatch = queued(acme, POISON)
    let_time_pass(acme, dispatch)
    services.deliver(acme.id, dispatch.pk)

    call_command("relay", "--status")

    assert json.loads(capsys.readouterr().out) == {"waiting": 1, "overdue_seconds": 0.0, "dead": 0}


def test_without_the_system_login_the_relay_says_what_it_needs(settings):
    settings.DATABASES = {"default": settings.DATABASES["default"]}

    with pytest.raises(CommandError, match="SYSTEM_DATABASE_URL is not set"):
        call_command("relay")


def test_the_listener_keeps_how_the_system_login_is_to_be_reached(acme, monkeypatch):
    monkeypatch.setitem(connections["system"].settings_dict["OPTIONS"], "sslmode", "disable")
    monkeypatch.setitem(connections["system"].settings_dict["OPTIONS"], "application_name", "the-listener")
    listening = relay.Relay()
    monkeypatch.setattr(relay, "POLL_SECONDS", 0.1)

    listening.wait()

    assert listening.listener.info.get_parameters()["application_name"] == "the-listener"
    assert listening.listener.info.get_parameters()["sslmode"] == "disable"
    listening._disconnect()
