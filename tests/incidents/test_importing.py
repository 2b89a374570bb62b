"""Importing incident histories: invented logs with every trap that real ones were seen to hold."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from apps.audit.models import Dispatch, Event
from apps.core import events
from apps.core.errors import Invalid
from apps.incidents.importing import mapping as mappings
from apps.incidents.importing.cast import address
from apps.incidents.importing.mapping import SHIPPED
from apps.incidents.models import ImportedIncident, Incident
from apps.notifications.models import Mail
from apps.organizations.models import Site, Team
from apps.tickets.models import Category, SearchDocument, Ticket
from apps.users.models import User, UserType
from tests import databases
from tests.conftest import superuser
from tests.incidents import logs
from tests.incidents.logs import line

NUMBER = "INC0000042"


def imported(path, slug="acme", **options):
    """Run the command and return its report."""
    report = path.with_name("report.json")
    call_command(
        "import_incidents",
        str(path),
        organization=slug,
        report=report,
        **{"workers": 1, "stdout": StringIO(), "stderr": StringIO(), **options},
    )
    return json.loads(report.read_text())


def instant(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def timeline(number=NUMBER):
    incident = Ticket.objects.get(number=number)
    found = Event.objects.filter(subject_id=incident.pk).order_by("at", "id")
    return [(event.name.removeprefix("incident."), f"{event.at:%d %H:%M}", event.actor_label) for event in found]


def remarks(report):
    return {(remark["number"], remark["code"]) for remark in report["remarks"]}


def content():
    """Every table's rows as one digest: what nobody may have changed. Seen by a superuser, past every wall."""
    with superuser() as opened:
        tables = [
            row[0] for row in opened.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ]
        return {
            table: opened.execute(
                f'SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM "{table}" t'
            ).fetchone()
            for table in tables
        }


LIFE = [
    line(NUMBER, "New", "1/3/2020 08:05", sys_updated_by="Desk One"),
    line(NUMBER, "Active", "1/3/2020 09:00", assigned_to="Sam Solver"),
    line(NUMBER, "Awaiting User Info", "2/3/2020 10:00", assigned_to="Sam Solver"),
    line(NUMBER, "Awaiting Vendor", "3/3/2020 10:00", assigned_to="Sam Solver"),
    line(NUMBER, "Active", "4/3/2020 10:00", assignment_group="Network", assigned_to="?"),
    line(
        NUMBER, "Active", "4/3/2020 11:00", assignment_group="Network", impact="1 - High", priority="2 - High",
        category="Network", subcategory="Cable", problem_id="PRB 7",
    ),
    line(NUMBER, "Resolved", "5/3/2020 10:00", assignment_group="Network", impact="1 - High", priority="2 - High"),
    line(NUMBER, "Resolved", "5/3/2020 12:00", assignment_group="Network", impact="1 - High", priority="2 - High"),
    line(
        NUMBER, "Closed", "10/3/2020 12:07", assignment_group="Network", impact="1 - High", priority="2 - High",
        sys_updated_by="?", reopen_count="0", reassignment_count="1",
        resolved_at="5/3/2020 12:00", closed_at="10/3/2020 12:07",
    ),
]  # fmt: skip


