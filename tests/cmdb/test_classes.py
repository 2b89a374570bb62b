"""The classes of an organization: a tree that it starts with, and that stays one."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from apps.cmdb.classes import TREE, write_default_classes
from apps.cmdb.models import CiClass, ConfigurationItem, Service
from apps.core import tenancy
from apps.organizations.services import create_organization, find_organization
from tests.conftest import IS_FULL_RUN
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once
from tests.factories import CiClassFactory, ConfigurationItemFactory, UserFactory

CLASSES = "/api/v1/ci-classes/"
ROUNDS = 10 if IS_FULL_RUN else 2


def tree(tenant):
    with tenant.entered():
        return dict(CiClass.objects.values_list("pk", "parent_id"))


def paths(organization_id):
    """Every class as the keys from the top down to it."""
    with tenancy.tenant(organization_id), transaction.atomic():
        found = {row.pk: row for row in CiClass.objects.all()}

    def path(row):
        return (*(path(found[row.parent_id]) if row.parent_id else ()), row.key)

    return {path(row) for row in found.values()}


@pytest.fixture
def chain(acme):
    """Four classes, each below the one before."""
    with acme.entered():
        found = [CiClassFactory(name="0")]
        for depth in range(1, 4):
            found.append(CiClassFactory(name=str(depth), parent=found[-1]))
        return found


def test_a_new_organization_starts_with_the_whole_tree(db):
    organization = create_organization(at=timezone.now(), part="test", name="Wayne Ltd", slug="wayne")

    found = paths(organization.pk)

    assert len(found) == len(TREE) == len({key for key, _, _ in TREE}) == 29
    assert {path[0] for path in found} == {"ci"}
    assert {("ci", "hardware", "computer", "server"), ("ci", "software_instance", "database")} < found
    assert {("ci", "service", "business_service"), ("ci", "network", "vlan"), ("ci", "licence")} < found


def test_an_organization_that_was_there_before_gets_the_tree_once(acme, globex):
    with globex.entered():
        CiClassFactory(key="own_kind")
    for _ in range(2):
        with acme.entered():
            write_default_classes(apps, None)

    assert len(tree(acme)) == 29
    assert len(paths(acme.id)) == 29
    assert len(tree(globex)) == 1


@pytest.mark.parametrize(("moved", "below"), [(0, 0), (0, 1), (0, 3), (1, 2), (3, 3)])
def test_a_class_does_not_go_below_itself(*, acme, alice, api, chain, moved, below):
    before = tree(acme)

    answer = api(alice).patch(f"{CLASSES}{chain[moved].pk}/", {"parent": str(chain[below].pk)})

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/parent", "cycle")]
    assert tree(acme) == before


@pytest.mark.parametrize(("moved", "below"), [(3, 0), (3, 1), (1, None)])
def test_any_other_move_is_fine(*, acme, alice, api, chain, moved, below, told):
    target = None if below is None else str(chain[below].pk)

    answer = api(alice).patch(f"{CLASSES}{chain[moved].pk}/", {"parent": target})

    assert (answer.status_code, answer.json()["parent"]) == (200, target)
    assert told(chain[moved].pk) == ["ci_class.updated"]


def test_two_moves_at_once_do_not_close_a_circle(fresh_database, acme, alice, api):
    authorization = api(alice)._credentials["HTTP_AUTHORIZATION"]
    for _ in range(ROUNDS):
        with acme.entered():
            one, two = CiClassFactory(), CiClassFactory()

        def move(what, below):
            return api().patch(f"{CLASSES}{what.pk}/", {"parent": str(below.pk)}, HTTP_AUTHORIZATION=authorization)

        answers = at_once([lambda o=one, t=two: move(o, t), lambda o=one, t=two: move(t, o)])

        assert sorted(answer.status_code for answer in answers) == [200, 400]
        parents = tree(acme)
        assert sum(parents[row.pk] is None for row in (one, two)) == 1


@pytest.mark.parametrize("key", ["Server", "1server", "my server", "my__server", "server_", "ä"])
def test_a_key_is_a_plain_word(acme, alice, api, key):
    answer = api(alice).post(CLASSES, {"name": "Server", "key": key})

    assert pointers(assert_problem(answer, 400, "invalid")) == [("/key", "invalid")]
    assert tree(acme) == {}


def test_a_key_is_one_class_s_alone_in_its_organization(acme, globex, alice, api):
    with globex.entered():
        CiClassFactory(key="server")
    body = {"name": "Server", "key": "server"}

    assert api(alice).post(CLASSES, body).status_code == 201
    assert_problem(api(alice).post(CLASSES, body), 409, "duplicate")


@pytest.mark.parametrize("held_by", ["a class", "an item"])
def test_a_class_that_something_belongs_to_stays(acme, dan, api, chain, held_by):
    with acme.entered():
        held = chain[0] if held_by == "a class" else chain[3]
        if held_by == "an item":
            ConfigurationItemFactory(ci_class=held)

    assert_problem(api(dan).delete(f"{CLASSES}{held.pk}/"), 409, "still_referenced")
    assert len(tree(acme)) == 4


def test_everybody_reads_the_classes_and_end_users_write_none(acme, bob, api, chain):
    assert len(api(bob).get(CLASSES).json()["results"]) == 4
    refused = assert_problem(api(bob).patch(f"{CLASSES}{chain[0].pk}/", {"name": "mine"}), 403, "missing_grant")
    assert refused["grant"] == "configuration_items.update"


def test_who_may_read_no_item_reads_no_class(acme, api, chain):
    with acme.entered():
        nobody = UserFactory()

    assert_problem(api(nobody).get(CLASSES), 403, "missing_grant")


def test_the_demo_has_services_and_items_however_often_it_is_loaded(db, capsys):
    for _ in range(2):
        call_command("load_demo")
    found = {}
    for slug in ("acme", "globex", "operators"):
        with tenancy.tenant(find_organization(slug)), transaction.atomic():
            found[slug] = (
                Service.objects.count(),
                list(ConfigurationItem.objects.order_by("number").values_list("number", flat=True)),
            )

    numbers = [f"CI{number:07d}" for number in range(1, 16)]
    assert found == {"acme": (5, numbers), "globex": (5, numbers), "operators": (0, [])}
