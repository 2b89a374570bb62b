"""Services and configuration items over HTTP."""

import csv
import io

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.models import Event
from apps.cmdb.models import ConfigurationItem, Service
from apps.core.models import new_id
from apps.users.models import Grant, Role, RoleAssignment, TeamMember
from tests import factories
from tests.conftest import IS_FULL_RUN
from tests.core.expectations import assert_problem, pointers
from tests.core.racing import at_once

ITEMS, SERVICES = "/api/v1/configuration-items/", "/api/v1/services/"
CREATORS = 8 if IS_FULL_RUN else 3


def count(tenant, model=ConfigurationItem):
    with tenant.entered():
        return model.objects.count()


# --- items


def test_an_item_is_created_under_the_next_number(acme, alice, api, server_class, told):
    body = {"name": "mail-1", "ci_class": str(server_class.pk)}

    answers = [api(alice).post(ITEMS, body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    first, second = (answer.json() for answer in answers)
    assert (first["number"], second["number"], first["name"], second["name"]) == (
        "CI0000001",
        "CI0000002",
        "mail-1",
        "mail-1",
    )
    assert (first["status"], first["environment"], first["criticality"]) == ("installed", "", 3)
    assert answers[0]["Location"] == f"{ITEMS}{first['id']}/"
    assert told(first["id"]) == ["configuration_item.created"]
    with acme.entered():
        assert Event.objects.get(subject_id=first["id"]).changes["number"] == [None, "CI0000001"]


def test_a_refused_item_leaves_no_gap(acme, alice, api, server_class):
    refused = {"name": "x" * 201, "ci_class": str(server_class.pk)}, {"name": "x", "ci_class": str(new_id())}
    for body in refused:
        assert_problem(api(alice).post(ITEMS, body), 400, "invalid")

    answer = api(alice).post(ITEMS, {"name": "x", "ci_class": str(server_class.pk)})

    assert (answer.json()["number"], count(acme)) == ("CI0000001", 1)


def test_items_created_at_once_have_numbers_of_their_own(fresh_database, acme, alice, api, server_class):
    authorization = api(alice)._credentials["HTTP_AUTHORIZATION"]
    body = {"name": "mail-1", "ci_class": str(server_class.pk)}

    answers = at_once([lambda: api().post(ITEMS, body, HTTP_AUTHORIZATION=authorization)] * CREATORS)

    assert sorted(answer.json()["number"] for answer in answers) == [f"CI{n:07d}" for n in range(1, CREATORS + 1)]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("criticality", 0, "out_of_range"),
        ("criticality", 5, "out_of_range"),
        ("criticality", "1", "invalid"),
        ("criticality", True, "invalid"),
        ("status", "broken", "invalid_choice"),
        ("environment", "staging", "invalid_choice"),
        ("number", "CI0000099", "read_only"),
        ("deleted_at", "2026-11-21T08:00:00Z", "read_only"),
        ("ci_class", None, "null"),
        ("name", "", "blank"),
        ("colour", "blue", "unknown_field"),
    ],
)
def test_what_an_item_cannot_be_is_refused_and_changes_nothing(*, acme, alice, api, item, field, value, code):
    body = assert_problem(api(alice).patch(f"{ITEMS}{item.pk}/", {field: value}), 400, "invalid")

    assert pointers(body) == [(f"/{field}", code)]
    with acme.entered():
        assert ConfigurationItem.objects.get(pk=item.pk).version == 1


@pytest.mark.parametrize(
    ("column", "value"), [("status", "broken"), ("environment", "staging"), ("criticality", 0), ("criticality", 5)]
)
def test_the_database_keeps_the_same_rules(acme, item, column, value):
    with pytest.raises(IntegrityError), acme.entered(), transaction.atomic():
        ConfigurationItem.objects.filter(pk=item.pk).update(**{column: value})


def test_a_number_is_one_item_s_alone_also_after_its_deletion(acme, item):
    with acme.entered():
        ConfigurationItem.objects.filter(pk=item.pk).update(deleted_at=timezone.now())
    with pytest.raises(IntegrityError), acme.entered(), transaction.atomic():
        factories.ConfigurationItemFactory(number=item.number)


