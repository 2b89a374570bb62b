"""A record's number stands in its address wherever its id may, and tells no more than that."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.utils import timezone

from apps.audit.models import Event
from apps.cmdb.models import ConfigurationItem
from tests import factories
from tests.core.expectations import assert_problem

ITEMS = "/api/v1/configuration-items/"
PATH = f"{ITEMS}CI0000007/"


def test_an_item_is_read_changed_deleted_and_restored_by_its_number(acme, dan, api, item, told):
    read = api(dan).get(PATH)
    changed = api(dan).patch(PATH, {"name": "mail-9"}, HTTP_IF_MATCH='"1"')
    stale = api(dan).patch(PATH, {"name": "mail-10"}, HTTP_IF_MATCH='"1"')
    deleted = api(dan).delete(PATH)
    gone = api(dan).get(PATH)
    restored = api(dan).post(f"{PATH}restore/")

    assert read.json() == api(dan).get(f"{ITEMS}{item.pk}/").json() | {
        "name": "mail-1",
        "version": 1,
        "updated_at": read.json()["updated_at"],
    }
    assert (read.json()["id"], read["ETag"], changed.json()["name"]) == (str(item.pk), '"1"', "mail-9")
    assert_problem(stale, 412, "stale")
    assert (deleted.status_code, gone.status_code, restored.status_code) == (204, 404, 200)
    assert told(item.pk) == ["configuration_item.updated", "configuration_item.deleted", "configuration_item.restored"]


@pytest.mark.parametrize("number", ["CI0000008", "INC0000007", "CI00000070", "KB0000007"])
def test_a_number_that_no_item_has_is_404(acme, dan, api, item, number):
    assert_problem(api(dan).get(f"{ITEMS}{number}/"), 404, "not_found")
    assert_problem(api(dan).delete(f"{ITEMS}{number}/"), 404, "not_found")
    with acme.entered():
        assert ConfigurationItem.objects.get(pk=item.pk).deleted_at is None


@pytest.mark.parametrize(
    "number", ["ci0000007", "CI000007", "CI-0000007", "C0000007", "CI0000007x", "CI000000000000007"]
)
def test_what_is_no_number_is_no_address(acme, dan, api, item, number):
    assert api(dan).get(f"{ITEMS}{number}/").status_code == 404


def test_the_number_of_another_organization_s_item_is_like_one_that_was_never_given(acme, globex, dan, api):
    with globex.entered():
        factories.ConfigurationItemFactory(number="CI0000007")

    answers = [api(dan).get(f"{ITEMS}{number}/") for number in ("CI0000007", "CI0000099")]

    first, second = (assert_problem(answer, 404, "not_found") for answer in answers)
    assert {**first, "request_id": ""} == {**second, "request_id": ""}


def test_one_number_in_two_organizations_is_each_one_s_own_item(acme, globex, dan, mallory, api, item):
    with globex.entered():
        theirs = factories.ConfigurationItemFactory(number="CI0000007")

    assert (api(dan).get(PATH).json()["id"], api(mallory).get(PATH).json()["id"]) == (str(item.pk), str(theirs.pk))


def test_an_end_user_does_not_learn_by_number_what_is_there(acme, bob, api, item):
    assert_problem(api(bob).get(PATH), 404, "not_found")
    assert_problem(api(bob).patch(PATH, {"name": "mine"}), 404, "not_found")
    with acme.entered():
        assert ConfigurationItem.objects.get(pk=item.pk).name == "mail-1"
        denied = Event.objects.filter(name="access.denied").latest("recorded_at")
        assert denied.data["record"] == {"pk": "CI0000007"}


def test_a_hidden_item_is_found_by_number_by_those_alone_who_may_restore_it(acme, alice, dan, api, item):
    with acme.entered():
        ConfigurationItem.objects.filter(pk=item.pk).update(deleted_at=timezone.now())

    assert api(alice).post(f"{PATH}restore/").status_code == 404
    assert api(dan).post(f"{PATH}restore/").status_code == 200


def test_finding_the_number_costs_one_query_however_often_the_record_is_looked_at(acme, dan, api, item):
    client = api(dan)
    client.get(PATH)
    for method, body in (("get", None), ("patch", {"name": "mail-1"})):
        counts = []
        for path in (f"{ITEMS}{item.pk}/", PATH):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert getattr(client, method)(path, body).status_code == 200
            counts.append(len(queries))
        assert counts[1] == counts[0] + 1, method


def test_a_number_is_accepted_in_an_address_alone(acme, alice, api, item):
    body = {"ids": ["CI0000007"], "action": "update", "params": {"name": "x"}}

    assert_problem(api(alice).post(f"{ITEMS}bulk/", body), 400, "invalid")


def test_addresses_are_made_from_ids_and_from_numbers(item):
    by_id, by_number = (reverse("configuration-items-detail", args=[named]) for named in (item.pk, item.number))

    assert (by_id, by_number) == (f"{ITEMS}{item.pk}/", PATH)
    assert (resolve(by_id).kwargs, resolve(by_number).kwargs) == ({"pk": item.pk}, {"pk": "CI0000007"})
