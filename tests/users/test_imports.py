"""People from a file: what is accepted, what becomes of each row, and that nothing happens twice or by rehearsal."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch, Event
from apps.core import jobs
from apps.core.models import Job, JobState
from apps.users import imports
from apps.users.models import RoleAssignment, User, UserType
from apps.users.role_table import END_USER
from tests import factories
from tests.conftest import person
from tests.core.expectations import assert_problem, pointers
from tests.core.test_jobs import fail_for_good

IMPORT = "/api/v1/users/import/"
HEAD = "email,full_name,username,employee_number,user_type,department,site,manager,time_zone,language,is_vip,phone\n"
ROWS = (
    HEAD
    + "ann@acme.example,Ann,ann,E1,agent,Sales,Paris,boss@acme.example,Europe/Paris,fr,yes,+33\n"
    + "boss@acme.example,Boss,boss,E2,manager,,,,,,,\n"
)


def test_an_import_invites_only_so_many_at_once(acme, api, dan, monkeypatch):
    monkeypatch.setattr(imports, "MAX_INVITING_ROWS", 1)
    text = "email,full_name\nx@acme.example,X\ny@acme.example,Y\n"

    refused = assert_problem(api(dan).post(IMPORT, {"csv": text, "invite": True}), 400, "invalid")

    assert pointers(refused) == [("/csv", "too_many_rows")]
    assert api(dan).post(IMPORT, {"csv": text}).status_code == 202


def test_a_grant_that_reaches_less_creates_nobody_out_of_reach(fresh_database, acme, api, dan, alice):
    with acme.entered():
        role = factories.RoleFactory(name="Registrar")
        for action, reach in {"create": "department", "read": "organization"}.items():
            role.grants.create(organization_id=acme.id, resource="users", action=action, reach=reach)
        # What the built-in role of whom they create grants, they hold too.
        for resource, actions in END_USER.items():
            for action in actions:
                if (resource, action) not in {("users", "read")}:
                    role.grants.create(organization_id=acme.id, resource=resource, action=action, reach="organization")
        factories.RoleAssignmentFactory(role=role, user=alice)

    job = imported(acme, api, alice, "email,full_name\nx@acme.example,X\n")

    assert (counts(job), [error["code"] for error in job.errors]) == ({"failed": 1}, ["missing_grant"])
    assert "users.create" in job.errors[0]["detail"]
    assert "x@acme.example" not in people(acme)


def requested(api, by, text, **flags) -> Job:
    answer = api(by).post(IMPORT, {"csv": text, **flags})
    assert answer.status_code == 202, answer.content
    assert answer["Location"] == f"/api/v1/jobs/{answer.json()['id']}/"
    assert answer.json()["state"] == "queued"
    return Job(pk=answer.json()["id"])


def done(tenant, job) -> Job:
    with tenant.entered():
        dispatch = Dispatch.objects.get(consumer="core.jobs", done_at=None)
    assert services.deliver(tenant.id, dispatch.pk) == "done"
    return again(tenant, job)


def again(tenant, job) -> Job:
    with tenant.entered():
        return Job.objects.get(pk=job.pk)


def imported(tenant, api, by, text, **flags) -> Job:
    return done(tenant, requested(api, by, text, **flags))


def counts(job):
    return {name: job.result[name] for name in imports.OUTCOMES if job.result[name]}


def people(tenant):
    with tenant.entered():
        return set(User.objects.values_list("email", flat=True))


@pytest.fixture
def places(acme):
    with acme.entered():
        return factories.DepartmentFactory(name="Sales"), factories.SiteFactory(name="Paris")


def test_rows_become_people_with_everything_and_a_second_run_changes_nothing(fresh_database, acme, api, dan, places):
    job = imported(acme, api, dan, ROWS)

    assert (job.state, job.total, job.done, job.progress, job.errors) == (JobState.DONE, 2, 2, 100, [])
    assert job.result == {"created": 2, "updated": 0, "unchanged": 0, "failed": 0, "is_dry_run": False}
    with acme.entered():
        ann = User.objects.get(email="ann@acme.example")
        assert (ann.department, ann.site, ann.manager.email) == (*places, "boss@acme.example")
        assert (ann.time_zone, ann.language, ann.is_vip, ann.phone) == ("Europe/Paris", "fr", True, "+33")
        assert (ann.username, ann.employee_number, ann.user_type) == ("ann", "E1", UserType.AGENT)
        assert RoleAssignment.objects.get(user=ann).role.key == "agent"
        assert set(Event.objects.filter(name__startswith="user.").values_list("name", flat=True)) == {
            "user.signed_in",
            "user.created",
        }

    assert counts(imported(acme, api, dan, ROWS)) == {"unchanged": 2}
    assert counts(imported(acme, api, dan, "email;phone\r\nANN@acme.example;+44\r\n")) == {"updated": 1}


def test_a_rehearsal_tells_the_same_and_changes_nothing(fresh_database, acme, api, dan, places):
    text = ROWS + "x@acme.example,X,ANN,,,,,,,,,\n" + "y@acme.example,Y,,,,Nowhere,,,,,,\n"
    before = people(acme)

    rehearsed = imported(acme, api, dan, text, dry_run=True)

    assert people(acme) == before
    with acme.entered():
        assert not Event.objects.filter(name="user.created").exists()
    real = imported(acme, api, dan, text)
    assert (counts(rehearsed), rehearsed.errors) == (counts(real), real.errors)
    assert (rehearsed.result["is_dry_run"], real.result["is_dry_run"]) == (True, False)
    assert counts(real) == {"created": 2, "failed": 2}
    assert [(error["row"], error["code"]) for error in real.errors] == [(4, "duplicate"), (5, "does_not_exist")]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_rehearsal_in_batches_sees_what_earlier_batches_wrote(
    fresh_database, acme, api, dan, alice, monkeypatch, batch
):
    """Managers, taken names and numbers, an address that moved, circles, and who is left as administrator."""
    monkeypatch.setattr(imports, "REHEARSED_AT_ONCE", batch)
    person(acme, "erin", UserType.ADMIN)
    with acme.entered():
        User.objects.filter(pk=alice.pk).update(employee_number="A1", employee_number_normalised="a1")
    text = (
        "email,full_name,username,employee_number,user_type,manager\n"
        "boss@acme.example,Boss,boss,E1,,\n"
        "ann@acme.example,Ann,ann,E2,,boss@acme.example\n"
        "x@acme.example,X,BOSS,,,\n"
        "other@acme.example,,,E2,,\n"
        "ann@acme.example,Again,,,,\n"
        "alicia@acme.example,,,A1,,\n"
        f"{alice.email},Newcomer,,,,\n"
        "boss@acme.example,,,,,other@acme.example\n"
        "erin@acme.example,,,,agent,\n"
        "dan@acme.example,,,,agent,\n"
        "boss@acme.example,,,E1,,\n"
    )
    before = people(acme)

    rehearsed = imported(acme, api, dan, text, dry_run=True)

    assert people(acme) == before
    assert (rehearsed.done, rehearsed.progress) == (11, 100)
    real = imported(acme, api, dan, text)
    assert (counts(rehearsed), rehearsed.errors) == (counts(real), real.errors)
    assert {"created", "updated", "unchanged", "failed"} == set(counts(real))


@pytest.mark.parametrize(
    ("row", "code", "word"),
    [
        ("bad,A,,,,,,,,,,", "invalid", "email"),
        ("a@acme.example,,,,,,,,,,,", "required", "full_name"),
        ("a@acme.example,A,,,boss,,,,,,,", "invalid_choice", "user_type"),
        ("a@acme.example,A,,,,,Nowhere,,,,,", "does_not_exist", "site"),
        ("a@acme.example,A,,,,,,nobody@acme.example,,,,", "does_not_exist", "manager"),
        ("a@acme.example,A,,,,,,mallory@globex.example,,,,", "does_not_exist", "manager"),
        ("a@acme.example,A,,,,,,,Mars/Olympus,,,", "invalid", "time_zone"),
        ("a@acme.example,A,,,,,,,,,maybe,", "invalid", "is_vip"),
        ("mallory@globex.example,A,,,,,,,,,,", "duplicate", "not available"),
        ("dan@acme.example,,,,agent,,,,,,,", "last_administrator", "last administrator"),
    ],
)
def test_a_wrong_row_is_told_by_its_number_and_harms_no_other(
    *, fresh_database, acme, api, dan, mallory, row, code, word
):
    good = "good@acme.example,Good,,,,,,,,,,\n"

    job = imported(acme, api, dan, f"{HEAD}{row}\n{good}")

    assert counts(job) == {"created": 1, "failed": 1}
    ((number, found, detail),) = [(error["row"], error["code"], error["detail"]) for error in job.errors]
    assert (number, word in detail) == (2, True), detail
    assert found == code
    assert people(acme) == {"dan@acme.example", "good@acme.example"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("email,salary\nx@acme.example,1\n", "unknown_column"),
        ("email,password\nx@acme.example,1\n", "unknown_column"),
        ("email,email\nx,y\n", "duplicate_column"),
        ("full_name\nX\n", "missing_column"),
        ('email,full_name\nx@acme.example,"X\n', "malformed"),
        ('email,full_name\n"x"y@acme.example,X\n', "malformed"),
        ("email\nx@acme.example,too,many\n", "too_many_cells"),
        ("email\n" + "x@acme.example\n" * (imports.MAX_ROWS + 1), "too_many_rows"),
        (",\n", "unknown_column"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_whole(acme, api, dan, text, code):
    body = assert_problem(api(dan).post(IMPORT, {"csv": text}), 400, "invalid")

    assert pointers(body) == [("/csv", code)]
    if code == "unknown_column":
        assert "accepted: email, full_name" in body["errors"][0]["detail"]
    with acme.entered():
        assert not Job.objects.exists()


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffemail,full_name\nx@acme.example,X\n",
        "email;full_name\r\nx@acme.example;X\r\n",
        'email,full_name\n"x@acme.example","X"\n',
        " Email , FULL_NAME \n x@acme.example , X \n\n\n",
        "full_name,email\nX,x@acme.example",
    ],
)
def test_a_file_is_read_however_a_spreadsheet_wrote_it(text):
    (row,) = imports.read(text)

    assert (row.number, row.cells) == (2, {"email": "x@acme.example", "full_name": "X"})


def test_quoted_cells_hold_separators_line_breaks_and_quotes():
    first, second = imports.read('email;full_name;phone\na@b.example;"A; ""B""\nC";1\nc@b.example;=cmd();2\n')

    assert first.cells["full_name"] == 'A; "B"\nC'
    assert (second.number, second.cells["full_name"]) == (3, "=cmd()")


def test_managers_come_before_those_who_report_to_them_and_circles_end():
    text = "email,manager\na@x.example,b@x.example\nb@x.example,c@x.example\nc@x.example,\n"
    circle = "email,manager\na@x.example,b@x.example\nb@x.example,A@x.example\n"

    assert [row.number for row in imports.in_order(imports.read(text))] == [4, 3, 2]
    assert sorted(row.number for row in imports.in_order(imports.read(circle))) == [2, 3]
    chain = "email,manager\n" + "".join(f"p{n}@x.example,p{n + 1}@x.example\n" for n in range(imports.MAX_ROWS))
    assert len(imports.in_order(imports.read(chain))) == imports.MAX_ROWS


def test_an_employee_number_finds_somebody_whose_address_changed(fresh_database, acme, api, dan, alice):
    with acme.entered():
        User.objects.filter(pk=alice.pk).update(employee_number="E1", employee_number_normalised="e1")
        factories.UserFactory(email="b@acme.example", employee_number="E2", employee_number_normalised="e2")

    text = "email,employee_number\nalicia@acme.example,e1\nb@acme.example,E1\n"
    job = imported(acme, api, dan, text)

    assert counts(job) == {"updated": 1, "failed": 1}
    assert [(error["row"], error["code"]) for error in job.errors] == [(3, "ambiguous")]
    with acme.entered():
        assert User.objects.get(pk=alice.pk).email == "alicia@acme.example"


def test_a_crash_in_the_middle_loses_and_doubles_nothing(fresh_database, acme, api, dan, monkeypatch):
    text = "email,full_name\n" + "".join(f"p{n}@acme.example,P{n}\n" for n in range(6))
    job = requested(api, dan, text)
    whole, seen = imports._do, []

    def dies_at_the_fourth(*arguments):
        seen.append(arguments)
        if len(seen) == 4:
            raise RuntimeError("killed")
        whole(*arguments)

    monkeypatch.setattr(imports, "_do", dies_at_the_fourth)
    with acme.entered():
        dispatch = Dispatch.objects.get(consumer="core.jobs")
    assert services.deliver(acme.id, dispatch.pk) == "failed"
    assert (again(acme, job).done, again(acme, job).progress) == (3, 50)
    with acme.entered():
        Dispatch.objects.filter(pk=dispatch.pk).update(next_at=timezone.now())

    finished = done(acme, job)

    assert (finished.done, counts(finished)) == (6, {"created": 6})
    with acme.entered():
        assert Event.objects.filter(name="user.created").count() == 6


@pytest.mark.asvs("8.3.3", "14.2.7")
def test_the_rights_of_the_moment_decide_and_the_text_is_forgotten(fresh_database, acme, api, dan):
    person(acme, "erin", UserType.ADMIN)
    job = requested(api, dan, "email,full_name\nx@acme.example,X\n")
    assert "x@acme.example" in again(acme, job).parameters["text"]
    with acme.entered():
        RoleAssignment.objects.filter(user=dan).delete()

    finished = done(acme, job)

    assert counts(finished) == {"failed": 1}
    assert [error["code"] for error in finished.errors] == ["missing_grant"]
    assert finished.parameters == {"is_dry_run": False, "is_inviting": False}

    other = requested(api, person(acme, "frank", UserType.ADMIN), "email,full_name\nx@acme.example,X\n")
    with acme.entered():
        User.objects.filter(full_name="Frank").update(is_active=False)
    assert (done(acme, other).state, again(acme, other).parameters.get("text")) == (JobState.FAILED, None)
    assert "x@acme.example" not in people(acme)


def test_a_replay_after_the_text_was_forgotten_fails_and_says_so(fresh_database, acme, api, dan, monkeypatch):
    def broken(job, actor):
        raise RuntimeError("a disk was full")

    job = requested(api, dan, "email,full_name\nx@acme.example,X\n")
    with acme.entered():
        dispatch = Dispatch.objects.get(consumer="core.jobs")
    with monkeypatch.context() as accident:
        accident.setitem(jobs._kinds, imports.KIND, broken)
        fail_for_good(acme, dispatch)
    assert again(acme, job).parameters == {"is_dry_run": False, "is_inviting": False}
    with acme.entered():
        services.replay(Dispatch.objects.get(pk=dispatch.pk), actor=acme.system, at=timezone.now())

    finished = done(acme, job)

    assert (finished.state, [error["code"] for error in finished.errors]) == (JobState.FAILED, ["file_forgotten"])
    assert "x@acme.example" not in people(acme)


def test_whom_an_import_creates_it_invites_when_asked(fresh_database, acme, api, dan, alice):
    imported(acme, api, dan, f"email,full_name\nx@acme.example,X\n{alice.email},Alice B.\n", invite=True)

    with acme.entered():
        names = (
            Event.objects.filter(name__startswith="user.").exclude(name="user.signed_in").values_list("name", flat=True)
        )
        assert sorted(names) == ["user.invited", "user.updated"]


# --- the form


def upload(api, by, content, **fields):
    file = SimpleUploadedFile("people.csv", content, content_type="text/csv")
    return api(by).post(IMPORT, {"file": file, **fields}, format="multipart")


def test_a_file_is_uploaded_in_a_form(acme, api, dan):
    answer = upload(api, dan, "\ufeffemail;full_name\r\nx@acme.example;Jürgen\r\n".encode(), dry_run="true")

    assert answer.status_code == 202
    with acme.entered():
        job = Job.objects.get()
    assert (job.total, job.parameters["is_dry_run"], job.parameters["is_inviting"]) == (1, True, False)
    assert "Jürgen" in job.parameters["text"]


def test_a_form_is_read_strictly(acme, api, dan):
    good = b"email,full_name\nx@acme.example,X\n"
    assert pointers(assert_problem(upload(api, dan, good, dry_run="yes"), 400, "invalid")) == [("/dry_run", "invalid")]
    assert pointers(assert_problem(upload(api, dan, good, colour="red"), 400, "invalid")) == [
        ("/colour", "unknown_field")
    ]
    assert pointers(assert_problem(upload(api, dan, "é".encode("latin-1")), 400, "invalid")) == [("/csv", "not_utf_8")]
    assert_problem(upload(api, dan, good, csv="email\n"), 400, "malformed")
    assert_problem(api(dan).post(IMPORT, {"dry_run": "true"}, format="multipart"), 400, "invalid")
    assert upload(api, dan, b"x" * (2 * 1024 * 1024 + 1)).status_code == 413
    assert api(dan).post(IMPORT, "email", content_type="text/csv").status_code == 415
    nul = assert_problem(upload(api, dan, b"email\nx\x00@acme.example\n"), 400, "invalid")
    assert pointers(nul)[0][0] == "/csv"
    with acme.entered():
        assert not Job.objects.exists()


def test_the_kind_is_registered():
    assert imports.KIND in jobs._kinds
