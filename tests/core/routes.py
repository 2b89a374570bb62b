"""Every endpoint there is, read from the URL resolver and never from a list by hand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from apps.core.api.parsers import StrictJSONParser
from apps.core.api.record_views import RecordViewSet
from tests.conftest import Tenant
from tests.contracts import rows


@dataclass(frozen=True)
class Route:
    """One address of a record view: its path with `<…>` parts, the view, and which method is which action."""

    path: str
    view: type[RecordViewSet]
    actions: dict[str, str]

    def __str__(self) -> str:
        return self.path


def record_routes() -> list[Route]:
    return sorted(_found(get_resolver().url_patterns, "/"), key=lambda route: route.path)


def lists() -> list[Route]:
    return [route for route in record_routes() if route.actions.get("get") == "list"]


def creations() -> list[Route]:
    """Where a POST of JSON creates a record; what comes as a form is no concern of these tests."""
    return [
        route
        for route in record_routes()
        if route.actions.get("post") == "create" and "post" in route.view.http_method_names and _reads_json(route)
    ]


def input_of(route: Route) -> Any:
    """What a POST there is read with; mostly, but not always, what answers are written with too."""
    # Nobody's request: only the class of what comes back and its fields matter.
    view = type("Nobody", (route.view,), {"actor": None})()
    view.action = "create"
    return view.writer(SimpleNamespace(data={}))


def _reads_json(route: Route) -> bool:
    view = route.view()
    view.action = "create"
    return any(isinstance(parser, StrictJSONParser) for parser in view.get_parsers())


def path_in(route: Route, tenant: Tenant) -> str:
    """The list's path, below a parent that the tenant has where it needs one."""
    if "<" not in route.path:
        return route.path
    parents = route.view.model._meta.get_field(route.view.parent_field.removesuffix("_id")).remote_field.model
    with tenant.entered():
        parent = rows.factory_of(parents)()
    # A parent that hangs from another itself names that one too.
    return re.sub(
        "<(?:uuid|record):([a-z_]+)_pk>", lambda found: str(getattr(parent, f"{found[1]}_id", parent.pk)), route.path
    )


def _found(patterns: Any, prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _found(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "cls", None)
            if isinstance(view, type) and issubclass(view, RecordViewSet):
                yield Route(path, view, dict(pattern.callback.actions))
