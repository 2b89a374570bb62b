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
        rows = Event.objects.filter(subject_id=subject_id, via="admin").order_by("recorded_at", "id")
        return list(rows.values_list("name", flat=True))


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
    assert names(acme, nina.pk) == ["user.invited"]


def test_an_address_that_somebody_next_door_has_is_refused_in_neutral_words(acme, dan, mallory):
    form = {"full_name": "X", "email": mallory.email, "user_type": "agent", "time_zone": "UTC", "language": "en"}

    page = text(signed_in(dan), f"{USERS}add/", {**form, "department": "", "site": ""})

    assert "This value is not available." in page
    with acme.entered():
        assert not User.objects.filter(full_name="X").exists()


def profile(user, **changed):
    """The form of a user's page as it is shown, but for what is changed."""
    shown = ("full_name", "email", "user_type", "job_title", "phone", "username", "employee_number")
    values = {name: getattr(user, name) for name in (*shown, "time_zone", "language")}
    return {**values, "department": "", "site": "", "manager": "", **changed}


def test_a_profile_is_changed_as_one_event_and_the_password_never(acme, dan, alice, bob):
    form = {
        **{"full_name": "Bob B.", "job_title": "Clerk", "phone": "+49 30 1", "username": "bob", "employee_number": "7"},
        **{"is_vip": "on", "manager": str(alice.pk), "time_zone": "Europe/Berlin", "language": "de"},
    }

    signed_in(dan).post(f"{USERS}{bob.pk}/change/", profile(bob, **form, password="x", is_active=""))

    with acme.entered():
        now = User.objects.get(pk=bob.pk)
        told = Event.objects.get(subject_id=bob.pk, via="admin").changes
    assert (now.full_name, now.job_title, now.phone, now.time_zone, now.language) == (
        *("Bob B.", "Clerk", "+49 30 1", "Europe/Berlin", "de"),
    )
    assert (now.username_normalised, now.employee_number_normalised, now.is_vip) == ("bob", "7", True)
    assert (now.manager_id, now.password, now.is_active) == (alice.pk, bob.password, True)
    assert names(acme, bob.pk) == ["user.updated"]
    assert told["manager"] == [None, str(alice.pk)]


def test_another_type_brings_its_role_and_another_address_its_normal_form(acme, dan, bob):
    browser = signed_in(dan)

    browser.post(f"{USERS}{bob.pk}/change/", profile(bob, user_type="agent"))
    browser.post(f"{USERS}{bob.pk}/change/", profile(bob, user_type="agent", email="Robert@acme.example"))

    with acme.entered():
        now = User.objects.get(pk=bob.pk)
        assert [held.role.key for held in RoleAssignment.objects.filter(user=bob)] == ["agent"]
    assert (now.user_type, now.email_normalised) == ("agent", "robert@acme.example")
    assert names(acme, bob.pk) == ["user.updated", "user.email_changed"]


def test_nobody_takes_over_by_address_who_may_do_less(acme, dan):
    browser = signed_in(limited_admin(acme, grant("users", "read"), grant("users", "update")))

    page = text(browser, f"{USERS}{dan.pk}/change/", profile(dan, email="mine@acme.example"))

    assert "You cannot give " in page
    with acme.entered():
        assert User.objects.get(pk=dan.pk).email == dan.email


def test_the_last_administrator_is_neither_demoted_nor_deactivated_nor_deleted(acme, dan):
    with acme.entered():
        role = Role.objects.get(key="manager")
        grants = [grant("users", action) for action in ("read", "update", "delete")]
    other = limited_admin(acme, *grants)
    with acme.entered():
        access.assign(actor=acme.system, at=timezone.now(), role_id=role.pk, user_id=other.pk)
    browser = signed_in(other)

    pages = [act(browser, "deactivate", dan), act(browser, "remove", dan)]
    pages.append(text(browser, f"{USERS}{dan.pk}/delete/", {"post": "yes"}))

    assert [access.LAST_ADMINISTRATOR in page for page in pages] == [True] * 3
    with acme.entered():
        now = User.objects.get(pk=dan.pk)
    assert (now.is_active, now.deleted_at) == (True, None)


