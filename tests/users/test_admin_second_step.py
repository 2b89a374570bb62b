"""The admin asks for the second step too, and the limits on guessing hold at its door."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.audit.models import Event
from apps.users.models import Role, Session, User
from tests.factories import PASSWORD
from tests.users.second_factor import RECOVERY_CODE, Authenticator, enrol

LOGIN, CODE, SETUP, INDEX = "/admin/login/", "/admin/login/code/", "/admin/login/setup/", "/admin/"
TEAMS = "/admin/organizations/team/"
PASSWORD_CHANGE = "/admin/password_change/"


def password_step(user, browser=None, **query):
    browser = browser or Client()
    return browser, browser.post(LOGIN, {"username": user.email, "password": PASSWORD, **query})


def sessions(tenant):
    with tenant.entered():
        return Session.objects.filter(revoked_at=None).count()


def demand_of_admins(tenant):
    with tenant.entered():
        Role.objects.filter(key="admin").update(requires_mfa=True)


def test_the_password_alone_opens_nothing(acme, dan):
    enrol(acme, dan)

    browser, answer = password_step(dan)

    assert (answer.status_code, answer["Location"]) == (302, CODE)
    assert browser.get(INDEX).status_code == 302
    assert sessions(acme) == 0
    page = browser.get(CODE)
    assert (page.status_code, "authenticator" in page.content.decode()) == (200, True)
    assert page["Cache-Control"].startswith("max-age=0, no-cache, no-store")


@pytest.mark.parametrize("code", [None, RECOVERY_CODE])
def test_a_code_opens_the_admin_where_one_wanted_to_go(acme, dan, code):
    device = enrol(acme, dan)
    browser, answer = password_step(dan, next=TEAMS)
    assert answer["Location"] == f"{CODE}?next=%2Fadmin%2Forganizations%2Fteam%2F"

    answer = browser.post(answer["Location"], {"code": code or device.code()})

    assert (answer.status_code, answer["Location"]) == (302, TEAMS)
    assert browser.get(TEAMS).status_code == 200
    assert sessions(acme) == 1
    assert browser.get(CODE)["Location"] == LOGIN, "the token of the first step is gone"


def test_another_site_is_no_place_to_go(acme, dan):
    _, answer = password_step(dan, next="https://evil.example/")

    assert answer["Location"] == INDEX


def test_a_wrong_code_is_told_and_counted_until_the_page_says_how_long_to_wait(acme, dan):
    device = enrol(acme, dan)
    browser, _ = password_step(dan)

    statuses = [browser.post(CODE, {"code": "000000"}).status_code for _ in range(12)]
    answer = browser.post(CODE, {"code": device.code()})

    assert statuses[:5] == [200] * 5
    assert answer.status_code in {302, 429}
    if answer.status_code == 429:
        assert int(answer["Retry-After"]) >= 1
        assert "Too many failed attempts" in answer.content.decode()
        assert sessions(acme) == 0
    with acme.entered():
        assert Event.objects.filter(name="user.second_factor_failed", via="admin").count() >= 5


def test_without_the_first_step_there_is_no_second(acme, dan):
    enrol(acme, dan)
    for page in (CODE, SETUP):
        for send in (Client().get, Client().post):
            assert send(page)["Location"] == LOGIN


def test_whoever_is_no_administrator_is_told_nothing_of_a_second_step(acme, alice):
    enrol(acme, alice)

    browser, answer = password_step(alice)

    assert answer.status_code == 200
    assert browser.get(CODE)["Location"] == LOGIN
    assert sessions(acme) == 0


def test_where_it_is_required_the_way_in_leads_through_the_set_up(acme, dan):
    demand_of_admins(acme)
    browser, answer = password_step(dan)
    assert answer["Location"] == SETUP
    page = browser.get(SETUP).content.decode()
    secret = re.search(r'id="totp-secret">(\w+)<', page)[1]
    assert "<svg" in page

    wrong = browser.post(SETUP, {"code": "000000"}).content.decode()
    assert secret in wrong, "the same QR code again"
    assert (browser.get(INDEX).status_code, sessions(acme)) == (302, 0)
    done = browser.post(SETUP, {"code": Authenticator(secret).code()})

    codes = re.findall(r"<li>(\d-[a-z2-7]{5}-[a-z2-7]{5})</li>", done.content.decode())
    assert (done.status_code, len(set(codes))) == (200, 10)
    assert browser.get(INDEX).status_code == 200
    browser, answer = password_step(dan)
    assert answer["Location"] == CODE
    assert browser.post(CODE, {"code": codes[7]}).status_code == 302
    assert browser.get(INDEX).status_code == 200


def test_the_step_between_ends_with_the_account(acme, dan):
    device = enrol(acme, dan)
    browser, _ = password_step(dan)
    with acme.entered():
        User.objects.filter(pk=dan.pk).update(is_active=False)

    assert browser.post(CODE, {"code": device.code()})["Location"] == LOGIN
    assert sessions(acme) == 0


def test_guesses_at_the_admins_door_are_limited(acme, dan):
    browser = Client()
    form = {"username": dan.email, "password": "guess"}

    statuses = [browser.post(LOGIN, form).status_code for _ in range(12)]
    answer = browser.post(LOGIN, form)

    assert statuses[:5] == [200] * 5
    assert 429 in [*statuses, answer.status_code]
    assert sessions(acme) == 0


def test_somebody_signed_in_may_sign_in_as_somebody_else(acme, globex, dan, mallory):
    browser, _ = password_step(dan)

    password_step(mallory, browser)

    assert browser.get(INDEX).status_code == 200
    assert sessions(globex) == 1


def test_the_password_is_changed_by_the_same_rules(acme, dan):
    browser, _ = password_step(dan)
    new = "a fresh long password"

    for old, chosen, word in (
        ("wrong", new, "not the current password"),
        (PASSWORD, PASSWORD, "one of your last 12"),
        (PASSWORD, "welcome to acme", "organization"),
    ):
        form = {"old_password": old, "new_password1": chosen, "new_password2": chosen}
        page = browser.post(PASSWORD_CHANGE, form)
        assert (page.status_code, word in page.content.decode()) == (200, True)
    with acme.entered():
        assert Event.objects.filter(name="user.password_refused", via="admin").count() == 1
        Session.objects.update(idle_until=timezone.now() + timedelta(minutes=20))
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert browser.post(PASSWORD_CHANGE, form).status_code == 302
    assert browser.get(INDEX).status_code == 200
