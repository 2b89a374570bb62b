"""T17: each refusal for want of a session, a grant or a record is one event that says who, what, with which grant, from where."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.audit.models import Event
from apps.core.api.views import TenantView
from apps.users.models import Session
from tests import conftest
from tests.contracts.bodies import valid_body, valid_query
from tests.contracts.matrix import NAMED_BY_BODY, PRINCIPALS, Request, Walk
from tests.contracts.routes import PREFIX, Route, routes
from tests.contracts.world import World, session_of

PROTECTED = [route for route in routes() if issubclass(route.view, TenantView)]
OPERATIONS = [(route, method) for route in PROTECTED for method in sorted(route.implemented())]
# What is refused with which status, and how often over the whole walk: printed by the last test.
TOLD: dict[int, int] = {}


def newest(world: World) -> tuple[int, Event | None]:
    """How many denials acme's log has, and the last."""
    with world.acme.entered():
        found = Event.objects.filter(name="access.denied").order_by("-recorded_at", "-id")
        return found.count(), found.first()


def refused(world: World, walk: Walk, method: str) -> Iterator[tuple[str, conftest.Api, Request, int]]:
    """(who, their client, what they send, the status they get)."""
    route = walk.route
    row = walk.own_row("anonymous", method, "own")
    ids = walk.ids(row) if row is not None else {}
    body = valid_body(world, route, method) if method in {"POST", "PATCH"} else None
    request = Request(method, route.url(**ids), query=valid_query(world, route, method), body=body)
    yield "agent", signed_out(world), request, 401
    for principal in PRINCIPALS:
        if walk.refusal(principal, method) == 403:
            # Whoever sees only their own of these does not learn that this one is there.
            is_hidden = row is not None and walk.sees_only_own(principal)
            yield principal, walk.client(principal), request, 404 if is_hidden else 403
    if route.keys:
        unknown = Request(method, route.url(**dict.fromkeys(ids, uuid4())), body=body)
        yield "admin", walk.client("admin"), unknown, 404


def signed_out(world: World) -> conftest.Api:
    client = conftest.Api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {session_of(world.people['agent']).access}")
    with world.acme.entered():
        Session.objects.filter(user=world.people["agent"]).update(revoked_at=timezone.now())
    return client


@pytest.mark.bar(17)
@pytest.mark.asvs("16.3.2")
@pytest.mark.budget(130)
@pytest.mark.parametrize(("route", "method"), OPERATIONS, ids=[f"{method} {route}" for route, method in OPERATIONS])
def test_every_refusal_is_told_once_with_who_what_and_from_where(world: World, route: Route, method: str) -> None:
    walk = Walk(world, route)
    for principal, client, request, status in refused(world, walk, method):
        before, _ = newest(world)
        body = {} if request.body is None else {"data": request.body}
        answer: Any = getattr(client, method.lower())(request.url, **body, REMOTE_ADDR="192.0.2.44")
        count, event = newest(world)

        assert (answer.status_code, count - before) == (status, 1), f"{principal} {request}"
        assert event is not None
        assert (event.actor_id, event.subject_id) == (world.people[principal].pk, world.people[principal].pk)
        expected = {
            "status": status,
            "method": method,
            "route": f"{PREFIX}{route}",
            "address": "192.0.2.44",
            "reason": "session_ended" if status == 401 else "missing_grant" if status == 403 else "not_found",
        }
        assert event.data.items() >= expected.items()
        if status == 403:
            named = NAMED_BY_BODY.get((str(route), method))
            grant = f"{named[1]}.{named[0]}" if named else f"{route.view.resource}.{route.grant(method)}"  # type: ignore[attr-defined]
            assert event.data["grant"] == grant
        if route.keys:
            assert set(event.data["record"]) == set(route.keys)
            assert all(value in request.path for value in event.data["record"].values())
        TOLD[status] = TOLD.get(status, 0) + 1


@pytest.mark.bar(17)
@pytest.mark.budget(50)
@pytest.mark.parametrize("route", PROTECTED, ids=str)
def test_of_a_stranger_whom_no_tenant_knows_only_the_log_tells(
    world: World, route: Route, log_lines: list[str]
) -> None:
    walk = Walk(world, route)
    method = sorted(route.implemented())[0]
    row = walk.own_row("anonymous", method, "own")
    before = world.snapshot(world.acme.id)
    address = route.url(**(walk.ids(row) if row is not None else {}))
    answer: Any = getattr(conftest.Api(), method.lower())(address, REMOTE_ADDR="192.0.2.44")

    assert answer.status_code == 401
    assert world.snapshot(world.acme.id) == before
    (line,) = [line for line in log_lines if "access_denied" in line]
    assert "192.0.2.44" in line
    assert "not_authenticated" in line


def test_the_walk_saw_every_kind_of_refusal() -> None:
    if TOLD:
        print("access.denied events seen, by status:", dict(sorted(TOLD.items())))
        assert set(TOLD) <= {401, 403, 404}
