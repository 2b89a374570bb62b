"""The admin is a second door to the same rows: an administrator of acme finds nothing of globex behind it either."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.core.admin import ReadOnlyAdmin
from tests.contracts.matrix import text_of
from tests.contracts.world import World
from tests.factories import PASSWORD

pytestmark = pytest.mark.bar(5)

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
EACH_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
PAGES = ("change", "delete", "history")


def signed_in(world: World, principal: str) -> Client:
    client = Client()
    client.raise_request_exception = False
    user = world.people[principal]
    client.post("/admin/login/", {"username": user.email, "password": PASSWORD})
    return client


@pytest.fixture
def client(world: World, walls: str) -> Client:
    """Signed in as acme's administrator; the suite's own cookie carries the session."""
    return signed_in(world, "admin")


def address(model: Any, page: str, *arguments: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def foreign(world: World, model: Any) -> Any:
    """A row of globex; of the log's tables, which no factory fills, whatever the database wrote."""
    if model in world.foreign:
        return world.foreign[model].pk
    with world.globex.entered():
        return model.objects.first().pk


def shown(world: World, client: Client, path: str, query: dict[str, Any] | None = None) -> tuple[int, str]:
    """Status and text of a page on which there is nothing of globex."""
    answer = client.get(path, query or {})
    text = text_of(answer)
    assert world.traces(text, f"{path} {query}") == []
    return answer.status_code, text


@pytest.mark.budget(24)
@EACH_MODEL
def test_lists_and_forms_hold_nothing_of_another_tenant(world: World, client: Client, model: Any) -> None:
    found = admin.site._registry[model]
    changelist = address(model, "changelist")
    assert shown(world, client, changelist)[0] == 200
    for query in ({"q": "CANARY"}, {"q": "globex"}, {"o": "1"}, {"o": "-1"}, {"all": ""}):
        assert shown(world, client, changelist, query)[0] == 200
    for query in ({"id__exact": foreign(world, model)}, {"organization_id": world.globex.id}):
        assert shown(world, client, changelist, query)[0] in {200, 302, 400}
    is_read_only = isinstance(found, ReadOnlyAdmin)
    assert shown(world, client, address(model, "add"))[0] in ({403} if is_read_only else {200, 403})


@pytest.mark.budget(24)
@EACH_MODEL
def test_a_foreign_record_has_no_page(world: World, client: Client, model: Any) -> None:
    before = world.snapshot(world.globex.id)
    for page in PAGES:
        known, unknown = foreign(world, model), uuid4()
        for send in (client.get, client.post):
            answers = []
            for pk in (known, unknown):
                answer = send(address(model, page, pk))
                text = text_of(answer)
                assert world.traces(text, str(pk)) == []
                answers.append((answer.status_code, answer.headers.get("Location", "").replace(str(pk), "…")))
            assert answers[0] == answers[1]
            assert answers[0][0] in {302, 403, 404}
    assert world.snapshot(world.globex.id) == before


@pytest.mark.budget(32)
@EACH_MODEL
@pytest.mark.parametrize("principal", ["manager", "agent", "end user", "anonymous"])
def test_whoever_is_no_administrator_sees_no_page(world: World, model: Any, principal: str) -> None:
    client = signed_in(world, principal) if principal != "anonymous" else Client()
    for path in (address(model, "changelist"), address(model, "change", foreign(world, model))):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/admin/login/")
        assert world.traces(text_of(answer), path) == []


@pytest.mark.budget(10)
@EACH_MODEL
def test_the_canary_would_be_seen(world: World, model: Any) -> None:
    """With mallory's cookie the same list shows what it hides from the others."""
    client = Client()
    with world.globex.entered():
        world.mallory.set_password(PASSWORD)
        world.mallory.save(update_fields=["password"])
    client.post("/admin/login/", {"username": world.mallory.email, "password": PASSWORD})
    answer = client.get(address(model, "changelist"))

    assert answer.status_code == 200
    assert world.traces(text_of(answer)) != []