def test_managers_close_no_circle(acme, dan, alice, bob):
    browser = signed_in(dan)
    browser.post(f"{USERS}{bob.pk}/change/", profile(bob, manager=str(alice.pk)))

    page = text(browser, f"{USERS}{alice.pk}/change/", profile(alice, manager=str(bob.pk)))

    assert "Nobody is above themselves" in page
    with acme.entered():
        assert User.objects.get(pk=alice.pk).manager_id is None


def act(browser, name, *rows, listing=USERS):
    return text(browser, listing, {"action": name, "_selected_action": [str(row.pk) for row in rows]})


@pytest.mark.parametrize(
    ("action", "event"),
    [
        ("deactivate", "user.deactivated"),
        ("unlock", "user.unlocked"),
        ("revoke_sessions", "user.sessions_ended"),
        ("send_reset", "user.password_reset_requested"),
        ("remove", "user.deleted"),
    ],
)
def test_an_action_is_the_verb_of_the_api_with_its_event(acme, dan, bob, action, event):
    act(signed_in(dan), action, bob)

    assert names(acme, bob.pk) == [event]


def test_whoever_is_deactivated_is_out_at_once_and_in_again_when_activated(acme, dan, alice, api):
    client, browser = api(alice), signed_in(dan)

    assert "Deactivated: 1" in act(browser, "deactivate", alice)
    assert client.get("/api/v1/auth/me/").status_code == 401
    assert "This user is deactivated already" in act(browser, "deactivate", alice)
    assert "Activated: 1" in act(browser, "activate", alice)

    assert names(acme, alice.pk) == ["user.deactivated", "user.activated"]
    assert api(alice).get("/api/v1/auth/me/").status_code == 200


def test_nobody_deactivates_themselves(acme, dan):
    page = act(signed_in(dan), "deactivate", dan)

    assert "Nobody removes themselves" in page
    assert names(acme, dan.pk)[-1:] != ["user.deactivated"]


def test_a_user_is_deleted_from_their_page_and_listed_no_more(acme, dan, bob):
    browser = signed_in(dan)

    browser.post(f"{USERS}{bob.pk}/delete/", {"post": "yes"})

    assert names(acme, bob.pk) == ["user.deleted"]
    assert bob.email not in text(browser, USERS)
    assert "is deleted" not in act(browser, "activate", bob)
    with acme.entered():
        assert User.objects.get(pk=bob.pk).is_deleted


def test_an_action_on_people_next_door_finds_nobody(acme, globex, dan, mallory):
    for action in ("deactivate", "unlock", "revoke_sessions", "send_reset", "remove"):
        act(signed_in(dan), action, mallory)

    assert names(globex, mallory.pk) == []


def test_a_service_account_is_shown_as_one_and_has_its_own_page(acme, dan):
    browser = signed_in(dan)
    browser.post("/admin/users/serviceaccount/add/", {"full_name": "Monitoring", "is_active": "on"})
    with acme.entered():
        account = User.objects.get(full_name="Monitoring")

    page = text(browser, f"{USERS}?kind=service")
    refused = browser.post(f"{USERS}{account.pk}/change/", profile(account, full_name="Mine"))
    browser.post(f"/admin/users/serviceaccount/{account.pk}/change/", {"full_name": "Watch", "is_active": "on"})

    assert ("Service account" in page, dan.email in text(browser, f"{USERS}?kind=people")) == (True, True)
    assert refused.status_code == 403
    assert (account.is_service_account, account.has_usable_password()) == (True, False)
    assert names(acme, account.pk) == ["service_account.created", "service_account.updated"]


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
        # Each refusal is told, and nothing else happened.
        assert Event.objects.filter(name="access.denied").count() == len(answers)
        assert Event.objects.exclude(name="access.denied").count() == before
        assert Session.objects.get(pk=session.pk).revoked_at is None


