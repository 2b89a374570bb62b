"""The admin's first page, and what every page of it allows the browser."""

import re

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.users.models import UserType
from tests import factories
from tests.conftest import person
from tests.factories import PASSWORD
from tests.users.test_admin_sign_in import signed_in

INDEX = "/admin/"
FIGURE = re.compile(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>")
MOST_QUERIES = 12


def figures(browser):
    return dict(FIGURE.findall(browser.get(INDEX).content.decode()))


def test_it_shows_how_this_organization_stands(acme, globex, dan, alice, bob, mallory):
    Client().post("/admin/login/", {"username": alice.email, "password": "wrong"})
    Client().post("/admin/login/", {"username": mallory.email, "password": "wrong"})
    person(acme, "gone", UserType.AGENT)
    with acme.entered():
        type(bob).objects.filter(full_name="Gone").update(is_active=False)
        factories.DispatchFactory(dead_at=timezone.now())
        factories.DispatchFactory()
        factories.JobFactory(state="failed")
        factories.SessionFactory(user=bob, revoked_at=timezone.now())
    with globex.entered():
        factories.DispatchFactory(dead_at=timezone.now())

    assert figures(signed_in(dan)) == {
        "End User": "1",
        "Agent": "1",
        "Manager": "0",
        "Admin": "1",
        "Live sessions": "1",
        "Failed sign-ins, 24 hours": "1",
        "Waiting deliveries": "1",
        "Dead deliveries": "1",
        "Open jobs, 24 hours": "0",
        "Failed jobs, 24 hours": "1",
    }


def test_it_costs_as_many_queries_for_many_people_as_for_few(acme, dan):
    browser = signed_in(dan)
    figures(browser)

    with CaptureQueriesContext(connection) as few:
        figures(browser)
    with acme.entered():
        for _ in range(20):
            factories.UserFactory()
            factories.DispatchFactory()
    with CaptureQueriesContext(connection) as many:
        figures(browser)

    assert len(many) == len(few) <= MOST_QUERIES


def test_each_figure_leads_to_the_list_it_comes_from(acme, dan):
    browser = signed_in(dan)
    links = re.findall(r'<a class="figure[^"]*" href="([^"]+)"', browser.get(INDEX).content.decode())

    assert len(links) == 10
    assert {browser.get(link.replace("&amp;", "&")).status_code for link in links} == {200}


def test_pages_load_nothing_from_elsewhere_and_run_no_script_that_stands_in_them(acme, dan):
    browser = signed_in(dan)

    for address in ("/admin/login/", INDEX, "/admin/users/user/", "/admin/users/role/add/"):
        answer = browser.get(address)
        policy = answer.headers.get("Content-Security-Policy", "")
        assert "default-src 'none'" in policy
        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "frame-ancestors 'none'" in policy
        page = answer.content.decode()
        assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]+"', page) == []
        assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", page) == []


def test_who_signs_in_at_the_door_itself_lands_on_the_dashboard(acme, dan):
    answer = Client().post("/admin/login/", {"username": dan.email, "password": PASSWORD})

    assert answer.headers["Location"] == INDEX