def test_a_history_is_lived_again_at_its_own_times_by_the_people_it_names(acme, tmp_path):
    report = imported(logs.write(tmp_path / "log.csv.gz", *LIFE))

    with acme.entered():
        incident = Incident.objects.get(number=NUMBER)
        assert timeline() == [
            ("created", "01 08:00", "Desk Two"),
            ("assigned", "01 09:00", "Desk One"),
            ("started", "01 09:00", "Desk One"),
            ("put_on_hold", "02 10:00", "Desk One"),
            ("put_on_hold", "03 10:00", "Desk One"),
            ("assigned", "04 10:00", "Desk One"),
            ("resumed", "04 10:00", "Desk One"),
            ("updated", "04 11:00", "Desk One"),
            # Category and problem of the line before are no more what this one says.
            ("updated", "05 10:00", "Desk One"),
            ("resolved", "05 10:00", "Desk One"),
            ("resolution_restated", "05 12:00", "Desk One"),
            ("closed", "10 12:07", "system:import"),
        ]
        assert (incident.status, incident.phase, incident.priority) == ("closed", "closed", 2)
        assert (incident.opened_at, incident.resolved_at, incident.closed_at) == (
            instant("2020-03-01 08:00"), instant("2020-03-05 12:00"), instant("2020-03-10 12:07"),
        )  # fmt: skip
        assert (incident.requester.full_name, incident.team.name, incident.assignee) == ("Ann Caller", "Network", None)
        assert (incident.category.name, incident.category.parent.name) == ("Outbox", "Mail")
        assert (incident.source, incident.title) == ("phone", "Mail / Outbox / Nothing leaves")
        assert (incident.reassignment_count, incident.reopen_count) == (1, 0)
        assert (incident.resolution_code, incident.resolution_notes) == (
            "solution_provided",
            "Close code of the source: code 6",
        )
        assert incident.custom_fields == {"symptom": "Nothing leaves", "location": "Harbour"}
        assert SearchDocument.objects.filter(ticket_id=incident.pk).count() == 1
    assert report["incidents"] == {"imported": 1, "unchanged": 0, "changed": 0, "rejected": 0}
    assert report["remarks"] == report["rejected_lines"] == []
    assert report["transitions"] == {
        "Active -> Awaiting User Info": 1,
        "Active -> Resolved": 1,
        "Awaiting User Info -> Awaiting Vendor": 1,
        "Awaiting Vendor -> Active": 1,
        "New -> Active": 1,
        "Resolved -> Closed": 1,
    }


def test_every_event_carries_what_it_changed(acme, tmp_path):
    imported(logs.write(tmp_path / "log.csv", *LIFE))

    with acme.entered():
        incident = Ticket.objects.get(number=NUMBER)
        changes = {e.name: e.changes for e in Event.objects.filter(subject_id=incident.pk).order_by("at")}
    assert changes["incident.put_on_hold"]["hold_reason"] == ["awaiting_requester", "awaiting_vendor"]
    assert changes["incident.assigned"]["reassignment_count"] == [0, 1]
    assert changes["incident.resolution_restated"]["resolved_at"] == ["2020-03-05T10:00:00Z", "2020-03-05T12:00:00Z"]


def test_nothing_is_delivered_mailed_or_called_and_every_fact_is_history(acme, tmp_path):
    before = set()
    with acme.entered():
        before = set(Event.objects.values_list("pk", flat=True))
    imported(logs.write(tmp_path / "log.csv", *LIFE, *logs.short("INC0000043")))

    with acme.entered():
        told = Event.objects.exclude(pk__in=before)
        # Teams are made, and somebody waits for that: not in vain when it is no history.
        assert events.consumers_of("team.created")
        assert (told.count() > 20, told.filter(is_historic=False).count()) == (True, 0)
        assert (Dispatch.objects.count(), Mail.objects.count()) == (0, 0)


def test_a_quarter_goes_from_new_to_resolved_and_that_is_legal(acme, tmp_path):
    report = imported(logs.write(tmp_path / "log.csv", *logs.short(NUMBER)))

    assert report["transitions"] == {"New -> Resolved": 1, "Resolved -> Closed": 1}
    with acme.entered():
        assert [name for name, _, _ in timeline()] == ["created", "resolved", "closed"]


def test_it_was_reopened_long_after_closing_and_counts_every_time(acme, tmp_path):
    history = [
        *logs.short(NUMBER),
        line(NUMBER, "Active", "1/6/2020 08:00", assignment_group="Network"),
        line(NUMBER, "Resolved", "1/6/2020 09:00", assignment_group="Network"),
        line(NUMBER, "Awaiting User Info", "1/6/2020 10:00", assignment_group="Network"),
        line(NUMBER, "Resolved", "1/6/2020 11:00", assignment_group="Network"),
        line(NUMBER, "Closed", "6/6/2020 11:07", assignment_group="Network", reopen_count="2", reassignment_count="1"),
    ]
    report = imported(logs.write(tmp_path / "log.csv", *history))

    with acme.entered():
        incident = Ticket.objects.get(number=NUMBER)
        assert (incident.reopen_count, incident.reassignment_count, incident.team.name) == (2, 1, "Network")
        assert incident.resolved_at == instant("2020-06-01 11:00")
        assert (incident.last_reopened_at, incident.last_reopened_by.full_name) == (
            instant("2020-06-01 10:00"), "Desk One",
        )  # fmt: skip
        names = [name for name, _, _ in timeline()]
    assert (names.count("reopened"), names.count("put_on_hold"), names.count("closed")) == (2, 1, 2)
    assert report["remarks"] == []


