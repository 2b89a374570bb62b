"""T31: each scope on each route. What a token of an administrator gets is what the vocabulary says of its scope."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.core.api.views import TenantView
from apps.core.authorization import Action, members_of
from apps.core.models import Job
from apps.sla.models import Timer
from apps.users import api_tokens
from apps.users.role_table import VOCABULARY
from apps.users.scopes import GROUPS, granted_by
from tests.conftest import IS_FULL_RUN, Api, signed_in_now
from tests.contracts.fuzzing import undone
from tests.contracts.matrix import Walk
from tests.contracts.routes import Route, routes
from tests.contracts.world import World

PROTECTED = [route for route in routes() if issubclass(route.view, TenantView)]
SCOPES = sorted(
    {f"{name}:{action}" for name, actions in VOCABULARY.items() for action in (*actions, "*")}
    | {f"{group}:{action}" for group in GROUPS for action in (*Action, "*") if granted_by(f"{group}:{action}")}
    | {"*:read"}
)
# Of what only an API token is refused although its owner is not.
SIGN_IN_REQUIRED = "sign_in_required"


@pytest.fixture(scope="module")
def clients(world: World) -> dict[str, Api]:
    """One token of acme's administrator for each scope."""
    dan, at, found = world.people["admin"], timezone.now(), {}
    for scope in SCOPES:
        with world.acme.entered():
            _, text = api_tokens.create(
                actor=signed_in_now(dan),
                at=at,
                owner=dan,
                name=scope,
                scopes=[scope],
                expires_at=at + timedelta(days=1),
            )
        found[scope] = Api()
        found[scope].credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return found


def scopes_for(route: Route) -> list[str]:
    """All of them in a full run; else those of the route's own resource, and a fixed few of the others."""
    own = tuple(f"{name}:" for name in members_of(route.view.resource))  # type: ignore[attr-defined]
    others = [scope for index, scope in enumerate(SCOPES) if index % 40 == 0]
    return [s for s in SCOPES if IS_FULL_RUN or s.startswith(own) or s in others or s == "*:read"]


def expected(route: Route, method: str, scope: str) -> str:
    """denied: 403. hidden: 404, because what may be changed must be seen first. passed: the handler was reached."""
    view: Any = route.view
    action, grant = route.action(method), route.grant(method)
    if route.model is Job and route.keys:
        # A program watches and fetches its own work alone, and this is a person's.
        return "hidden"
    if view.token_actions is not None and (action not in view.token_actions or grant is None):
        return "passed" if action in view.token_actions else "denied"
    # What hangs from a ticket is found by those who see the ticket.
    is_below = "ticket_pk" in route.keys or (route.model is Timer and bool(route.keys))
    is_hidden = is_below and not lets_through(scope, "tickets", "read")
    if grant is None or not lets_through(scope, view.resource, str(grant)):
        return "hidden" if is_hidden and lets_through(scope, view.resource, "read") else "denied"
    takes_reading = "pk" in route.keys if is_below else bool(route.keys)
    return "hidden" if is_hidden or (takes_reading and not lets_through(scope, view.resource, "read")) else "passed"


def lets_through(scope: str, resource: str, action: str) -> bool:
    """Of a word for several resources: whether it does for any of them."""
    return any((name, action) in granted_by(scope) for name in members_of(resource))


def got(status: int) -> str:
    return {403: "denied", 404: "hidden"}.get(status, "passed" if status < 500 and status != 401 else str(status))


@pytest.mark.budget(28)
@pytest.mark.bar(31)
@pytest.mark.parametrize("route", PROTECTED, ids=str)
def test_a_scope_lets_through_what_the_table_says(
    world: World, route: Route, clients: dict[str, Api], record_property: Any
) -> None:
    walk, wrong, tried = Walk(world, route), [], 0
    row = walk.own_row("admin", "GET", "own")
    path = route.url(**(walk.ids(row) if row is not None else {}))
    before = {table: digest for table, digest in world.snapshot(world.acme.id).items() if table not in MOVING}
    for method in sorted(route.implemented()):
        for scope in scopes_for(route):
            # Far enough to see whether the handler was reached, and no further.
            body = {"data": {"no_such_field": 1}} if method in {"POST", "PATCH"} else {}
            stale = {"If-Match": '"999"'} if method in {"PATCH", "DELETE"} else {}
            # Without a version to be stale, a row would be gone for the next scope.
            is_final = method == "DELETE" and not hasattr(route.model, "version")
            with undone() if is_final else nullcontext():
                answer = getattr(clients[scope], method.lower())(path, **body, headers=stale)
            tried += 1
            due = expected(route, method, scope)
            # A verb may refuse its input, or the form it comes in, before it looks for the record, which tells as little.
            is_unseen = due == "hidden" and method == "POST" and answer.status_code in {400, 415}
            if got(answer.status_code) != due and not is_unseen:
                wrong.append((method, scope, answer.status_code, due))
    after = {table: digest for table, digest in world.snapshot(world.acme.id).items() if table not in MOVING}
    print(f"{route}: {tried} requests by token, {len(SCOPES)} scopes known")
    record_property("tried", tried)

    assert wrong == []
    assert after == before


# Tables that a refused or reading request writes to.
MOVING = {"audit_event", "audit_dispatch", "core_denialcount", "users_apitokenuse"}


@pytest.mark.bar(31)
def test_no_token_reaches_what_takes_a_person(world: World, clients: dict[str, Api]) -> None:
    dan = world.people["admin"]
    for method, path, body in (
        ("post", "auth/api-tokens/", {"name": "x", "scopes": ["*:read"], "expires_at": "2027-03-01T09:00:00Z"}),
        ("get", "auth/api-tokens/", None),
        ("post", "auth/logout/", None),
        ("patch", "auth/me/", {"full_name": "Somebody else"}),
    ):
        answer = getattr(clients["api_tokens:*"], method)(f"/api/v1/{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (403, SIGN_IN_REQUIRED), path
    assert clients["sites:read"].get("/api/v1/auth/me/").json()["id"] == str(dan.pk)
