"""Services, classes and items in the admin: the verbs of the API, each with its event."""

import pytest
from django.utils import timezone

from apps.cmdb.models import CiClass, ConfigurationItem, Service
from tests import factories
from tests.users.test_admin_people import text
from tests.users.test_admin_sign_in import signed_in

ITEMS, SERVICES, CLASSES = "/admin/cmdb/configurationitem/", "/admin/cmdb/service/", "/admin/cmdb/ciclass/"


@pytest.fixture
def browser(dan):
    return signed_in(dan)


def test_an_item_is_made_under_the_next_number_changed_and_hidden(acme, browser, server_class, told):
    form = {"name": "mail-1", "ci_class": str(server_class.pk), "status": "installed", "criticality": "2"}

    browser.post(f"{ITEMS}add/", form)
    with acme.entered():
        item = ConfigurationItem.objects.get()
    browser.post(f"{ITEMS}{item.pk}/change/", {**form, "status": "retired", "number": "CI0000099"})
    with acme.entered():
        changed = ConfigurationItem.objects.get()
    browser.post(f"{ITEMS}{item.pk}/delete/", {"post": "yes"})

    assert (item.number, item.criticality, changed.number, changed.status) == ("CI0000001", 2, "CI0000001", "retired")
    with acme.entered():
        assert ConfigurationItem.objects.get().is_deleted
    assert told(item.pk) == ["configuration_item.created", "configuration_item.updated", "configuration_item.deleted"]


def test_a_service_is_given_to_nobody_who_is_gone(acme, browser):
    with acme.entered():
        left = factories.UserFactory(is_active=False)

    page = text(browser, f"{SERVICES}add/", {"name": "E-mail", "criticality": "1", "owner": str(left.pk)})

    assert "This user is deactivated or deleted" in page
    with acme.entered():
        assert not Service.objects.exists()


def test_a_class_does_not_go_below_itself(acme, browser):
    with acme.entered():
        above = factories.CiClassFactory(name="Hardware", key="hardware")
        below = factories.CiClassFactory(name="Server", key="server", parent=above)

    page = text(
        browser,
        f"{CLASSES}{above.pk}/change/",
        {"name": "Hardware", "key": "hardware", "parent": str(below.pk)},
    )

    assert "A class cannot lie below itself" in page
    with acme.entered():
        assert CiClass.objects.get(pk=above.pk).parent_id is None


def test_items_are_found_by_number_name_and_serial_number_and_filtered(acme, browser, item):
    with acme.entered():
        other = factories.ConfigurationItemFactory(
            number="CI0000008", name="other", serial_number="XYZ-1", status="retired", ci_class=item.ci_class
        )
        factories.ConfigurationItemFactory(
            number="CI0000009", name="gone", deleted_at=timezone.now(), ci_class=item.ci_class
        )

    for query in ("q=CI0000008", "q=xyz-1", "q=other", "status__exact=retired"):
        page = text(browser, f"{ITEMS}?{query}")
        assert (other.number in page, item.number in page) == (True, False), query
    everything = text(browser, f"{ITEMS}?ci_class__exact={item.ci_class_id}")
    assert [number in everything for number in ("CI0000007", "CI0000008", "CI0000009")] == [True, True, False]
