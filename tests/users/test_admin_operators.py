"""The admin's operator pages: acting in another organization is chosen, marked, recorded, and open to operators alone."""

import pytest
from django.test import Client

from apps.audit.models import Event
from apps.organizations.models import BusinessCalendar, Organization, Team
from apps.organizations.services import find_organization
from apps.users.middleware import ACTING_KEY
from apps.users.models import Role, RoleAssignment, User, UserType
from tests import factories
from tests.conftest import Tenant, person
from tests.users.test_admin_sign_in import signed_in

INDEX, TEAMS = "/admin/", "/admin/organizations/team/"
CHOOSE, ENTER, LEAVE, WIZARD = (
    "/admin/operator/",
    "/admin/operator/enter/",
    "/admin/operator/leave/",
    "/admin/operator/new-organization/",
)
NEW = {
    "name": "Wayne Ltd",
    "slug": "wayne",
    "time_zone": "Europe/London",
    "language": "en",
    "admin_name": "Lucius Fox",
    "admin_email": "lucius@wayne.example",
    "found": "1",
}


@pytest.fixture
def teams(acme, globex):
    for tenant, name in ((acme, "Of Acme"), (globex, "Of Globex")):
        with tenant.entered():
            factories.TeamFactory(name=name)


def facts(tenant: Tenant) -> list[tuple[str, str, bool]]:
    with tenant.entered():
        rows = Event.objects.filter(name__startswith="organization.operator").order_by("at", "id")
        return [(event.name, event.actor_label, "operator_of" in event.data) for event in rows]


def test_an_operator_sees_another_organization_only_while_acting_in_it(acme, globex, teams, operator):
    browser = signed_in(operator)
    assert "Of Acme" not in browser.get(TEAMS).content.decode()

    assert browser.post(ENTER, {"slug": "acme"}).headers["Location"] == INDEX
    inside = browser.get(TEAMS).content.decode()
    assert browser.post(LEAVE).headers["Location"] == CHOOSE
    after = browser.get(TEAMS).content.decode()

    assert "Of Acme" in inside
    assert "Of Globex" not in inside
    assert "You act in <strong>Acme</strong>" in inside
    assert "Of Acme" not in after
    assert "You act in" not in after


def test_entering_and_leaving_are_recorded_there_as_an_operators(acme, globex, operators, operator):
    browser = signed_in(operator)

    browser.post(ENTER, {"slug": "acme"})
    browser.post(ENTER, {"slug": "acme"})
    browser.post(ENTER, {"slug": "globex"})
    browser.post(LEAVE)
    browser.post(LEAVE)

    entered, left = ("organization.operator_entered", "Olga", True), ("organization.operator_left", "Olga", True)
    assert facts(acme) == [entered, left]
    assert facts(globex) == [entered, left]
    assert facts(operators) == []


def test_what_an_operator_does_there_is_one_event_there_that_says_whose_they_are(acme, operators, operator):
    browser = signed_in(operator)
    browser.post(ENTER, {"slug": "acme"})

    browser.post(f"{TEAMS}add/", {"name": "By Olga", "description": "", "email": "", "calendar": ""})

    with acme.entered():
        team = Team.objects.get(name="By Olga")
        event = Event.objects.get(subject_id=team.pk)
        assert (event.name, event.actor_id, event.via) == ("team.created", operator.pk, "admin")
        assert event.data == {"operator_of": str(operators.id)}
    with operators.entered():
        assert not Team.objects.exists()


def test_ones_own_pages_stay_at_home_while_acting_elsewhere(acme, operators, operator):
    browser = signed_in(operator)
    browser.post(ENTER, {"slug": "acme"})

    assert browser.get("/admin/password_change/").status_code == 200
    browser.post("/admin/logout/")

    assert browser.get(INDEX).status_code == 302
    with operators.entered():
        assert Event.objects.filter(name="user.signed_out").count() == 1


@pytest.mark.parametrize("slug", ["nothing", "ACME", "", "' OR 1=1--", "a\x00b", "x" * 500])
def test_an_unknown_organization_is_a_message_and_enters_nothing(acme, operator, slug):
    browser = signed_in(operator)

    assert browser.post(ENTER, {"slug": slug}).headers["Location"] == CHOOSE

    assert "There is no such organization" in browser.get(CHOOSE).content.decode()
    assert ACTING_KEY not in browser.session
    assert facts(acme) == []


def test_a_deleted_organization_is_left_by_itself(acme, teams, operator, operators):
    browser = signed_in(operator)
    browser.post(ENTER, {"slug": "acme"})
    with acme.entered():
        Organization.objects.update(deleted_at=factories.timezone.now())

    page = browser.get(TEAMS)

    assert page.status_code == 200
    assert "Of Acme" not in page.content.decode()
    assert ACTING_KEY not in browser.session


