"""A server of acme, and who may do what with it."""

import pytest

from apps.audit.models import Event
from tests import factories


@pytest.fixture
def server_class(acme):
    with acme.entered():
        return factories.CiClassFactory(name="Server", key="server")


@pytest.fixture
def item(acme, server_class):
    with acme.entered():
        return factories.ConfigurationItemFactory(number="CI0000007", name="mail-1", ci_class=server_class)


@pytest.fixture
def told(acme):
    """`told(subject_id)`: the names of the events about it, in their order."""

    def names(subject_id):
        with acme.entered():
            found = Event.objects.filter(subject_id=subject_id).order_by("at", "id")
            return list(found.values_list("name", flat=True))

    return names
