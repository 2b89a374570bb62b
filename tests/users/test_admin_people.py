"""People, roles and sessions in the admin: every change by the service that the API calls, with one event."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.users import access
from apps.users.models import Grant, Role, RoleAssignment, Session, User, UserType
from apps.users.role_table import ADMIN
from tests import factories
from tests.conftest import person
from tests.users.test_admin_sign_in import signed_in

USERS, ROLES = "/admin/users/user/", "/admin/users/role/"
ASSIGNMENTS, SESSIONS = "/admin/users/roleassignment/", "/admin/users/session/"


def names(tenant, subject_id):
    with tenant.entered():
        return list(Event.objects.filter(subject_id=subject_id, via="admin").values_list("name", flat=True))


def text(browser, address, data=None):
    answer = browser.post(address, data, follow=True) if data is not None else browser.get(address)
    return answer.content.decode()


def limited_admin(tenant, *grants):
    """Somebody who may enter the admin and holds no more than these grants of it."""
    someone = person(tenant, "limited", UserType.ADMIN)
    with tenant.entered():
        role = access.create_role(actor=tenant.system, at=timezone.now(), values={"name": "Few", "grants": grants})
        RoleAssignment.objects.filter(user=someone).delete()
        access.assign(actor=tenant.system, at=timezone.now(), role_id=role.pk, user_id=someone.pk)
    return someone


def grant(resource, action, reach="organization"):
    return {"resource": resource, "action": action, "reach": reach}


# --- users


def test_a_user_is_made_with_the_role_of_their_type_and_no_password(acme, dan):
    form = {"full_name": "Nina New", "email": "Nina@acme.example", "user_type": "agent"}

    signed_in(dan).post(f"{USERS}add/", {**form, "department": "", "site": "", "time_zone": "UTC", "language": "en"})

    with acme.entered():
        nina = User.objects.get(email_normalised="nina@acme.example")
        assert not nina.has_usable_password()
        assert RoleAssignment.objects.get(user=nina).role.key == "agent"
    assert names(acme, nina.pk) == ["user.created"]


def test_an_address_that_somebody_next_door_has_is_refused_in_neutral_words(acme, dan, mallory):
    form = {"full_name": "X", "email": mallory.email, "user_type": "agent", "time_zone": "UTC", "language": "en"}

    page = text(signed_in(dan), f"{USERS}add/", {**form, "department": "", "site": ""})

    assert "This value is not available." in page
    with acme.entered():
        assert not User.objects.filter(full_name="X").exists()


def test_a_profile_is_changed_and_neither_address_nor_type_nor_password_can_be(acme, dan, bob):
    form = {"full_name": "Bob B.", "department": "", "site": "", "time_zone": "Europe/Berlin", "language": "de"}
    more = {"email": "dan2@acme.example", "user_type": "admin", "password": "x", "is_active": ""}

    signed_in(dan).post(f"{USERS}{bob.pk}/change/", {**form, **more})

    with acme.entered():
        now = User.objects.get(pk=bob.pk)
    assert (now.full_name, now.time_zone, now.language) == ("Bob B.", "Europe/Berlin", "de")
    assert (now.email, now.user_type, now.password, now.is_active) == (bob.email, "end_user", bob.password, True)
    assert names(acme, bob.pk) == ["user.updated"]


def test_nobody_deletes_a_user_here(acme, dan, bob):
    assert signed_in(dan).post(f"{USERS}{bob.pk}/delete/", {"post": "yes"}).status_code == 403
    with acme.entered():
        assert User.objects.alive().filter(pk=bob.pk).exists()


def test_a_user_shows_their_roles_by_name(acme, dan, bob):
    page = text(signed_in(dan), f"{USERS}{bob.pk}/change/")

    assert ">End User</a>" in page


# --- each page asks for its own grant


@pytest.mark.parametrize(
    ("address", "resource"),
    [(USERS, "users"), (ROLES, "roles"), (ASSIGNMENTS, "roles"), ("/admin/audit/event/", "audit")],
)
def test_a_page_needs_the_grant_to_read_its_resource(acme, address, resource):
    others = {"users", "roles", "audit", "teams"} - {resource}
    browser = signed_in(limited_admin(acme, *(grant(other, "read") for other in sorted(others))))

    assert browser.get(address).status_code == 403
    assert browser.get("/admin/organizations/team/").status_code == 200
    assert address not in text(browser, "/admin/")


def test_who_may_only_read_changes_nothing(acme, bob):
    browser = signed_in(limited_admin(acme, grant("users", "read"), grant("roles", "read"), grant("audit", "read")))
    with acme.entered():
        role = factories.RoleFactory(name="Custom")
        session = factories.SessionFactory(user=bob)
        before = Event.objects.count()

    answers = [
        browser.post(f"{USERS}add/", {"full_name": "X"}),
        browser.post(f"{USERS}{bob.pk}/change/", {"full_name": "X"}),
        browser.post(f"{ROLES}add/", {"name": "X"}),
        browser.post(f"{ROLES}{role.pk}/change/", {"name": "X"}),
        browser.post(f"{ROLES}{role.pk}/delete/", {"post": "yes"}),
        browser.post(f"{ASSIGNMENTS}add/", {"role": str(role.pk)}),
    ]
    assert [answer.status_code for answer in answers] == [403] * 6
    browser.post(SESSIONS, {"action": "end", "_selected_action": str(session.pk)})

    with acme.entered():
        assert Event.objects.count() == before
        assert Session.objects.get(pk=session.pk).revoked_at is None


# --- the role matrix


def test_a_built_in_role_shows_its_matrix_and_takes_no_change(acme, dan):
    browser = signed_in(dan)
    with acme.entered():
        role = Role.objects.get(key="agent")
        before = set(Grant.objects.filter(role=role).values_list("resource", "action", "reach"))
    address = f"{ROLES}{role.pk}/change/"

    page = text(browser, address)
    refused = browser.post(address, {"name": "Mine", "description": "", "grants-users.delete": "organization"})
    deleted = browser.post(f"{ROLES}{role.pk}/delete/", {"post": "yes"})

    assert page.count('class="reach reach-team"') == 6
    assert "<select name=" not in page
    assert (refused.status_code, deleted.status_code) == (403, 403)
    with acme.entered():
        assert set(Grant.objects.filter(role=role).values_list("resource", "action", "reach")) == before


def test_a_custom_role_is_written_from_its_matrix_as_one_event(acme, dan):
    browser = signed_in(dan)

    browser.post(
        f"{ROLES}add/",
        {"name": "Auditor", "description": "Reads", "grants-audit.read": "organization", "grants-users.read": "team"},
    )
    with acme.entered():
        role = Role.objects.get(name="Auditor")
    form = {"name": "Auditor", "description": "Reads", "grants-audit.read": "organization", "grants-users.read": ""}
    browser.post(f"{ROLES}{role.pk}/change/", form)
    browser.post(f"{ROLES}{role.pk}/change/", form)

    with acme.entered():
        assert list(Grant.objects.filter(role=role).values_list("resource", "action", "reach")) == [
            ("audit", "read", "organization")
        ]
    assert names(acme, role.pk) == ["role.created", "role.grants_changed"]


def test_a_copy_begins_with_the_grants_of_its_original(acme, dan):
    browser = signed_in(dan)
    with acme.entered():
        manager = Role.objects.get(key="manager")
        number = Grant.objects.filter(role=manager).count()

    link = browser.get(f"{ROLES}{manager.pk}/copy/").headers["Location"]
    page = text(browser, link)

    assert 'value="Manager (copy)"' in page
    assert page.count("</option>") == page.count("<option") and page.count(" selected>") == number


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"grants-users.fly": "organization"}, "Not an action of users"),
        ({"grants-rockets.read": "organization"}, "Not a resource"),
        ({"grants-users.read": "galaxy"}, "users.read: not a reach; accepted: own, team, department, organization"),
    ],
)
def test_a_cell_that_is_none_is_refused(acme, dan, cell, said):
    page = text(signed_in(dan), f"{ROLES}add/", {"name": "Odd", "description": "", **cell})

    assert said in page
    with acme.entered():
        assert not Role.objects.filter(name="Odd").exists()


def test_nobody_writes_more_into_a_role_than_they_hold(acme):
    held = (grant("roles", "read"), grant("roles", "create"), grant("users", "read", "team"))
    browser = signed_in(limited_admin(acme, *held))

    page = text(browser, f"{ROLES}add/", {"name": "More", "description": "", "grants-users.read": "organization"})

    assert "You cannot give users.read in reach organization" in page
    with acme.entered():
        assert not Role.objects.filter(name="More").exists()


def test_a_role_in_use_goes_with_its_assignments_and_one_event(acme, dan, bob):
    with acme.entered():
        role = factories.RoleFactory(name="Custom")
        factories.GrantFactory(role=role)

    signed_in(dan).post(f"{ROLES}{role.pk}/delete/", {"post": "yes"})

    with acme.entered():
        assert not Role.objects.filter(pk=role.pk).exists()
    assert names(acme, role.pk) == ["role.deleted"]


# --- assignments


def assignment_form(role, user, **changed):
    empty = dict.fromkeys(
        ("team", "limited_to_team", "valid_from_0", "valid_from_1", "valid_until_0", "valid_until_1"), ""
    )
    return {"role": str(role.pk), "user": str(user.pk) if user else "", **empty, **changed}


def test_a_role_is_given_ended_and_taken_each_as_one_event(acme, dan, bob):
    browser = signed_in(dan)
    with acme.entered():
        role = Role.objects.get(key="agent")

    browser.post(f"{ASSIGNMENTS}add/", assignment_form(role, bob))
    with acme.entered():
        given = RoleAssignment.objects.get(user=bob, role=role)
    start = {"valid_from_0": f"{given.valid_from:%Y-%m-%d}", "valid_from_1": f"{given.valid_from:%H:%M:%S}"}
    until = {"valid_until_0": "2999-01-01", "valid_until_1": "00:00:00"}
    browser.post(f"{ASSIGNMENTS}{given.pk}/change/", {"limited_to_team": "", **start, **until})
    with acme.entered():
        assert RoleAssignment.objects.get(pk=given.pk).valid_until.year == 2999
    browser.post(f"{ASSIGNMENTS}{given.pk}/delete/", {"post": "yes"})

    assert names(acme, given.pk) == ["role_assignment.created", "role_assignment.updated", "role_assignment.deleted"]


def test_nobody_gives_more_than_they_hold(acme, bob):
    browser = signed_in(limited_admin(acme, grant("roles", "read"), grant("roles", "create"), grant("users", "read")))
    with acme.entered():
        role = Role.objects.get(key="admin")

    page = text(browser, f"{ASSIGNMENTS}add/", assignment_form(role, bob))

    assert "You cannot give " in page
    with acme.entered():
        assert not RoleAssignment.objects.filter(user=bob, role=role).exists()


def test_an_assignment_to_both_or_to_nobody_is_refused(acme, dan, bob):
    browser = signed_in(dan)
    with acme.entered():
        role, team = Role.objects.get(key="agent"), factories.TeamFactory()
        before = RoleAssignment.objects.count()

    for form in (assignment_form(role, bob, team=str(team.pk)), assignment_form(role, None)):
        assert "Give either a user or a team." in text(browser, f"{ASSIGNMENTS}add/", form)
    with acme.entered():
        assert RoleAssignment.objects.count() == before


# --- sessions


def test_ending_somebodys_session_keeps_them_out_and_is_one_event(acme, dan, alice, api):
    client, browser = api(alice), signed_in(dan)
    assert client.get("/api/v1/auth/me/").status_code == 200
    with acme.entered():
        session = Session.objects.get(user=alice)

    page = text(browser, SESSIONS, {"action": "end", "_selected_action": str(session.pk)})
    again = text(browser, SESSIONS, {"action": "end", "_selected_action": str(session.pk)})

    assert "Sessions ended: 1" in page
    assert "This session has ended already." in again
    assert client.get("/api/v1/auth/me/").status_code == 401
    with acme.entered():
        ended = Event.objects.get(name="user.session_ended")
        assert (ended.subject_id, ended.actor_id) == (alice.pk, dan.pk)


def test_a_session_next_door_cannot_be_ended(acme, globex, dan, mallory):
    with globex.entered():
        session = factories.SessionFactory(user=mallory)

    text(signed_in(dan), SESSIONS, {"action": "end", "_selected_action": str(session.pk)})

    with globex.entered():
        assert Session.objects.get(pk=session.pk).revoked_at is None


def test_sessions_are_told_apart_by_whether_they_live(acme, dan, bob):
    browser = signed_in(dan)
    with acme.entered():
        factories.SessionFactory(user=bob, idle_until=timezone.now() - timedelta(minutes=1))

    assert bob.full_name not in text(browser, f"{SESSIONS}?state=live")
    assert bob.full_name in text(browser, f"{SESSIONS}?state=ended")
    assert bob.full_name in text(browser, f"{SESSIONS}?user__exact={bob.pk}")


def test_the_matrix_of_an_administrator_shows_every_grant(acme, dan):
    with acme.entered():
        role = Role.objects.get(key="admin")

    page = text(signed_in(dan), f"{ROLES}{role.pk}/change/")

    assert page.count('class="reach reach-organization"') == sum(len(actions) for actions in ADMIN.values())
