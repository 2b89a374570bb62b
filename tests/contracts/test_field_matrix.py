"""T06: what each role reads and writes is tests/contracts/fields.py, to the letter; mass assignment is 400 and changes nothing."""

from typing import Any

import pytest

from apps.core.api.record_views import RecordViewSet
from tests.contracts.bodies import valid_body
from tests.contracts.fields import GOLDEN, Fields
from tests.contracts.matrix import Walk
from tests.contracts.routes import PLACEHOLDER, Route, routes
from tests.contracts.world import World

ROUTES = [route for route in routes() if issubclass(route.view, RecordViewSet)]
ROLES = ("end user", "agent", "manager", "admin")
EACH_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=str)
# An invitation takes what creating does.
CREATING = {"create", "invite"}
# Beside every column of the model, what attackers try on any.
TEMPTING = {
    "organization",
    "organization_id",
    "tenant",
    "is_superuser",
    "is_staff",
    "is_admin",
    "role",
    "roles",
    "password",
}


def resource_of(route: Route) -> str:
    """The golden entry of a route: its view's list's, which records and verbs share. What reads something else has its own."""
    own = next((known for known in ROUTES if known.view is route.view and known.is_list()), route)
    reads_otherwise = "GET" in route.implemented() and route.action("GET") not in {"list", "retrieve"}
    return PLACEHOLDER.sub("<>", str(route if reads_otherwise else own))


def fields_of(route: Route) -> Fields:
    return GOLDEN[resource_of(route)]


def names(text: str) -> set[str]:
    return set(text.split())


def roles(text: str) -> set[str]:
    return {role.strip() for role in text.split(",") if role}


def address(walk: Walk, role: str) -> str:
    """Of a row that the role has, where the route names one."""
    row = walk.own_row(role, "PATCH" if walk.route.keys else "GET", "own")
    return walk.route.url(**(walk.ids(row) if row is not None else {}))


def test_every_resource_of_the_router_is_in_the_table_and_no_other() -> None:
    assert set(GOLDEN) == {resource_of(route) for route in ROUTES}, "add what is missing to tests/contracts/fields.py"


@pytest.mark.bar(6)
@pytest.mark.asvs("8.2.3", "15.3.1")
@pytest.mark.parametrize("route", [route for route in ROUTES if "GET" in route.implemented()], ids=str)
def test_each_role_reads_the_fields_of_the_table(world: World, route: Route) -> None:
    golden, walk = fields_of(route), Walk(world, route)
    for role in ROLES:
        answer: Any = walk.client(role).get(address(walk, role))
        if role not in roles(golden.readers):
            assert answer.status_code in {403, 404}, role
            assert answer["Content-Type"] == "application/problem+json", role
            continue
        assert answer.status_code == 200, role
        for row in answer.json()["results"] if route.is_list() else [answer.json()]:
            read = golden.listed if route.is_list() and golden.listed else golden.read
            assert set(row) == names(golden.narrowed.get(role, read)), role


@pytest.mark.bar(6)
@pytest.mark.asvs("8.2.3", "15.3.3")
@EACH_ROUTE
def test_each_role_writes_the_fields_of_the_table_and_no_column_beside_them(world: World, route: Route) -> None:
    golden = fields_of(route)
    writes = {"POST": (golden.create, golden.creators), "PATCH": (golden.change, golden.changers)}
    for method, actions in (("POST", CREATING), ("PATCH", {"partial_update"})):
        if route.action(method) not in actions:
            continue
        writable, writers = writes[method]
        columns = {field.name for field in route.model._meta.get_fields() if field.concrete}  # type: ignore[union-attr]
        smuggled = (columns | names(golden.read) | TEMPTING) - names(writable)
        for role in ROLES:
            refuse_mass_assignment(world, route, method, role, smuggled, is_writer=role in roles(writers))
        if writers:
            accept(world, route, method, names(writable), names(golden.read) | names(golden.once))


def refuse_mass_assignment(
    world: World, route: Route, method: str, role: str, smuggled: set[str], *, is_writer: bool
) -> None:
    """All of them at once beside a valid body: each refused by its name, and no table of acme moves."""
    walk = Walk(world, route)
    path, client = address(walk, role), walk.client(role)
    body = {**valid_body(world, route, method), **dict.fromkeys(smuggled, "smuggled")}
    before = settled(world)
    answer: Any = getattr(client, method.lower())(path, body)

    assert settled(world) == before, role
    if not is_writer:
        assert answer.status_code in {403, 404}, role
        return
    assert answer.status_code == 400, role
    refused = {error["pointer"].removeprefix("/") for error in answer.json()["errors"]}
    assert {error["code"] for error in answer.json()["errors"]} <= {"unknown_field", "read_only"}, answer.json()
    assert refused == smuggled, role


def accept(world: World, route: Route, method: str, writable: set[str], shown: set[str]) -> None:
    """Each field of the table is taken: a value may be wrong for it, but it is neither unknown nor read-only."""
    walk = Walk(world, route)
    answer: Any = getattr(walk.client("admin"), method.lower())(
        address(walk, "admin"), {key: {"?": 1} for key in writable}
    )
    refused = {error["pointer"].split("/")[1]: error["code"] for error in answer.json()["errors"]}
    assert answer.status_code == 400
    assert set(refused) == writable, "each was read, and found wrong"
    assert set(refused.values()).isdisjoint({"unknown_field", "read_only"})

    answer = getattr(walk.client("admin"), method.lower())(address(walk, "admin"), valid_body(world, route, method))
    assert answer.status_code in {200, 201}, answer.content
    assert set(answer.json()) == (shown if method == "POST" else shown & names(fields_of(route).read))


def settled(world: World) -> dict[str, str]:
    """Everything of acme but what a refusal itself writes."""
    moving = {"audit_event", "core_denialcount", "audit_dispatch"}
    return {table: digest for table, digest in world.snapshot(world.acme.id).items() if table not in moving}
