"""Every API route, asked of the URL resolver: what later apps add is walked without being named here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.views import APIView

from apps.core.api.record_views import RecordViewSet
from apps.core.api.views import TenantView

PREFIX = "api/v1/"
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
PLACEHOLDER = re.compile(r"<(?:\w+:)?(\w+)>|\{(\w+)\}")


@dataclass(frozen=True, eq=False)
class Route:
    """One URL pattern and the view behind it."""

    pattern: str
    view: type[APIView]
    actions: dict[str, str]

    def __str__(self) -> str:
        return self.pattern.removeprefix(PREFIX)

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the URL's placeholders, outermost first."""
        return tuple(first or second for first, second in PLACEHOLDER.findall(self.pattern))

    @property
    def shape(self) -> str:
        """The path with its placeholders unnamed, as this and the OpenAPI document have it in common."""
        return shape_of(f"/{self.pattern}")

    @property
    def is_protected(self) -> bool:
        return issubclass(self.view, TenantView)

    @property
    def model(self) -> type[Any] | None:
        return getattr(self.view, "model", None)

    def url(self, **ids: Any) -> str:
        return "/" + PLACEHOLDER.sub(lambda match: str(ids[match[1] or match[2]]), self.pattern)

    def action(self, method: str) -> str | None:
        """The handler that answers `method`; None where the answer is 405."""
        name = "get" if method == "HEAD" else method.lower()
        if name not in self.view.http_method_names or method == "OPTIONS":
            return None
        if self.actions:
            return self.actions.get(name)
        return name if hasattr(self.view, name) else None

    def implemented(self) -> set[str]:
        return {method for method in METHODS if self.action(method) is not None}

    def grant(self, method: str) -> Any:
        """The action that the caller needs; None where being signed in is enough."""
        return self.view.grants[self.action(method)]  # type: ignore[attr-defined]

    def is_list(self) -> bool:
        return issubclass(self.view, RecordViewSet) and self.action("GET") == "list"

    def input(self, method: str) -> serializers.BaseSerializer[Any] | None:
        """The serializer of the request's body, as the OpenAPI document knows it; None where there is no body."""
        return request_serializers().get((self.shape, method))


def shape_of(path: str) -> str:
    return PLACEHOLDER.sub("{}", path)


def patterns(entries: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every leaf of the resolver with its whole route. A regular expression cannot be walked, so there may be none."""
    for entry in entries:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns, route)
        else:
            yield route, entry


def routes() -> list[Route]:
    """Everything below /api/v1, in the resolver's order."""
    found = []
    for route, entry in patterns(get_resolver().url_patterns):
        if route.startswith(PREFIX):
            assert isinstance(entry.pattern, RoutePattern), f"{route} is a regular expression; use path()"
            view = getattr(entry.callback, "cls", None) or getattr(entry.callback, "view_class", None)
            assert view is not None, f"{route} is served by a function, which no base class protects"
            found.append(Route(route, view, dict(getattr(entry.callback, "actions", None) or {})))
    return found


@cache
def request_serializers() -> dict[tuple[str, str], serializers.BaseSerializer[Any]]:
    """What each operation reads from its body: its own declaration, or its view's serializer."""
    generator = SchemaGenerator()
    generator._initialise_endpoints()
    found = {}
    for path, path_regex, method, view in generator._get_paths_and_endpoints():
        view.request = None
        schema = view.schema
        schema.path, schema.path_regex, schema.method = path, path_regex, method
        given = schema.get_request_serializer() if method in {"POST", "PATCH", "PUT"} else None
        if isinstance(given, type) and issubclass(given, serializers.BaseSerializer):
            given = given()
        if isinstance(given, serializers.BaseSerializer):
            found[shape_of(path), method] = given
    return found