def test_closed_without_being_resolved_becomes_both_and_the_report_says_so(acme, tmp_path):
    history = [line(NUMBER, "New", "1/3/2020 08:05"), line(NUMBER, "Closed", "2/3/2020 08:05", closed_code="?")]
    report = imported(logs.write(tmp_path / "log.csv", *history))

    with acme.entered():
        incident = Ticket.objects.get(number=NUMBER)
        assert incident.resolved_at == incident.closed_at == instant("2020-03-02 08:05")
        assert (incident.resolution_code, incident.resolution_notes) == ("no_resolution_provided", "")
    assert remarks(report) == {(NUMBER, "closed_unresolved")}


def test_an_edit_after_closing_moves_the_closing_and_counts_the_team(acme, tmp_path):
    late = line(NUMBER, "Closed", "7/3/2020 10:00", assignment_group="Network", category="Network", subcategory="?")
    report = imported(logs.write(tmp_path / "log.csv", *logs.short(NUMBER), late))

    with acme.entered():
        incident = Ticket.objects.get(number=NUMBER)
        assert incident.closed_at == instant("2020-03-07 10:00")
        assert incident.resolved_at == instant("2020-03-01 09:00")
        assert (incident.team.name, incident.reassignment_count, incident.category.name) == ("Network", 1, "Network")
        assert [name for name, _, _ in timeline()][-1] == "closure_restated"
    assert report["remarks"] == []


def test_what_changed_with_the_closing_is_kept_and_leaves_the_time_of_resolution(acme, tmp_path):
    first, second, last = logs.short(NUMBER)
    report = imported(
        logs.write(tmp_path / "log.csv", first, second, {**last, "impact": "3 - Low", "priority": "4 - Low"})
    )

    with acme.entered():
        incident = Ticket.objects.get(number=NUMBER)
        assert (incident.impact, incident.priority) == (3, 4)
        assert incident.resolved_at == instant("2020-03-01 09:00")
    assert report["remarks"] == []


def test_a_state_that_means_nothing_changes_nothing_and_lines_are_put_into_the_order_of_time(acme, tmp_path):
    new, resolved, closed = logs.short(NUMBER)
    unknown = line(NUMBER, "-100", "1/3/2020 08:30")
    stray = line(NUMBER, "New", "1/3/2020 09:30")
    report = imported(logs.write(tmp_path / "log.csv", stray, new, unknown, resolved, closed))

    with acme.entered():
        assert [name for name, _, _ in timeline()] == ["created", "resolved", "closed"]
        incident = Ticket.objects.get(number=NUMBER)
        assert (incident.reopen_count, incident.resolved_at) == (0, instant("2020-03-01 09:00"))
    assert remarks(report) == {(NUMBER, "out_of_order"), (NUMBER, "back_to_new")}


def test_lines_of_one_incident_may_lie_apart_in_the_file(acme, tmp_path):
    one, other = logs.short("INC0000001"), logs.short("INC0000002")
    report = imported(logs.write(tmp_path / "log.csv", *(row for pair in zip(one, other, strict=True) for row in pair)))

    assert report["incidents"]["imported"] == 2
    with acme.entered():
        assert [name for name, _, _ in timeline("INC0000001")] == ["created", "resolved", "closed"]


def test_a_cancelled_one_is_cancelled(acme, tmp_path):
    history = [line(NUMBER, "New", "1/3/2020 08:05"), line(NUMBER, "Canceled", "2/3/2020 08:05")]
    imported(logs.write(tmp_path / "log.csv", *history))

    with acme.entered():
        assert Ticket.objects.get(number=NUMBER).phase == "cancelled"


def test_the_source_counted_otherwise_and_the_report_lists_it(acme, tmp_path):
    new, resolved, closed = logs.short(NUMBER)
    theirs = {"reassignment_count": "4", "reopen_count": "1", "resolved_at": "1/3/2020 09:01", "closed_at": "?"}
    report = imported(
        logs.write(tmp_path / "log.csv", {**new, "priority": "1 - Critical"}, resolved, {**closed, **theirs})
    )

    assert remarks(report) == {
        (NUMBER, "priority"), (NUMBER, "reassignment_count"), (NUMBER, "reopen_count"), (NUMBER, "resolved_at"),
    }  # fmt: skip


