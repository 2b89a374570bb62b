"""A list as a file: the same rows and fields as the list, for those who may export, and nothing that a spreadsheet would run."""

import csv
import io
import re
import stat
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from django.core.files.storage import storages
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch, Event
from apps.core import export_files, jobs, tenancy
from apps.core.api import exporting, exports
from apps.core.authorization import members_of
from apps.core.models import Job, JobState
from apps.organizations.tasks import forget_exports
from apps.users.models import RoleAssignment
from apps.users.role_table import VOCABULARY
from tests.conftest import person
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.core.routes import lists
from tests.core.test_jobs import fail_for_good
from tests.factories import RoleAssignmentFactory, RoleFactory, SiteFactory, TeamFactory

URL = "/api/v1/sites/"
XML = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def sites(acme):
    with acme.entered():
        return [
            SiteFactory(name=name, address=f"{name} street", is_active=name != "Bonn")
            for name in ("Köln", "Bonn", "Ulm")
        ]


@pytest.fixture(autouse=True)
def files(settings, tmp_path):
    """A private place of this test's own."""
    settings.STORAGES = {
        **settings.STORAGES,
        "exports": {
            **settings.STORAGES["exports"],
            "OPTIONS": {**settings.STORAGES["exports"]["OPTIONS"], "location": tmp_path},
        },
    }
    return tmp_path


def body(answer) -> bytes:
    return b"".join(answer.streaming_content)