def test_an_item_is_changed_deleted_and_restored(acme, alice, dan, api, item, told):
    path = f"{ITEMS}{item.pk}/"

    changed = api(alice).patch(path, {"status": "in_maintenance", "criticality": 1}, HTTP_IF_MATCH='"1"')
    refused = api(alice).delete(path)
    deleted = api(dan).delete(path)
    gone = api(alice).get(path)
    restored = api(dan).post(f"{path}restore/")

    assert (changed.json()["status"], changed.json()["criticality"], changed["ETag"]) == ("in_maintenance", 1, '"2"')
    assert assert_problem(refused, 403, "missing_grant")["grant"] == "configuration_items.delete"
    assert (deleted.status_code, gone.status_code) == (204, 404)
    assert (restored.status_code, restored.json()["number"], restored.json()["deleted_at"]) == (200, "CI0000007", None)
    assert told(item.pk) == [
        "configuration_item.updated",
        "configuration_item.deleted",
        "configuration_item.restored",
    ]


def test_an_end_user_sees_the_items_that_are_theirs_and_no_other(acme, bob, api, item):
    with acme.entered():
        own = factories.ConfigurationItemFactory(owner=bob, ci_class=item.ci_class)

    listed = api(bob).get(ITEMS).json()["results"]

    assert [found["id"] for found in listed] == [str(own.pk)]
    assert (api(bob).get(f"{ITEMS}{own.pk}/").status_code, api(bob).get(f"{ITEMS}{item.pk}/").status_code) == (200, 404)
    for pk, status in ((own.pk, 403), (item.pk, 404)):
        assert api(bob).patch(f"{ITEMS}{pk}/", {"name": "mine"}).status_code == status
    with acme.entered():
        assert not ConfigurationItem.objects.filter(name="mine").exists()


def test_a_grant_for_the_team_reaches_what_it_supports(acme, bob, api, item):
    at = timezone.now()
    with acme.entered():
        team = factories.TeamFactory()
        TeamMember.objects.create(organization_id=acme.id, team=team, user=bob, created_at=at, updated_at=at)
        role = Role.objects.create(organization_id=acme.id, name="Keeper", created_at=at, updated_at=at)
        for action in ("read", "update"):
            Grant.objects.create(
                organization_id=acme.id, role=role, resource="configuration_items", action=action, reach="team"
            )
        RoleAssignment.objects.create(
            organization_id=acme.id, role=role, user=bob, valid_from=at, created_at=at, updated_at=at
        )
        supported = factories.ConfigurationItemFactory(support_team=team, ci_class=item.ci_class)

    assert [found["id"] for found in api(bob).get(ITEMS).json()["results"]] == [str(supported.pk)]
    assert api(bob).patch(f"{ITEMS}{supported.pk}/", {"name": "kept"}).status_code == 200
    assert api(bob).patch(f"{ITEMS}{item.pk}/", {"name": "kept"}).status_code == 404


def test_lists_are_searched_filtered_and_ordered(acme, alice, api, item):
    with acme.entered():
        mail = factories.ServiceFactory(name="E-mail")
        other = factories.ConfigurationItemFactory(
            number="CI0000008",
            name="Alpha",
            ci_class=item.ci_class,
            service=mail,
            serial_number="XYZ-1",
            asset_tag="NB-1",
            criticality=1,
            status="planned",
            environment="test",
        )

    def numbers(query):
        return [found["number"] for found in api(alice).get(f"{ITEMS}?{query}").json()["results"]]

    for query in ("search=CI0000008", "search=xyz", "search=nb-1", "search=alp", f"service={mail.pk}"):
        assert numbers(query) == [other.number], query
    for query in ("serial_number=XYZ-1", "criticality=1", "status=planned", "environment=test", "asset_tag__in=NB-1,X"):
        assert numbers(query) == [other.number], query
    assert numbers(f"ci_class={item.ci_class_id}") == ["CI0000008", "CI0000007"], "by name"
    assert numbers("ordering=number") == ["CI0000007", "CI0000008"]
    assert_problem(api(alice).get(f"{ITEMS}?ordering=description"), 400, "invalid_parameter")


def test_references_are_embedded_on_demand(acme, alice, bob, api, item):
    with acme.entered():
        team, service = factories.TeamFactory(name="Network"), factories.ServiceFactory(name="E-mail")
        ConfigurationItem.objects.filter(pk=item.pk).update(owner=bob, support_team=team, service=service)
    every = "ci_class,service,site,owner,support_team"

    found = api(alice).get(f"{ITEMS}{item.pk}/?expand={every}").json()

    assert (found["ci_class"]["key"], found["service"]["name"], found["site"]) == ("server", "E-mail", None)
    assert (found["owner"]["full_name"], found["support_team"]["name"]) == ("Bob", "Network")
    assert api(bob).get(f"{ITEMS}{item.pk}/?expand=ci_class").json()["ci_class"]["name"] == "Server"
    refused = assert_problem(api(bob).get(f"{ITEMS}{item.pk}/?expand=support_team"), 403, "missing_grant")
    assert refused["grant"] == "teams.read"