def test_the_matrix_becomes_the_sources_by_an_event_of_its_own(acme, tmp_path):
    low = {"impact": "3 - Low", "urgency": "3 - Low", "priority": "4 - Low"}
    report = imported(logs.write(tmp_path / "log.csv", *({**row, **low} for row in logs.short(NUMBER))))

    with acme.entered():
        changed = Event.objects.get(name="priority_cell.updated")
        assert (changed.changes, changed.is_historic) == ({"priority": [5, 4]}, True)
        assert Ticket.objects.get(number=NUMBER).priority == 4
    assert report["remarks"] == []


def test_people_are_accounts_that_cannot_sign_in_and_each_exists_once(acme, api, tmp_path):
    same = [{**row, "caller_id": "ann  CALLER"} for row in logs.short("INC0000043")]
    imported(logs.write(tmp_path / "log.csv", *LIFE, *same))

    with acme.entered():
        people = {user.full_name: user for user in User.objects.all()}
        assert sorted(people) == ["Ann Caller", "Desk One", "Desk Two", "Sam Solver"]
        ann, sam = people["Ann Caller"], people["Sam Solver"]
        assert (ann.email, ann.user_type, ann.site.name) == (
            "ann-caller@acme.imported.invalid",
            UserType.END_USER,
            "Harbour",
        )
        assert sam.user_type == UserType.AGENT
        assert not any(user.may_sign_in or user.has_usable_password() for user in people.values())
    answer = api().post("/api/v1/auth/token/", {"email": ann.email, "password": "!"})
    assert answer.status_code == 401


def test_whom_the_source_names_by_address_is_the_person_who_has_it(acme, alice, tmp_path):
    imported(logs.write(tmp_path / "log.csv", *({**row, "assigned_to": alice.email} for row in logs.short(NUMBER))))

    with acme.entered():
        assert Ticket.objects.get(number=NUMBER).assignee_id == alice.pk


def test_an_incident_without_a_caller_is_the_unknown_callers(acme, tmp_path):
    imported(logs.write(tmp_path / "log.csv", *({**row, "caller_id": "?"} for row in logs.short(NUMBER))))

    with acme.entered():
        assert Ticket.objects.get(number=NUMBER).requester.full_name == "Unknown caller"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Caller 2403", "caller-2403@acme.imported.invalid"),
        ("  caller   2403", "caller-2403@acme.imported.invalid"),
        ("李明", "person-"),
        ("Jürgen", "jurgen-"),
        ("x" * 200, "x" * 40 + "-"),
    ],
)
def test_an_address_is_made_of_the_name_and_keeps_apart_what_it_cannot_show(name, expected):
    assert address(name, "acme").startswith(expected)
    assert address(name, "acme") != address(name, "globex")
    assert address("李明", "acme") != address("王芳", "acme")


def test_a_second_run_changes_nothing_at_all(acme, fresh_database, tmp_path):
    path = logs.write(tmp_path / "log.csv", *LIFE, *logs.short("INC0000043"))
    first = imported(path)
    before = content()
    second = imported(path)

    assert (first["incidents"]["imported"], second["incidents"]["unchanged"]) == (2, 2)
    assert (second["incidents"]["imported"], second["made"]) == (0, {})
    assert content() == before


def test_the_source_went_on_meanwhile_and_that_is_told_but_not_imported(acme, fresh_database, tmp_path):
    imported(logs.write(tmp_path / "log.csv", *logs.short(NUMBER)))
    late = line(NUMBER, "Closed", "7/3/2020 10:00")
    report = imported(logs.write(tmp_path / "log.csv", *logs.short(NUMBER), late, *logs.short("INC0000043")))

    assert report["incidents"] == {"imported": 1, "unchanged": 0, "changed": 1, "rejected": 0}
    assert remarks(report) == {(NUMBER, "changed")}
    with acme.entered():
        assert Ticket.objects.get(number=NUMBER).closed_at == instant("2020-03-06 09:07")


def test_a_dry_run_writes_nothing_and_reports_the_same(acme, fresh_database, tmp_path):
    path = logs.write(
        tmp_path / "log.csv", *LIFE, *logs.short("INC0000043"), line("INC0000044", "Nonsense", "1/3/2020 08:00")
    )
    before = content()
    rehearsed = imported(path, dry_run=True)
    assert content() == before
    real = imported(path)

    assert (rehearsed.pop("is_dry_run"), real.pop("is_dry_run")) == (True, False)
    assert rehearsed == real