def rows_of_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def rows_of_xlsx(content: bytes) -> list[list[tuple[str, str | None]]]:
    """Each cell as its type and its text, as the file has them."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in sheet.iter(f"{XML}row"):
        rows.append([(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.iter(f"{XML}c")])
    assert not list(sheet.iter(f"{XML}f")), "a formula"
    return rows


# --- the list itself


def test_the_csv_has_the_lists_rows_in_its_order_with_its_fields(api, dan, sites):
    answer = api(dan).get(URL, {"format": "csv", "fields": "name,address,is_active", "ordering": "-name"})
    content = body(answer)

    assert answer.status_code == 200
    assert (
        content
        == (
            "\ufeffname,address,is_active\r\nUlm,Ulm street,true\r\nKöln,Köln street,true\r\nBonn,Bonn street,false\r\n"
        ).encode()
    )
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r"attachment; filename=\"sites-[\d-]{10}\.csv\"; filename\*=UTF-8''sites-[\d-]{10}\.csv",
        answer["Content-Disposition"],
    )
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Length"] == str(len(content))


def test_every_field_of_the_json_is_a_column_and_instants_are_rfc_3339(api, dan, sites):
    client = api(dan)
    (shown,) = client.get(URL, {"name": "Ulm"}).json()["results"]
    header, row = rows_of_csv(body(client.get(URL, {"name": "Ulm", "format": "csv"})))

    assert header == list(shown)
    as_text = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in shown.items()}
    assert dict(zip(header, row, strict=True)) == as_text
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", dict(zip(header, row, strict=True))["created_at"])


def test_filters_and_search_hold(api, dan, sites):
    client = api(dan)

    assert len(rows_of_csv(body(client.get(URL, {"format": "csv", "is_active": "true"})))) == 1 + 2
    assert len(rows_of_csv(body(client.get(URL, {"format": "csv", "search": "bonn"})))) == 1 + 1
    assert len(rows_of_csv(body(client.get(URL, {"format": "csv", "name": "nowhere"})))) == 1


def test_the_xlsx_has_texts_numbers_and_booleans_and_no_formula(api, dan, acme):
    with acme.entered():
        SiteFactory(name='=HYPERLINK("http://evil.example")', address="http://evil.example")
        SiteFactory(name="007", address="")
    answer = api(dan).get(URL, {"format": "xlsx", "fields": "name,address,is_active,version", "ordering": "name"})

    assert answer["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    header, first, second = rows_of_xlsx(body(answer))
    assert [text for _, text in header] == ["name", "address", "is_active", "version"]
    assert first == [("inlineStr", "007"), ("b", "1"), ("n", "1")]
    assert second == [
        ("inlineStr", '=HYPERLINK("http://evil.example")'), ("inlineStr", "http://evil.example"), ("b", "1"), ("n", "1"),
    ]  # fmt: skip


def test_lists_and_objects_are_json_in_one_cell(api, dan, acme):
    with acme.entered():
        RoleFactory(name="Porter")
    content = body(api(dan).get("/api/v1/roles/", {"format": "csv", "name": "Admin", "fields": "name,grants"}))
    (_, (name, grants)) = rows_of_csv(content)

    assert name == "Admin"
    assert grants.startswith('[{"resource":')


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_reading_is_not_enough(api, request, sites, who):
    client = api(request.getfixturevalue(who))

    assert client.get(URL).status_code == 200
    assert assert_problem(client.get(URL, {"format": "csv"}), 403, "missing_grant")["grant"] == "sites.export"
    refused = client.post("/api/v1/exports/", {"resource": "sites", "format": "csv"})
    assert assert_problem(refused, 403, "missing_grant")["grant"] == "sites.export"


def test_where_the_table_knows_no_export_who_configures_may(api, dan, alice):
    assert api(dan).get("/api/v1/sla/calendars/", {"format": "csv"}).status_code == 200
    refused = api(alice).get("/api/v1/sla/calendars/", {"format": "csv"})
    assert assert_problem(refused, 403, "missing_grant")["grant"] == "calendars.configure"


def test_every_list_can_be_exported_by_a_grant_that_exists():
    """One that the vocabulary does not know could be given to nobody."""
    exportable = [route for route in lists() if route.view.is_exportable]
    unknown = [
        str(route)
        for route in exportable
        for resource in members_of(route.view.resource)
        if route.view.export_grant not in VOCABULARY[resource]
    ]

    assert unknown == []


def test_only_what_the_export_grant_reaches_is_exported(api, acme, alice):
    """Alice reads all teams, and may export her department's: nothing of teams says whose department they are."""
    with acme.entered():
        TeamFactory()
        role = RoleFactory(name="Exporter")
        role.grants.create(organization_id=acme.id, resource="teams", action="export", reach="department")
        RoleAssignmentFactory(role=role, user=alice)
    answer = api(alice).get("/api/v1/teams/", {"format": "csv"})

    assert len(api(alice).get("/api/v1/teams/").json()["results"]) == 1
    assert len(rows_of_csv(body(answer))) == 1


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"format": "pdf"}, "/format"),
        ({"format": "json"}, "/format"),
        ({"format": ""}, "/format"),
        ({"format": "csv", "page_size": "5"}, "/page_size"),
        ({"format": "csv", "cursor": "x"}, "/cursor"),
        ({"format": "csv", "count": "true"}, "/count"),
        ({"format": "csv", "fields": "nonsense"}, "/fields"),
        ({"format": "csv", "is_active": "perhaps"}, "/is_active"),
        ({"format": "csv", "colour": "blue"}, "/colour"),
    ],
)
def test_what_a_file_cannot_be_asked_is_refused(api, dan, sites, query, pointer):
    answer = assert_problem(api(dan).get(URL, query), 400, "invalid_parameter")

    assert [where for where, _ in pointers(answer)] == [pointer]


def test_more_rows_than_an_answer_holds_are_refused_and_told_where_to_go(api, dan, sites, monkeypatch):
    monkeypatch.setattr(exporting, "MAX_ROWS", 3)
    assert api(dan).get(URL, {"format": "csv"}).status_code == 200
    monkeypatch.setattr(exporting, "MAX_ROWS", 2)
    refused = assert_problem(api(dan).get(URL, {"format": "csv"}), 400, "too_many_rows")

    assert "POST /api/v1/exports/" in refused["detail"]


def test_a_list_longer_than_a_batch_is_whole_and_in_order(api, dan, acme, monkeypatch):
    monkeypatch.setattr(exporting, "BATCH", 4)
    with acme.entered():
        names = sorted(SiteFactory(address="").name for _ in range(12))
    content = body(api(dan).get(URL, {"format": "csv", "fields": "name", "ordering": "name"}))

    assert [row[0] for row in rows_of_csv(content)[1:]] == names


def test_taking_a_list_along_is_an_event(api, acme, dan, sites):
    api(dan).get(URL, {"format": "csv", "is_active": "true"})

    with acme.entered():
        (event,) = Event.objects.filter(name="export.downloaded")
    assert (event.actor_id, event.subject_type, event.subject_id) == (dan.pk, "user", dan.pk)
    assert event.data == {"resource": "sites", "format": "csv", "rows": 2}