def test_an_operator_who_is_one_no_more_is_at_home_again(acme, teams, operator, operators):
    browser = signed_in(operator)
    browser.post(ENTER, {"slug": "acme"})
    with operators.entered():
        Organization.objects.update(is_operator=False)

    page = browser.get(TEAMS).content.decode()

    assert "Of Acme" not in page
    assert browser.get(CHOOSE).status_code == 404


def test_the_list_names_every_organization_and_turns_pages(acme, globex, operators, operator):
    browser = signed_in(operator)

    page = browser.get(CHOOSE).content.decode()

    for slug in ("acme", "globex", "operators"):
        assert f"<td>{slug}</td>" in page
    for number in ("2", "0", "-1", "x", "²", "9" * 50):
        assert browser.get(CHOOSE, {"p": number}).status_code == 200


def test_for_an_administrator_who_is_no_operator_there_are_no_such_pages(acme, globex, dan):
    browser = signed_in(dan)

    answers = [browser.get(CHOOSE), browser.get(WIZARD), browser.post(ENTER, {"slug": "globex"})]
    answers += [browser.post(LEAVE), browser.post(WIZARD, NEW)]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert facts(globex) == []
    assert find_organization("wayne") is None
    assert CHOOSE not in browser.get(INDEX).content.decode()


def test_a_cookie_that_names_another_organization_helps_no_administrator(acme, globex, teams, dan):
    browser = signed_in(dan)
    session = browser.session
    session[ACTING_KEY] = str(globex.id)
    session.save()
    browser.cookies["sessionid"] = session.session_key

    page = browser.get(TEAMS).content.decode()

    assert "Of Globex" not in page
    assert "Of Acme" in page


def test_an_end_user_of_the_operators_organization_and_nobody_get_nowhere(acme, operators):
    person(operators, "otto", UserType.END_USER)
    for page in (CHOOSE, WIZARD):
        assert Client().get(page).headers["Location"].startswith("/admin/login/")
    assert Client().post(ENTER, {"slug": "acme"}).headers["Location"].startswith("/admin/login/")
    assert facts(acme) == []


def test_pages_that_act_take_no_get(acme, operator):
    browser = signed_in(operator)

    assert [browser.get(page).status_code for page in (ENTER, LEAVE)] == [405, 405]
    assert facts(acme) == []


def test_entering_demands_the_forms_token(acme, operator):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = signed_in(operator).cookies

    assert strict.post(ENTER, {"slug": "acme"}).status_code == 403
    assert facts(acme) == []


def test_the_wizard_sets_an_organization_up_in_two_steps(operators, operator):
    browser = signed_in(operator)
    first = {name: NEW[name] for name in ("name", "slug", "time_zone", "language")}

    second = browser.post(WIZARD, {**first, "next": "1"}).content.decode()
    assert "Step 2 of 2" in second
    assert find_organization("wayne") is None
    answer = browser.post(WIZARD, NEW)

    assert answer.headers["Location"] == CHOOSE
    wayne = Tenant(_organization("wayne"))
    with wayne.entered():
        assert (wayne.organization.time_zone, wayne.organization.is_operator) == ("Europe/London", False)
        lucius = User.objects.get()
        assert (lucius.email, lucius.user_type, lucius.has_usable_password()) == (NEW["admin_email"], "admin", False)
        assert RoleAssignment.objects.get().role.key == "admin"
        assert set(Role.objects.values_list("key", flat=True)) == set(UserType.values)
        assert BusinessCalendar.objects.count() == 3
        events = Event.objects.order_by("at", "id").values_list("name", "actor_id", "via")
        assert list(events) == [
            ("organization.created", operator.pk, "admin"),
            *((f"sla_policy.{step}", None, "admin") for step in ("created", "drafted", "published")),
            ("user.invited", operator.pk, "admin"),
        ]
        done = Event.objects.filter(actor_id=operator.pk)
        assert all(event.data == {"operator_of": str(operators.id)} for event in done)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slug": "acme"}, "The slug acme is taken"),
        ({"slug": "Not A Slug"}, "Lower-case letters"),
        ({"time_zone": "Mars"}, "not one of the available choices"),
        ({"language": "1"}, "BCP 47"),
        ({"name": ""}, "This field is required"),
        ({"admin_email": "dan@acme.example"}, "This e-mail address is taken"),
        ({"admin_email": "nobody"}, "valid email address"),
        ({"admin_name": " "}, "This field is required"),
    ],
)
def test_the_wizard_says_what_is_wrong_and_makes_nothing(acme, dan, operator, change, said):
    browser = signed_in(operator)

    answer = browser.post(WIZARD, {**NEW, **change})

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert find_organization("wayne") is None


def test_going_back_in_the_wizard_keeps_what_was_given(operator):
    answer = signed_in(operator).post(WIZARD, {**NEW, "back": "1"})

    assert "Step 1 of 2" in answer.content.decode()
    assert 'value="Wayne Ltd"' in answer.content.decode()
    assert find_organization("wayne") is None


def _organization(slug: str) -> Organization:
    found = find_organization(slug)
    with Tenant(Organization(pk=found)).entered():
        return Organization.objects.get()