def test_two_processes_do_what_one_does(acme, globex, fresh_database, tmp_path):
    path = logs.write(tmp_path / "log.csv", *LIFE, *(row for n in range(60, 90) for row in logs.short(f"INC00000{n}")))
    two, one = imported(path, workers=2), imported(path, "globex")

    assert {**two, "organization": ""} == {**one, "organization": ""}
    for tenant in (acme, globex):
        with tenant.entered():
            assert (Ticket.objects.count(), ImportedIncident.objects.count()) == (31, 31)
            assert Event.objects.filter(name="incident.closed").count() == 31


def test_the_same_log_in_two_organizations_shares_nothing(acme, globex, mallory, api, tmp_path):
    imported(logs.write(tmp_path / "log.csv", *LIFE))

    assert api(mallory).get("/api/v1/incidents/").json()["results"] == []
    with globex.entered():
        assert [model.objects.count() for model in (Ticket, Team, Site, Category, ImportedIncident)] == [0] * 5
        assert User.objects.count() == 1
    imported(logs.write(tmp_path / "log.csv", *LIFE), "globex")
    with globex.entered():
        assert Ticket.objects.get(number=NUMBER).requester.email == "ann-caller@globex.imported.invalid"


def test_agents_see_the_imported_queue_and_the_next_number_lies_above(acme, alice, api, tmp_path):
    imported(logs.write(tmp_path / "log.csv", *LIFE))

    assert api(alice).get(f"/api/v1/incidents/{NUMBER}/").json()["status"] == "closed"
    assert api(alice).post("/api/v1/incidents/", {"title": "After it"}).json()["number"] == "INC0000043"


def test_a_number_that_a_ticket_of_ours_has_is_refused_and_the_ticket_untouched(acme, alice, api, tmp_path):
    ours = api(alice).post("/api/v1/incidents/", {"title": "Ours"}).json()
    report = imported(logs.write(tmp_path / "log.csv", *logs.short(ours["number"]), *logs.short(NUMBER)))

    assert report["incidents"] == {"imported": 1, "unchanged": 0, "changed": 0, "rejected": 1}
    assert report["remarks"][0]["detail"].endswith("A ticket that was not imported has this number.")
    with acme.entered():
        assert Ticket.objects.get(pk=ours["id"]).title == "Ours"


# --- broken lines

GOOD = logs.short("INC0000001"), logs.short("INC0000003")
BROKEN = {
    "state": {"incident_state": "Confused"},
    "date": {"sys_updated_at": "31/2/2020 08:00"},
    "year": {"sys_updated_at": "1/3/0020 08:00"},
    "no date": {"sys_updated_at": "?"},
    "impact": {"impact": "7 - Huge"},
    "contact type": {"contact_type": "Pigeon"},
    "count": {"reopen_count": "-1"},
    "too long a name": {"caller_id": "x" * 201},
    "too long a field": {"u_symptom": "x" * 200_000},
    "not a number of ours": {"number": "TASK12"},
}
CODES = {"year": "date", "no date": "date", "contact type": "source", "count": "reopen_count", "too long a name": "too_long",
         "too long a field": "too_long", "not a number of ours": "number"}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_line_takes_its_own_incident_with_it_and_no_other(acme, tmp_path, what):
    new, resolved, closed = logs.short("INC0000002")
    report = imported(logs.write(tmp_path / "log.csv", *GOOD[0], new, {**resolved, **BROKEN[what]}, closed, *GOOD[1]))

    (rejected,) = report["rejected_lines"]
    assert (rejected["line"], rejected["code"]) == (6, CODES.get(what, what))
    is_known = rejected["number"] == "INC0000002"
    assert is_known == (what != "not a number of ours")
    with acme.entered():
        there = set(Ticket.objects.values_list("number", flat=True))
    # A line that names no incident is nobody's: the others of what it may have belonged to stand for themselves.
    assert there == {"INC0000001", "INC0000003"} | (set() if is_known else {"INC0000002"})
    assert report["incidents"]["rejected"] == int(is_known)


