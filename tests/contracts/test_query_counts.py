"""A list asks as many queries for twenty rows as for two."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.tickets.models import SavedView
from tests import conftest
from tests.contracts import rows
from tests.contracts.routes import Route, routes

LISTS = [route for route in routes() if route.is_list() and not route.keys]
# Session with its user, organization, the page, its count; beside them an endpoint may look up a few things once.
MOST_QUERIES = 8


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_a_list_asks_as_many_queries_for_twenty_rows_as_for_two(
    acme: conftest.Tenant, dan: Any, api: Any, route: Route
) -> None:
    view: Any = route.view
    expand = ",".join(view().expandable())
    queries = [{"page_size": 200}, {"page_size": 200, "count": "true"}]
    queries += [{"page_size": 200, "expand": expand}] if expand else []
    client = api(dan)

    # Of what is the caller's own, whatever the grants, only their rows are listed.
    owner = dan if not view.is_tenant_route or route.model is SavedView else None
    few = fill(acme, route, 2, client, owner)
    of_few = [count(client, route, query) for query in queries]
    many = fill(acme, route, 18, client, owner)
    assert many - few >= 18
    assert [count(client, route, query) for query in queries] == of_few
    assert max(of_few) <= MOST_QUERIES


def fill(acme: conftest.Tenant, route: Route, number: int, client: Any, owner: Any) -> int:
    """So many more rows, each with every reference filled by a row of its own; returns how many the list shows."""
    with acme.entered():
        for _ in range(number):
            rows.make(route.model, owner)  # type: ignore[arg-type]
    return len(client.get(route.url(), {"page_size": 200}).json()["results"])


def count(client: Any, route: Route, query: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(route.url(), query)
    assert answer.status_code == 200
    return len(captured)
