"""Nobody of acme sees, changes or can tell the existence of anything of globex: with both walls, and with either alone."""

from typing import Any

import pytest
import redis
from django.conf import settings

from apps.core.api.views import ApiView, TenantView
from tests.contracts import bodies, rows
from tests.contracts.bodies import valid_body
from tests.contracts.matrix import FORGED, PUBLIC, Request, Walk, text_of
from tests.contracts.routes import Route, routes
from tests.contracts.world import CANARY, CANNOT_HOLD, TRACE, World, connected_as, take_down_the_orm_wall
from tests.factories import IdempotencyKeyFactory

ROUTES = routes()
# Reads that a row alone cannot answer, and why.
NEEDS_MORE = {
    "exports/<uuid:pk>/download/": "the file that a job has written",
    "tickets/<record:pk>/timeline/": "facts: a factory records none",
    "tickets/<record:pk>/upcoming/": "a countdown: a ticket's factory makes none",
    "assignment/waiting/": "a ticket that nobody has: a factory gives each somebody",
    "tickets/<record:pk>/sla/": "timers: a ticket's factory makes none",
    "sla/compliance/": "timers that have ended: a factory's run",
    "sla/breakdown/": "timers that have ended: a factory's run",
    "incidents/<record:pk>/major/": "updates and handovers: an incident's factory makes none",
    "tickets/<record:pk>/escalation/": "chains: a ticket's factory makes none",
}
READABLE = [route for route in ROUTES if "GET" in route.implemented() and str(route) not in NEEDS_MORE]
TOLD_TO_OWNER = [route for route in READABLE if not set(route.keys) - {"pk"}]

pytestmark = pytest.mark.timeout(120)


@pytest.mark.budget(48)
@pytest.mark.bar(5)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_foreign_record_is_like_one_that_never_was(
    world: World, walls: str, route: Route, log_lines: list[str]
) -> None:
    before = world.snapshot(world.globex.id)
    walk = Walk(world, route)
    walk.walk_foreign()

    assert walk.problems == []
    assert world.snapshot(world.globex.id) == before
    assert [line for line in log_lines if TRACE.search(line)] == []


@pytest.mark.budget(26)
@pytest.mark.bar(1)
@pytest.mark.bar(5)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_everybody_gets_from_their_own_tenant_what_their_grants_say(
    world: World, route: Route, log_lines: list[str]
) -> None:
    before = world.snapshot(world.globex.id)
    walk = Walk(world, route)
    walk.walk_own()

    assert walk.problems == []
    assert walk.reached == route.implemented(), "each method must have done its work for somebody"
    assert world.snapshot(world.globex.id) == before
    assert [line for line in log_lines if TRACE.search(line)] == []


@pytest.mark.budget(24)
@pytest.mark.bar(5)
@pytest.mark.parametrize("route", TOLD_TO_OWNER, ids=str)
def test_the_owner_reads_the_canary_that_others_must_not(world: World, route: Route) -> None:
    ids = {"pk": world.foreign[route.model].pk} if route.keys else {}
    query = bodies.ASKED[str(route)](world.mallory) if str(route) in bodies.ASKED else {}
    query |= {"page_size": 200} if route.is_list() else {}
    # A record without a text of its own shows those of what it refers to.
    has_text = route.model is None or world.has_canary(route.model)
    query |= {} if has_text or not expandable(route) else {"expand": expandable(route)}
    answer = world.as_mallory.get(route.url(**ids), query)

    assert answer.status_code == 200
    # One that refers to nothing either is known by its id.
    assert (CANARY if has_text or expandable(route) else str(world.foreign[route.model].pk)) in text_of(answer)


def expandable(route: Route) -> str:
    view: Any = route.view
    return ",".join(view().expandable())


def test_an_answer_kept_in_another_tenant_is_not_replayed(world: World, walls: str) -> None:
    """Not even for the same person's key, as an operator who acts in both would send it."""
    dan, key = world.people["admin"], f"key of {walls}"
    with world.globex.entered():
        IdempotencyKeyFactory(actor_id=dan.pk, key=key, body=CANARY, location=CANARY)
    walk = Walk(world, next(route for route in ROUTES if str(route) == "sites/"))
    body = valid_body(world, walk.route, "POST")
    answer = walk.send("admin", Request("POST", "/api/v1/sites/", body=body, headers={"Idempotency-Key": f'"{key}"'}))

    assert (answer.status_code, walk.problems) == (201, [])
    assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.bar(5)
def test_nothing_of_globex_lies_in_redis(world: World) -> None:
    for url in (settings.CACHE_URL, settings.REDIS_URL):
        client = redis.from_url(url)
        for key in client.scan_iter():
            assert not TRACE.search(key.decode(errors="replace"))
            # None: it has expired since.
            assert not TRACE.search((client.dump(key) or b"").decode(errors="replace"))


@pytest.mark.bar(5)
def test_every_text_of_globex_is_a_canary(world: World) -> None:
    """Columns with choices and those of a few characters keep their values; every other text was replaced."""
    columns = {(m._meta.db_table, f.column): f for m in rows.tenant_models() for f in m._meta.local_fields}

    without = {name for name in world.without_canary if not columns[name].choices}
    assert without == {("audit_rowchange", "operation"), *CANNOT_HOLD}


@pytest.mark.bar(1)
def test_every_walled_table_has_rows_on_both_sides(world: World) -> None:
    assert world.without_rows == {"acme": [], "globex": []}


# Routes whose view asks for the caller's own rows besides, so that they show nobody else's even with both walls down.
OWN = {"auth/sessions/", "auth/sessions/<uuid:pk>/", "views/"}
LEAKING = [route for route in READABLE if (route.is_list() or route.keys) and str(route) not in OWN]


@pytest.mark.budget(12)
@pytest.mark.bar(3)
@pytest.mark.bar(4)
@pytest.mark.parametrize("route", LEAKING, ids=str)
def test_with_both_walls_down_the_matrix_sees_the_leak(
    world: World, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tests above cannot fail to see: the same walk, reading only, finds a problem on every one of these routes."""
    take_down_the_orm_wall(monkeypatch)
    monkeypatch.setattr(Route, "implemented", lambda route: {"GET"})
    monkeypatch.setattr("tests.contracts.matrix.METHODS", ("GET",))
    walk = Walk(world, route)
    with connected_as("migrator"):
        walk.walk_foreign()

    assert any("was shown" in problem for problem in walk.problems)


@pytest.mark.bar(1)
def test_only_the_listed_routes_are_public() -> None:
    assert {str(route) for route in ROUTES if not route.is_protected} == set(PUBLIC)
    assert all(issubclass(route.view, ApiView | TenantView) for route in ROUTES)


@pytest.mark.bar(1)
def test_what_the_matrix_is_told_by_hand_names_routes_that_exist() -> None:
    operations = {(str(route), method) for route in ROUTES for method in route.implemented()}

    assert set(bodies.GIVEN) <= operations
    assert {(route, "GET") for route in {*bodies.ASKED, *bodies.ASKED_FOR}} <= operations
    assert set(FORGED) <= operations
    assert {(route, "GET") for route in OWN} <= operations