MANGLED = {
    "too few cells": (lambda row: row.rsplit(b",", 3)[0] + b"\n", "cell_count"),
    "too many cells": (lambda row: row.rstrip(b"\n") + b",more,and more\n", "cell_count"),
    "not UTF-8": (lambda row: row.replace(b"Harbour", b"H\xe4fen"), "encoding"),
    "NUL": (lambda row: row.replace(b"Harbour", b"Har\x00bour"), "nul"),
    "a quote never closed": (lambda row: row.replace(b"Harbour", b'"Harbour'), "open_quote"),
    "a quote in the middle": (lambda row: row.replace(b",Harbour", b',"Har"bour'), "open_quote"),
    "two megabytes": (lambda row: row.replace(b"Harbour", b"H" * 2_000_000), "too_long"),
}


@pytest.mark.parametrize("what", MANGLED)
def test_a_mangled_line_never_swallows_the_rest(acme, tmp_path, what):
    mangle, code = MANGLED[what]
    raw = logs.text(*GOOD[0], *logs.short("INC0000002"), *GOOD[1]).encode().splitlines(keepends=True)
    raw[5] = mangle(raw[5])
    path = tmp_path / "log.csv"
    path.write_bytes(b"".join(raw))
    report = imported(path)

    assert [(one["line"], one["code"]) for one in report["rejected_lines"]] == [(6, code)]
    with acme.entered():
        there = set(Ticket.objects.values_list("number", flat=True))
        assert {"INC0000001", "INC0000003"} <= there
        assert [name for name, _, _ in timeline("INC0000003")] == ["created", "resolved", "closed"]


def test_a_cell_in_quotes_holds_line_breaks_and_a_formula_is_only_text(acme, tmp_path):
    odd = {"u_symptom": 'broken\n"quoted", and, more', "category": '=cmd|" /C calc"!A1'}
    imported(logs.write(tmp_path / "log.csv", *({**row, **odd} for row in logs.short(NUMBER)), *GOOD[0]))

    with acme.entered():
        incident = Ticket.objects.get(number=NUMBER)
        assert incident.custom_fields["symptom"] == odd["u_symptom"]
        assert incident.category.parent.name == odd["category"]
        assert Ticket.objects.count() == 2


def test_a_line_said_twice_happened_once(acme, tmp_path):
    new, resolved, closed = logs.short(NUMBER)
    report = imported(logs.write(tmp_path / "log.csv", new, resolved, resolved, closed))

    assert [one["code"] for one in report["rejected_lines"]] == ["repeated"]
    with acme.entered():
        assert [name for name, _, _ in timeline()] == ["created", "resolved", "closed"]


# --- what cannot be begun


def test_an_unknown_organization_a_file_that_is_none_and_a_missing_column_are_refused(acme, tmp_path):
    path = logs.write(tmp_path / "log.csv", *logs.short(NUMBER))
    with pytest.raises(CommandError, match="no organization nobody"):
        imported(path, "nobody")
    with pytest.raises(CommandError, match="cannot be read"):
        imported(tmp_path / "nothing.csv")
    (tmp_path / "other.csv").write_text("id,name\n1,x\n")
    with pytest.raises(CommandError, match=r"does not name the columns .*incident_state"):
        imported(tmp_path / "other.csv")
    with pytest.raises(CommandError, match="1 to 16"):
        imported(path, workers=0)
    with acme.entered():
        assert (Ticket.objects.count(), User.objects.count()) == (0, 0)


def test_a_packed_file_that_is_cut_off_is_refused_as_a_whole(acme, tmp_path):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(logs.text(*LIFE).encode())[:-20])
    with pytest.raises(CommandError, match="Nothing was imported"):
        imported(path)
    with acme.entered():
        assert Ticket.objects.count() == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"Active" = "in_progress"', '"Active" = "busy"', "/states/Active: Accepted: new, in_progress"),
        ('"Active" = "in_progress"', '"Active" = "scheduled"', "/states/Active"),
        ('"1 - High" = 1', '"1 - High" = 9', "/levels/1 - High"),
        ('zone = "UTC"', 'zone = "Mars/Olympus"', "/file/zone"),
        ('state = "incident_state"', "", "/columns/state: Required"),
        ('"reason", "comment"', '"conscience"', "conscience is none"),
        ("matrix = [[1, 2, 3]", "matrix = [[1, 2, 9]", "/policy/matrix"),
        ("[policy]", "[polizy]", "/polizy: Unknown"),
        ('name = "servicenow"', "name = ", "cannot be read"),
    ],
)
def test_a_mapping_that_is_wrong_says_where_and_what_is_accepted(tmp_path, old, new, said):
    shipped = SHIPPED.read_text()
    assert old in shipped
    path = tmp_path / "own.toml"
    path.write_text(shipped.replace(old, new, 1))
    with pytest.raises(Invalid, match=said.replace("[", r"\[")):
        mappings.load(path)