def test_nothing_of_another_tenant_is_in_it(api, globex, mallory, sites):
    with globex.entered():
        SiteFactory(name="Ours")
    content = body(api(mallory).get(URL, {"format": "csv", "fields": "name"}))

    assert rows_of_csv(content) == [["name"], ["Ours"]]


# --- files written by a job


def ask(client, **given):
    return client.post("/api/v1/exports/", {"resource": "sites", "format": "csv", **given})


def run(acme) -> Job:
    with acme.entered():
        dispatch = Dispatch.objects.get(consumer="core.jobs", done_at=None)
    assert services.deliver(acme.id, dispatch.pk) == "done"
    with acme.entered():
        return Job.objects.order_by("-created_at").first()


@pytest.mark.usefixtures("fresh_database")
def test_a_file_is_asked_for_written_and_fetched(api, acme, dan, sites, files):
    client = api(dan)
    accepted = ask(client, filters={"is_active": True, "ordering": "-name", "fields": "name"})

    assert (accepted.status_code, accepted.json()["state"]) == (202, "queued")
    assert accepted["Location"] == f"/api/v1/jobs/{accepted.json()['id']}/"
    run(acme)
    job = client.get(accepted["Location"]).json()
    assert (job["state"], job["progress"], job["done"], job["total"]) == ("done", 100, 2, 2)
    assert (job["result"]["rows"], job["result"]["resource"]) == (2, "sites")
    answer = client.get(job["result"]["url"])
    assert rows_of_csv(body(answer)) == [["name"], ["Ulm"], ["Köln"]]
    assert answer["Content-Disposition"].startswith("attachment; ")
    (written,) = files.iterdir()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert UUID(written.stem).version == 4
    with acme.entered():
        requested = Event.objects.get(name="job.requested")
        downloaded = Event.objects.get(name="export.downloaded")
    assert requested.data == {"kind": "export", "resource": "sites", "format": "csv"}
    assert downloaded.data == {"resource": "sites", "format": "csv", "rows": 2, "job": job["id"]}


@pytest.mark.usefixtures("fresh_database")
def test_a_long_list_is_written_in_batches_that_tell_how_far_they_are(api, acme, dan, monkeypatch):
    monkeypatch.setattr(exporting, "BATCH", 2)
    with acme.entered():
        names = sorted(SiteFactory().name for _ in range(5))
    client = api(dan)
    ask(client, format="xlsx", filters={"fields": "name", "ordering": "name"})
    told = []
    advance = exports.jobs.advance
    monkeypatch.setattr(
        exports.jobs, "advance", lambda job, **given: (told.append(given["done"]), advance(job, **given))[1]
    )
    job = run(acme)

    assert told == [0, 2, 4, 5]
    rows = rows_of_xlsx(body(client.get(job.result["url"])))
    assert [row[0][1] for row in rows] == ["name", *names]


@pytest.mark.asvs("8.3.3")
@pytest.mark.usefixtures("fresh_database")
def test_who_lost_the_grant_meanwhile_gets_no_file(api, acme, dan, sites, files):
    ask(api(dan))
    with acme.entered():
        RoleAssignment.objects.filter(user_id=dan.pk).delete()
    job = run(acme)

    assert job.state == JobState.FAILED
    assert job.errors == [{"row": None, "code": "missing_grant", "detail": "This needs the grant sites.export."}]
    assert list(files.iterdir()) == []


@pytest.mark.asvs("8.3.3")
@pytest.mark.usefixtures("fresh_database")
def test_who_loses_the_grant_afterwards_cannot_fetch_it(api, acme, dan, sites):
    client = api(dan)
    ask(client)
    job = run(acme)
    with acme.entered():
        RoleAssignment.objects.filter(user_id=dan.pk).delete()
    refused = assert_problem(client.get(job.result["url"]), 403, "missing_grant")

    assert refused["grant"] == "sites.export"
    with acme.entered():
        assert not Event.objects.filter(name="export.downloaded").exists()


