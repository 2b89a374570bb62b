"""The admin's door: the same sign-in and sessions as the API, for administrators alone."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from apps.audit.models import Event
from apps.organizations.models import Team
from apps.users.models import Session
from tests import factories
from tests.factories import PASSWORD

LOGIN, INDEX, TEAMS = "/admin/login/", "/admin/", "/admin/organizations/team/"
NEW_PASSWORD = "staple battery horse correct"


def signed_in(user):
    browser = Client()
    answer = browser.post(LOGIN, {"username": user.email, "password": PASSWORD, "next": INDEX})
    assert answer.status_code == 302, answer.content
    return browser


def live_sessions(tenant):
    with tenant.entered():
        return Session.objects.filter(revoked_at=None).count()


def test_an_admin_signs_in_and_sees_the_own_organization_only(acme, globex, dan, mallory):
    with acme.entered():
        ours = factories.TeamFactory(name="Acme blue")
    with globex.entered():
        theirs = factories.TeamFactory(name="Globex red")
    browser = signed_in(dan)

    page = browser.get(TEAMS).content.decode()

    assert "Acme blue" in page
    assert "Globex red" not in page
    assert browser.get(f"{TEAMS}{ours.pk}/change/").status_code == 200
    assert browser.get(f"{TEAMS}{theirs.pk}/change/").status_code == 302
    assert browser.post(f"{TEAMS}{theirs.pk}/delete/", {"post": "yes"}).status_code == 302
    with globex.entered():
        assert Team.objects.alive().filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("person", ["alice", "bob", "carol"])
def test_nobody_else_gets_in_and_no_session_stays_behind(request, acme, person):
    user = request.getfixturevalue(person)
    browser = Client()

    answer = browser.post(LOGIN, {"username": user.email, "password": PASSWORD})

    assert answer.status_code == 200
    assert browser.get(INDEX).status_code == 302
    assert live_sessions(acme) == 0


def test_a_wrong_password_opens_nothing(acme, dan):
    browser = Client()

    assert browser.post(LOGIN, {"username": dan.email, "password": "wrong"}).status_code == 200
    assert browser.get(INDEX).status_code == 302
    assert live_sessions(acme) == 0


def test_signing_out_ends_the_session_so_that_a_copied_cookie_is_worth_nothing(acme, dan):
    browser, thief = signed_in(dan), Client()
    thief.cookies = browser.cookies.copy()
    assert thief.get(INDEX).status_code == 200

    browser.post("/admin/logout/")

    assert thief.get(INDEX).status_code == 302
    assert live_sessions(acme) == 0


def test_a_session_that_idled_out_is_refused_and_one_in_use_is_extended(acme, dan):
    browser = signed_in(dan)
    with acme.entered():
        Session.objects.update(idle_until=timezone.now() + timedelta(minutes=1))
    assert browser.get(INDEX).status_code == 200
    with acme.entered():
        assert Session.objects.get().idle_until > timezone.now() + timedelta(minutes=25)

        Session.objects.update(idle_until=timezone.now() - timedelta(seconds=1))
    assert browser.get(INDEX).status_code == 302


def test_a_change_in_the_admin_is_one_event_and_no_entry_of_djangos_log(acme, dan):
    browser = signed_in(dan)

    browser.post(f"{TEAMS}add/", {"name": "Printers", "description": "", "email": "", "calendar": ""})

    with acme.entered():
        team = Team.objects.get(name="Printers")
        events = list(Event.objects.filter(subject_id=team.pk).values_list("name", "actor_id", "via"))
        assert events == [("team.created", dan.pk, "admin")]
        assert not LogEntry.objects.exists()


def test_a_foreign_id_in_a_form_is_no_choice(acme, globex, dan):
    with globex.entered():
        calendar = factories.BusinessCalendarFactory()
    browser = signed_in(dan)

    answer = browser.post(
        f"{TEAMS}add/", {"name": "Spies", "description": "", "email": "", "calendar": str(calendar.pk)}
    )

    assert answer.status_code == 200
    with acme.entered():
        assert not Team.objects.filter(name="Spies").exists()


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(acme, dan):
    browser, other = signed_in(dan), signed_in(dan)
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

    answer = browser.post("/admin/password_change/", form)

    assert answer.status_code == 302, answer.content
    assert browser.get(INDEX).status_code == 200
    assert other.get(INDEX).status_code == 302
    with acme.entered():
        assert Event.objects.filter(name="user.password_changed", subject_id=dan.pk, via="admin").count() == 1


@pytest.mark.parametrize(
    ("old", "new"), [("wrong", NEW_PASSWORD), (PASSWORD, "short"), (PASSWORD, "password1234"), (PASSWORD, "")]
)
def test_a_password_is_not_changed_without_the_old_one_or_to_a_weak_one(acme, dan, old, new):
    browser = signed_in(dan)

    answer = browser.post("/admin/password_change/", {"old_password": old, "new_password1": new, "new_password2": new})

    assert answer.status_code == 200
    assert signed_in(dan).get(INDEX).status_code == 200