def test_a_mapping_of_ones_own_says_dates_zone_and_states(acme, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(SHIPPED.read_text().replace('zone = "UTC"', 'zone = "Europe/Berlin"').replace('"Active"', '"Busy"'))
    history = [line(NUMBER, "New", "1/7/2020 08:05"), line(NUMBER, "Busy", "1/7/2020 09:00")]
    imported(logs.write(tmp_path / "log.csv", *history), mapping=own)

    with acme.entered():
        assert timeline()[-1] == ("started", "01 07:00", "Desk One")


def test_what_the_policy_does_not_declare_is_still_required(acme, tmp_path):
    strict = tmp_path / "strict.toml"
    strict.write_text(SHIPPED.read_text().replace('"reason", "comment", ', ""))
    history = [line(NUMBER, "New", "1/3/2020 08:05"), line(NUMBER, "Awaiting User Info", "1/3/2020 09:00")]
    report = imported(logs.write(tmp_path / "log.csv", *history), mapping=strict)

    assert report["remarks"][0]["detail"] == "Line 3: /comment Tell the requester what you wait for."
    with acme.entered():
        assert Ticket.objects.count() == 0


# --- killed


def test_killed_in_the_middle_it_goes_on_and_ends_as_if_nothing_had_been(acme, globex, fresh_database, tmp_path):
    many = [row for n in range(100, 400) for row in logs.short(f"INC0000{n}")]
    path = logs.write(tmp_path / "log.csv", *many)
    killed = subprocess.Popen(
        [sys.executable, "manage.py", "import_incidents", str(path), "--organization", "acme", "--workers", "2"],
        cwd=databases.ROOT,
        env={**os.environ, "TEST_DATABASE_NAME": str(settings.DATABASES["default"]["NAME"])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while _count(acme) < 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    _wait_until_still(acme)
    done = _count(acme)
    report = imported(path)
    imported(path, "globex")

    assert 20 <= done < 300
    assert report["incidents"] == {"imported": 300 - done, "unchanged": done, "changed": 0, "rejected": 0}
    assert _shape(acme) == _shape(globex)


def _count(tenant):
    with tenant.entered():
        return Ticket.objects.count()


def _wait_until_still(tenant):
    """The workers notice that nobody listens any more."""
    before = -1
    while (now := _count(tenant)) != before:
        before = now
        time.sleep(1.5)


def _shape(tenant):
    with tenant.entered():
        rows = Ticket.objects.order_by("number").values_list("number", "status", "resolved_at", "closed_at", "version")
        return list(rows), list(
            Event.objects.filter(subject_type="incident").order_by("at", "name").values_list("name", "at")
        )


def test_what_the_source_goes_on_with_after_cancelling_is_told_and_changes_nothing(acme, tmp_path):
    report = imported(
        logs.write(
            tmp_path / "log.csv",
            line(NUMBER, "New", "1/3/2020 08:05"),
            line(NUMBER, "Canceled", "1/3/2020 09:00"),
            line(NUMBER, "Active", "1/3/2020 10:00", category="Network", assignment_group="Network"),
        )
    )

    assert report["incidents"]["rejected"] == 0, report
    assert (NUMBER, "cancelled_for_good") in remarks(report)
    with acme.entered():
        incident = Incident.objects.get(number=NUMBER)
        assert (incident.status, incident.team.name, incident.category.parent.name) == ("cancelled", "Servers", "Mail")


def test_what_changes_with_the_closing_line_is_kept(acme, tmp_path):
    report = imported(
        logs.write(
            tmp_path / "log.csv",
            line(NUMBER, "New", "1/3/2020 08:05"),
            line(NUMBER, "Resolved", "1/3/2020 09:00"),
            line(NUMBER, "Closed", "6/3/2020 09:07", category="Network", assignment_group="Network"),
        )
    )

    assert report["incidents"]["rejected"] == 0, report
    with acme.entered():
        incident = Incident.objects.get(number=NUMBER)
        assert (incident.status, incident.team.name, incident.category.parent.name) == ("closed", "Network", "Network")
        assert incident.closed_at == instant("2020-03-06 09:07")