@pytest.mark.usefixtures("fresh_database")
def test_whose_grant_reaches_less_afterwards_cannot_fetch_it(api, acme, dan, sites):
    client = api(dan)
    ask(client)
    job = run(acme)
    assert client.get(job.result["url"]).status_code == 200
    with acme.entered():
        role = RoleFactory(name="Exporter")
        role.grants.create(organization_id=acme.id, resource="sites", action="export", reach="department")
        RoleAssignment.objects.filter(user_id=dan.pk).update(role=role)

    assert_problem(client.get(job.result["url"]), 403, "missing_grant")


@pytest.mark.usefixtures("fresh_database")
def test_only_the_requester_fetches_it(api, acme, dan, mallory, sites, request):
    ask(api(dan))
    job = run(acme)
    other = request.getfixturevalue("erin")

    for somebody in (other, mallory):
        there, nowhere = (api(somebody).get(f"/api/v1/exports/{pk}/download/") for pk in (job.pk, uuid4()))
        assert_problem(there, 404, "not_found")
        assert there.json()["detail"] == nowhere.json()["detail"]
    assert api().get(job.result["url"]).status_code == 401


@pytest.fixture
def erin(acme):
    """Another administrator."""
    return person(acme, "erin", "admin")


@pytest.mark.usefixtures("fresh_database")
def test_an_operator_exports_where_they_act(api, acme, operator, sites):
    client = api(operator, HTTP_X_ORGANIZATION="acme")
    accepted = ask(client)
    assert accepted.status_code == 202
    job = run(acme)

    assert job.state == JobState.DONE
    assert len(rows_of_csv(body(client.get(job.result["url"])))) == 4


@pytest.mark.usefixtures("fresh_database")
def test_asked_twice_with_one_key_there_is_one_job(api, acme, dan, sites):
    client = api(dan)
    body = {"resource": "sites", "format": "csv"}
    first, second = (client.post("/api/v1/exports/", body, headers={"Idempotency-Key": "once"}) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert second["Idempotency-Replayed"] == "true"
    assert first["Location"] == second["Location"]
    with acme.entered():
        assert Job.objects.count() == 1


def test_only_a_list_may_be_asked_for_a_format(api, dan, sites):
    refused = api(dan).get(f"/api/v1/sites/{sites[0].pk}/", {"format": "csv"})

    assert pointers(assert_problem(refused, 400, "invalid_parameter")) == [("/format", "unknown_parameter")]


def test_a_file_that_is_not_there_yet_is_a_conflict(api, dan, sites):
    client = api(dan)
    job = ask(client).json()["id"]

    assert_problem(client.get(f"/api/v1/exports/{job}/download/"), 409, "export_not_ready")


@pytest.mark.usefixtures("fresh_database")
def test_after_a_day_the_file_is_gone(api, acme, globex, dan, sites, files):
    client = api(dan)
    ask(client)
    job = run(acme)
    forget_exports(job.finished_at + export_files.KEPT)
    assert len(list(files.iterdir())) == 1
    forget_exports(job.finished_at + export_files.KEPT + timedelta(seconds=1))

    assert list(files.iterdir()) == []
    assert_problem(client.get(job.result["url"]), 409, "export_expired")
    assert "url" not in client.get(f"/api/v1/jobs/{job.pk}/").json()["result"]


@pytest.mark.usefixtures("fresh_database")
def test_a_file_that_was_lost_is_no_accident(api, acme, dan, sites, files):
    client = api(dan)
    ask(client)
    job = run(acme)
    for file in files.iterdir():
        file.unlink()

    assert_problem(client.get(job.result["url"]), 409, "export_expired")


@pytest.mark.usefixtures("fresh_database")
def test_a_job_that_is_done_twice_leaves_one_file(api, acme, dan, sites, files):
    ask(api(dan))
    job = run(acme)
    with acme.entered():
        Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)
        Dispatch.objects.filter(consumer="core.jobs").update(done_at=None, next_at=timezone.now())
    run(acme)

    assert len(list(files.iterdir())) == 1


@pytest.mark.usefixtures("fresh_database")
def test_a_replay_after_the_file_was_forgotten_fails_and_says_so(api, acme, dan, sites, files, monkeypatch):
    def broken(*args):
        raise RuntimeError("a disk was full")

    ask(api(dan))
    with acme.entered():
        dispatch = Dispatch.objects.get(consumer="core.jobs")
    with monkeypatch.context() as accident:
        accident.setitem(jobs._kinds, export_files.KIND, broken)
        fail_for_good(acme, dispatch)
    with acme.entered():
        given_up = Job.objects.get()
    forget_exports(given_up.finished_at + export_files.KEPT + timedelta(seconds=1))
    with acme.entered():
        services.replay(Dispatch.objects.get(pk=dispatch.pk), actor=acme.system, at=timezone.now())

    job = run(acme)

    assert (job.state, [error["code"] for error in job.errors]) == (JobState.FAILED, ["export_expired"])
    assert list(files.iterdir()) == []


