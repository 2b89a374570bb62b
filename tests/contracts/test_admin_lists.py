"""Lists of the admin: nothing is counted, and twenty rows cost as many queries as two."""

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.admin import MOST_PAGES, ReadOnlyAdmin, RecordAdmin
from apps.tickets.models import SavedView
from tests.contracts import rows
from tests.users.test_admin_sign_in import signed_in

COUNTING = re.compile(r"\bcount\s*\(", re.IGNORECASE)
# One organization sees itself alone, and has its settings once; row changes come by themselves with every other row.
NOT_MADE = {"organizations.Organization", "audit.RowChange", "sla.Settings", "tickets.ClosingSettings"}
MODELS = sorted(
    (model for model in admin.site._registry if model._meta.label not in NOT_MADE), key=lambda model: model._meta.label
)
EACH_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
# Session, rights, the page, and the names of what the rows are about.
MOST_QUERIES = 12


def queries_of(browser, address):
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(address)
    assert answer.status_code == 200, answer.content
    return answer, [query["sql"] for query in captured.captured_queries]


def changelist(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.mark.budget(20)
@EACH_MODEL
def test_a_list_asks_as_much_for_twenty_rows_as_for_two_and_counts_nothing(acme, dan, model):
    browser, address = signed_in(dan), changelist(model)
    # What is somebody's own is listed to them alone.
    owner = dan if model is SavedView else None
    with acme.entered():
        for _ in range(2):
            rows.make(model, owner)
    queries_of(browser, address)

    _, few = queries_of(browser, address)
    with acme.entered():
        for _ in range(18):
            rows.make(model, owner)
    answer, many = queries_of(browser, address)

    assert len(answer.context["cl"].result_list) >= 20
    assert len(many) == len(few) <= MOST_QUERIES, many
    # Grants of a role are counted by index, within the page's rows.
    counting = [sql for sql in many if COUNTING.search(sql) and "number_of_grants" not in sql]
    assert counting == []


@pytest.mark.budget(20)
@EACH_MODEL
def test_a_reference_is_searched_for_never_listed(acme, dan, model):
    """A form must not grow with the organization: no select has a choice for each row of another table."""
    found: RecordAdmin = admin.site._registry[model]
    browser = signed_in(dan)
    if isinstance(found, ReadOnlyAdmin) or browser.get(address := f"{changelist(model)}add/").status_code == 403:
        return
    few = len(browser.get(address).content)
    with acme.entered():
        for field in rows.references(model):
            for _ in range(20):
                rows.make(field.remote_field.model)

    assert abs(len(browser.get(address).content) - few) < 200


def test_a_long_list_is_turned_page_by_page(acme, dan):
    from apps.organizations.models import Site

    with acme.entered():
        for number in range(51):
            rows.factory_of(Site).create(name=f"Site {number:03}")
    browser, address = signed_in(dan), changelist(Site)

    first = browser.get(address).content.decode()
    second = browser.get(f"{address}?p=2").content.decode()

    assert ("Site 049" in first, "Site 050" in first, "?p=2" in first) == (True, False, True)
    assert ("Site 049" in second, "Site 050" in second, "?p=3" in second) == (False, True, False)
    for page in ("0", "-1", "x", str(MOST_PAGES + 1), "9" * 40):
        assert browser.get(f"{address}?p={page}").status_code in {200, 302}


@pytest.mark.parametrize("term", ["", "Of", "Globex"])
def test_looking_up_a_reference_finds_only_the_own_organization(acme, globex, dan, term):
    for tenant, name in ((acme, "Of Acme"), (globex, "Of Globex")):
        with tenant.entered():
            rows.factory_of(_team()).create(name=name)
    query = {"app_label": "users", "model_name": "roleassignment", "field_name": "team", "term": term}

    found = signed_in(dan).get("/admin/autocomplete/", query).json()["results"]

    assert [entry["text"] for entry in found] == ([] if term == "Globex" else ["Of Acme"])


def _team():
    from apps.organizations.models import Team

    return Team
