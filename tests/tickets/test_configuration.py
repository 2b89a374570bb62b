"""What an organization sets up for its tickets: categories, tags, custom fields."""

import pytest
from django.utils import timezone

from apps.tickets import tagging
from apps.tickets.models import Category, CustomField, Tag
from apps.users.rights import actor_for
from tests.core.racing import at_once
from tests.tickets.desk import facts, incident, opened, refused

CATEGORIES, TAGS, FIELDS = "/api/v1/categories/", "/api/v1/tags/", "/api/v1/custom-fields/"


def made(client, address, **values):
    answer = client.post(address, values)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def names(client, address, key="name"):
    return [row[key] for row in client.get(address).json()["results"]]


def count(tenant, model):
    with tenant.entered():
        return model.objects.count()


# --- categories


def test_categories_make_a_tree_without_circles(acme, dan, api):
    admin = api(dan)
    top = made(admin, CATEGORIES, name="Hardware")
    middle = made(admin, CATEGORIES, name="Printers", parent=top["id"])
    leaf = made(admin, CATEGORIES, name="Toner", parent=middle["id"])

    for parent in (leaf, middle, top):
        problem = refused(admin.patch(f"{CATEGORIES}{top['id']}/", {"parent": parent["id"]}), 400, "cycle")
        assert problem["errors"][0]["pointer"] == "/parent"
    assert admin.patch(f"{CATEGORIES}{leaf['id']}/", {"parent": top["id"]}).json()["parent"] == top["id"]
    assert admin.get(f"{CATEGORIES}{top['id']}/").json() == top
    refused(admin.post(CATEGORIES, {"name": "Toner", "parent": top["id"]}), 409, "duplicate")
    assert count(acme, Category) == 3


def test_opposite_moves_at_once_close_no_circle(fresh_database, acme, dan, api):
    admin = api(dan)
    first, second = made(admin, CATEGORIES, name="One"), made(admin, CATEGORIES, name="Two")

    def move(category, parent):
        return api(dan).patch(f"{CATEGORIES}{category['id']}/", {"parent": parent["id"]}).status_code

    assert sorted(at_once([lambda: move(first, second), lambda: move(second, first)])) == [200, 400]


def test_a_category_that_is_used_is_not_deleted(acme, alice, dan, api):
    admin = api(dan)
    top = made(admin, CATEGORIES, name="Hardware")
    below = made(admin, CATEGORIES, name="Printers", parent=top["id"])
    opened(api(alice), category=below["id"])

    for row, by in ((top, "categories"), (below, "tickets")):
        problem = refused(admin.delete(f"{CATEGORIES}{row['id']}/"), 409, "still_referenced")
        assert problem["detail"] == f"Still referenced by {by}."
    unused = made(admin, CATEGORIES, name="Software")
    assert admin.delete(f"{CATEGORIES}{unused['id']}/").status_code == 204
    assert count(acme, Category) == 2


def test_requesters_read_active_categories_agents_all_and_administrators_write(
    acme, globex, alice, bob, dan, mallory, api
):
    gone = made(api(dan), CATEGORIES, name="Fax", is_active=False)
    made(api(dan), CATEGORIES, name="Hardware")

    assert names(api(bob), CATEGORIES) == ["Hardware"]
    assert api(bob).get(f"{CATEGORIES}{gone['id']}/").status_code == 404
    assert names(api(alice), CATEGORIES) == ["Fax", "Hardware"]
    assert names(api(mallory), CATEGORIES) == []
    for person in (alice, bob):
        assert api(person).post(CATEGORIES, {"name": "x"}).json()["grant"] == "catalogue.configure"
    assert api(alice).delete(f"{CATEGORIES}{gone['id']}/").status_code == 403
    assert api(bob).patch(f"{CATEGORIES}{gone['id']}/", {"name": "x"}).status_code == 404
    assert count(acme, Category) == 2


# --- tags


def test_the_vocabulary_grows_as_agents_use_it_and_not_by_requesters(acme, alice, bob, api):
    ticket = opened(api(alice), tags=[" Mail ", "berlin", "mail"])

    assert ticket["tags"] == ["mail", "berlin"]
    assert names(api(alice), TAGS) == ["berlin", "mail"]
    assert opened(api(bob), tags=["MAIL"])["tags"] == ["mail"]
    problem = refused(
        api(bob).post("/api/v1/incidents/", {"title": "x", "tags": ["mail", "vip"]}), 400, "does_not_exist"
    )
    assert problem["errors"] == [
        {"pointer": "/tags/1", "code": "does_not_exist", "detail": "Accepted: tags that are in use here."}
    ]
    assert count(acme, Tag) == 2


@pytest.mark.parametrize("tag", ["two words", "-dash", "ä", "x" * 51, ""])
def test_what_is_no_tag_is_refused(acme, alice, api, tag):
    problem = api(alice).post("/api/v1/incidents/", {"title": "x", "tags": ["fine", tag]}).json()

    assert (problem["status"], problem["errors"][0]["pointer"]) == (400, "/tags/1")
    assert count(acme, Tag) == 0