# --- the role matrix


def test_a_built_in_role_shows_its_matrix_and_takes_no_change(acme, dan):
    browser = signed_in(dan)
    with acme.entered():
        role = Role.objects.get(key="agent")
        before = set(Grant.objects.filter(role=role).values_list("resource", "action", "reach"))
    address = f"{ROLES}{role.pk}/change/"

    page = text(browser, address)
    browser.post(address, {"name": "Mine", "description": "", "grants-users.delete": "organization"})
    deleted = browser.post(f"{ROLES}{role.pk}/delete/", {"post": "yes"})

    assert page.count('class="reach reach-team"') == 6
    assert "<select name=" not in page
    assert deleted.status_code == 403
    with acme.entered():
        now = Role.objects.get(pk=role.pk)
        assert (now.name, now.description, now.requires_mfa) == (role.name, role.description, False)
        assert set(Grant.objects.filter(role=role).values_list("resource", "action", "reach")) == before


def test_also_a_built_in_role_may_ask_for_a_second_factor(acme, dan):
    with acme.entered():
        role = Role.objects.get(key="agent")

    signed_in(dan).post(f"{ROLES}{role.pk}/change/", {"requires_mfa": "on"})

    with acme.entered():
        now = Role.objects.get(pk=role.pk)
        assert (now.requires_mfa, now.name) == (True, role.name)
        assert Event.objects.get(subject_id=role.pk, via="admin").changes == {"requires_mfa": [False, True]}
    assert names(acme, role.pk) == ["role.updated"]


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


def test_direct_grants_go_with_their_assignment(acme, dan, bob):
    with acme.entered():
        given = access.assign(actor=acme.system, at=timezone.now(), user_id=bob.pk, grants=[grant("teams", "read")])

    signed_in(dan).post(f"{ASSIGNMENTS}{given.pk}/delete/", {"post": "yes"})

    with acme.entered():
        assert not Role.objects.filter(name="").exists()
        assert not Grant.objects.filter(role_id=given.role_id).exists()
    assert names(acme, given.pk) == ["role_assignment.deleted"]


def test_the_last_administrators_role_is_neither_taken_nor_ended(acme, dan):
    browser = signed_in(dan)
    with acme.entered():
        RoleAssignment.objects.filter(user=dan).update(valid_from=timezone.now() - timedelta(days=2))
        held = RoleAssignment.objects.get(user=dan)
    before = timezone.now() - timedelta(days=1)
    until = {"valid_until_0": f"{before:%Y-%m-%d}", "valid_until_1": f"{before:%H:%M:%S}"}
    start = {"valid_from_0": f"{held.valid_from:%Y-%m-%d}", "valid_from_1": f"{held.valid_from:%H:%M:%S}"}

    taken = text(browser, f"{ASSIGNMENTS}{held.pk}/delete/", {"post": "yes"})
    ended = text(browser, f"{ASSIGNMENTS}{held.pk}/change/", {"limited_to_team": "", **start, **until})

    assert [access.LAST_ADMINISTRATOR in page for page in (taken, ended)] == [True, True]
    with acme.entered():
        assert RoleAssignment.objects.get(pk=held.pk).valid_until is None


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

    assert page.count('class="reach reach-organization" title="organization">org.</span>') == sum(
        len(actions) for actions in ADMIN.values()
    )


def test_a_users_page_offers_to_activate_or_to_deactivate_whichever_applies(acme, dan, alice):
    browser = signed_in(dan)

    def offered():
        page = browser.get(f"{USERS}{alice.pk}/change/").content.decode()
        return [action for action in ("activate", "deactivate") if f'name="action" value="{action}"' in page]

    assert offered() == ["deactivate"]
    act(browser, "deactivate", alice)
    assert offered() == ["activate"]