def test_a_list_leaves_as_a_file_for_those_who_may_export(acme, alice, carol, api, item):
    answer = api(carol).get(f"{ITEMS}?format=csv&fields=number,name")
    text = b"".join(answer.streaming_content) if answer.streaming else answer.content

    rows = list(csv.reader(io.StringIO(text.decode().removeprefix("\ufeff"))))
    assert rows == [["number", "name"], ["CI0000007", "mail-1"]]
    assert api(alice).get(f"{ITEMS}?format=csv").status_code == 403


def test_many_are_changed_at_once_each_by_itself(acme, globex, alice, api, item, told):
    with acme.entered():
        second = factories.ConfigurationItemFactory(ci_class=item.ci_class)
    with globex.entered():
        foreign = factories.ConfigurationItemFactory()
    body = {
        "ids": [str(item.pk), str(foreign.pk), str(second.pk)],
        "action": "update",
        "params": {"status": "retired"},
    }

    answer = api(alice).post(f"{ITEMS}bulk/", body)

    assert [row["status"] for row in answer.json()["results"]] == [200, 404, 200]
    assert told(item.pk) == told(second.pk) == ["configuration_item.updated"]
    with globex.entered():
        assert ConfigurationItem.objects.get(pk=foreign.pk).status == "installed"


# --- what it refers to


def gone(acme, what):
    """Something of acme that is deleted or deactivated."""
    with acme.entered():
        if what == "owner":
            return factories.UserFactory(is_active=False)
        factory = factories.TeamFactory if what == "support_team" else factories.ServiceFactory
        return factory(deleted_at=timezone.now())


@pytest.mark.parametrize(
    ("path", "field", "code"),
    [
        (ITEMS, "owner", "inactive"),
        (ITEMS, "support_team", "deleted"),
        (ITEMS, "service", "deleted"),
        (SERVICES, "owner", "inactive"),
        (SERVICES, "support_team", "deleted"),
    ],
)
def test_what_is_gone_is_given_nothing_new(*, acme, alice, api, item, path, field, code):
    target = gone(acme, field)
    with acme.entered():
        row = item if path == ITEMS else factories.ServiceFactory()
    usual = {"name": "New", **({"ci_class": str(item.ci_class_id)} if path == ITEMS else {})}
    before = count(acme, type(row))

    created = api(alice).post(path, {**usual, field: str(target.pk)})
    changed = api(alice).patch(f"{path}{row.pk}/", {field: str(target.pk)})

    for answer in (created, changed):
        assert pointers(assert_problem(answer, 400, "invalid")) == [(f"/{field}", code)]
    assert count(acme, type(row)) == before
    with acme.entered():
        assert getattr(type(row).objects.get(pk=row.pk), f"{field}_id") is None


def test_what_refers_to_somebody_gone_can_be_changed_otherwise(acme, alice, api, item):
    left = gone(acme, "owner")
    with acme.entered():
        ConfigurationItem.objects.filter(pk=item.pk).update(owner=left)

    answer = api(alice).patch(f"{ITEMS}{item.pk}/", {"name": "renamed", "owner": str(left.pk)})

    assert (answer.status_code, answer.json()["name"], answer.json()["owner"]) == (200, "renamed", str(left.pk))


# --- services


def test_a_deleted_service_s_name_is_free_again(acme, dan, api, told):
    first = api(dan).post(SERVICES, {"name": "E-mail"}).json()
    assert_problem(api(dan).post(SERVICES, {"name": "E-mail"}), 409, "duplicate")

    assert api(dan).delete(f"{SERVICES}{first['id']}/").status_code == 204
    second = api(dan).post(SERVICES, {"name": "E-mail"})
    refused = api(dan).post(f"{SERVICES}{first['id']}/restore/")

    assert second.status_code == 201
    assert_problem(refused, 409, "duplicate")
    assert told(first["id"]) == ["service.created", "service.deleted"]
    with acme.entered():
        assert Service.objects.alive().count() == 1