@pytest.mark.usefixtures("fresh_database")
def test_a_run_that_another_one_overtook_takes_its_own_file_away(api, acme, dan, sites, files, monkeypatch):
    """The second run begins when the first has written its file and not yet its name."""
    keep, kept = export_files.keep, []

    def keep_and_be_overtaken(name, content):
        name_of_this_run = keep(name, content)
        kept.append(name_of_this_run)
        if len(kept) == 1:
            with acme.entered():
                event = Event.objects.get(name="job.requested")
            at_once([lambda: second(event)])
        return name_of_this_run

    def second(event):
        with tenancy.tenant(acme.id):
            jobs.run(event)

    monkeypatch.setattr(export_files, "keep", keep_and_be_overtaken)
    client = api(dan)
    ask(client)

    job = run(acme)

    assert (len(kept), job.state) == (2, JobState.DONE)
    assert [file.name for file in files.iterdir()] == [job.parameters["file"]]
    assert len(rows_of_csv(body(client.get(job.result["url"])))) == 1 + len(sites)


@pytest.mark.usefixtures("fresh_database")
def test_more_rows_than_a_job_writes_fail_it(api, acme, dan, sites, monkeypatch):
    monkeypatch.setattr(exports, "MAX_ROWS", 2)
    ask(api(dan))
    job = run(acme)

    assert (job.state, job.errors[0]["code"]) == (JobState.FAILED, "too_many_rows")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"resource": "nonsense"}, ("/resource", "invalid_choice")),
        ({"resource": "teams/<uuid:pk>/restore"}, ("/resource", "invalid_choice")),
        ({"resource": 7}, ("/resource", "invalid")),
        ({"format": "pdf"}, ("/format", "invalid_choice")),
        ({"filters": []}, ("/filters", "invalid")),
        ({"filters": {"name": {"is": "x"}}}, ("/filters/name", "invalid")),
        ({"filters": {"colour": "blue"}}, ("/filters/colour", "unknown_parameter")),
        ({"filters": {"page_size": 5}}, ("/filters/page_size", "unknown_parameter")),
        ({"filters": {"is_active": "perhaps"}}, ("/filters/is_active", "invalid")),
        ({"filters": {"ordering": "address"}}, ("/filters/ordering", "invalid_choice")),
        ({"filters": {"fields": "nonsense"}}, ("/filters/fields", "invalid_choice")),
        ({"filters": {"name": "a\u0000"}}, None),
        ({"colour": "blue"}, ("/colour", "unknown_field")),
    ],
)
def test_what_cannot_be_exported_is_refused_at_once(api, acme, dan, given, wrong):
    answer = ask(api(dan), **given)

    assert answer.status_code == 400
    assert wrong is None or pointers(answer.json()) == [wrong]
    with acme.entered():
        assert not Job.objects.exists()


def test_lists_are_named_by_their_path(api, dan):
    assert {"sites", "teams", "roles", "sla/calendars", "audit/events", "cost-centres"} <= set(exports.exportable())
    assert not [name for name in exports.exportable() if "<" in name]
    assert ask(api(dan), resource="cost_centres").status_code == 202
    assert ask(api(dan), resource="/sla/calendars/").status_code == 202


def test_every_list_of_the_router_can_be_asked_for(api, dan):
    exportable = [route for route in lists() if "<" not in route.path and route.view.is_exportable]
    named = {route.path.removeprefix("/api/v1/").strip("/") for route in exportable}

    assert set(exports.exportable()) == named
    for name in named:
        assert ask(api(dan), resource=name).status_code == 202, name


def test_the_place_of_the_files_is_private_by_default(settings):
    storage = storages["exports"]

    assert storage.file_permissions_mode == 0o600
    assert storage.directory_permissions_mode == 0o700
    assert Path(settings.EXPORTS_ROOT) != Path(settings.STATIC_ROOT)