def test_two_who_use_the_same_new_tags_at_once_both_succeed(fresh_database, acme, alice, api):
    def use(tags):
        return api(alice).post("/api/v1/incidents/", {"title": "x", "tags": tags}).status_code

    answers = at_once([lambda: use(["one", "two", "three"]), lambda: use(["three", "two", "one"])] * 2)

    assert answers == [201] * 4
    assert count(acme, Tag) == 3


def test_a_tag_keeps_its_name_and_stays_while_a_ticket_has_it(acme, alice, bob, dan, api):
    admin = api(dan)
    tag = made(admin, TAGS, name="mail", colour="#1f77b4")
    address = f"{TAGS}{tag['id']}/"
    ticket = opened(api(alice), tags=["mail"])

    assert admin.patch(address, {"description": "Anything with mail."}).json()["version"] == 2
    assert refused(admin.patch(address, {"name": "post"}), 400, "immutable")["errors"][0]["pointer"] == "/name"
    refused(admin.patch(address, {"colour": "blue"}), 400, "invalid")
    assert refused(admin.delete(address), 409, "still_referenced")["detail"] == "Still referenced by tickets."
    assert api(alice).delete(address).json()["grant"] == "templates.configure"
    assert api(bob).get(TAGS).json()["grant"] == "templates.read"
    api(alice).patch(incident(ticket), {"tags": []})
    assert admin.delete(address).status_code == 204
    assert facts(acme, tag) == ["created", "updated", "deleted"]


def test_too_many_tags_are_refused_by_the_service_too(acme, alice):
    with acme.entered():
        actor = actor_for(alice, at=timezone.now())
        assert len(tagging.known([f"t{n}" for n in range(50)], actor=actor, at=timezone.now())) == 50
        with pytest.raises(Exception, match="not valid") as refusal:
            tagging.known([f"t{n}" for n in range(51)], actor=actor, at=timezone.now())
    assert refusal.value.errors[0].detail == "Too many; accepted: at most 50 tags."


# --- custom fields


def test_a_field_is_declared_and_its_kind_key_and_type_stay(acme, dan, api):
    admin = api(dan)
    field = made(admin, FIELDS, kind="incident", key="floor", label="Floor", field_type="choice", choices=["1", "2"])
    address = f"{FIELDS}{field['id']}/"

    assert (field["is_public"], field["is_active"], field["is_required"], field["position"]) == (True, True, False, 0)
    for name, value in (("kind", "change"), ("key", "storey"), ("field_type", "text")):
        assert refused(admin.patch(address, {name: value}), 400, "immutable")["errors"][0]["pointer"] == f"/{name}"
    changed = admin.patch(address, {"label": "Storey", "choices": ["1", "2", "3"], "key": "floor"}).json()
    assert (changed["label"], changed["choices"], changed["key"]) == ("Storey", ["1", "2", "3"], "floor")
    assert admin.delete(address).status_code == 405
    assert admin.patch(address, {"is_active": False}).json()["is_active"] is False
    again = {"kind": "incident", "key": "floor", "label": "x", "field_type": "text"}
    refused(admin.post(FIELDS, again), 409, "duplicate")


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"field_type": "choice"}, "/choices", "invalid"),
        ({"field_type": "choices", "choices": []}, "/choices", "invalid"),
        ({"field_type": "choice", "choices": ["a", "a"]}, "/choices", "invalid"),
        ({"field_type": "choice", "choices": ["a", 1]}, "/choices/1", "invalid"),
        ({"field_type": "choice", "choices": [""]}, "/choices/0", "blank"),
        ({"field_type": "text", "choices": ["a"]}, "/choices", "invalid"),
        ({"field_type": "choice", "choices": "a"}, "/choices", "not_a_list"),
        ({"field_type": "colour"}, "/field_type", "invalid_choice"),
        ({"kind": "task"}, "/kind", "invalid_choice"),
        ({"key": "Floor"}, "/key", "invalid"),
        ({"key": "1st"}, "/key", "invalid"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(acme, dan, api, values, pointer, code):
    given = {"kind": "incident", "key": "floor", "label": "Floor", "field_type": "text", **values}

    problem = refused(api(dan).post(FIELDS, given), 400, code)

    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert count(acme, CustomField) == 0


def test_requesters_read_the_fields_of_their_form(acme, alice, bob, dan, api):
    for key, values in (("room", {}), ("secret", {"is_public": False}), ("old", {"is_active": False})):
        made(api(dan), FIELDS, kind="incident", key=key, label=key, field_type="text", **values)

    assert names(api(bob), FIELDS, "key") == ["room"]
    assert sorted(names(api(alice), FIELDS, "key")) == ["old", "room", "secret"]
    assert api(alice).post(FIELDS, {}).json()["grant"] == "catalogue.configure"
