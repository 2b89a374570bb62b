"""OpenAPI 3.1 from the code: parameters, error answers and headers that every operation has because its base class has them."""

import re
from collections.abc import Iterable
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from apps.core.api.record_views import RecordViewSet
from apps.core.api.serializers import RecordSerializer
from apps.core.api.views import ApiView, TenantView
from apps.core.tables import FORMATS, XLSX_TYPE

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
NOT_BLANK = {"type": "string", "pattern": r"\S"}
NULLABLE_LINK = {"type": ["string", "null"], "format": "uri"}
PROBLEMS = {
    400: "The request is not valid; `errors` says where and what is accepted.",
    401: "Not signed in, or the token is expired or revoked; `code` says which.",
    403: "The grant named by `grant` is missing.",
    404: "There is no such record for this caller.",
    405: "This method is not allowed here.",
    409: "The current state does not allow this.",
    412: "If-Match names another version than the current one.",
    413: "The body is larger than 2 MiB.",
    415: "The body is not application/json in UTF-8.",
    422: "The input is well formed but breaks a rule of the domain.",
    428: "This organization requires If-Match.",
    429: "Too many requests; see Retry-After and RateLimit.",
    503: "A dependency is down; see Retry-After.",
}


class ProblemErrorSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors: Any = ProblemErrorSerializer(many=True)


# A tag of ours, any other, or several of them (RFC 9110 section 13.1.1); an empty header is like none.
TAG = r'(W/)?"[!#-~]*"'
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": rf"^(\*|{TAG}(\s*,\s*{TAG})*)?$"},
    OpenApiParameter.HEADER,
    description='The version you read, as `"<version>"`; 412 when it has changed since.',
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": r'^("[ !#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$'},
    OpenApiParameter.HEADER,
    description="Makes the request safe to send again for 24 hours.",
)


class ApiSchema(AutoSchema):
    """What drf-spectacular cannot know: cursor pages, strict parameters, versions, keys and problems."""

    def get_auth(self) -> list[dict[str, Any]]:
        return [{"bearer": []}] if isinstance(self.view, TenantView) else []

    def get_override_parameters(self) -> list[Any]:
        parameters: list[Any] = list(super().get_override_parameters())
        view = self.view
        if isinstance(view, TenantView) and self.method == "POST" and view.honours_idempotency_key:
            parameters.append(IDEMPOTENCY_KEY)
        if isinstance(view, RecordViewSet):
            if self.method in {"PATCH", "DELETE"}:
                parameters.append(IF_MATCH)
            parameters.extend(self._query_parameters(view))
        return parameters

    def _query_parameters(self, view: RecordViewSet) -> list[OpenApiParameter]:
        view.action = self._action()
        accepted = view.accepted_parameters()
        shown = [parameter for parameter in _common(view) if parameter.name in accepted]
        if view.action == "list":
            shown += [_filter(name, filter_) for name, filter_ in view.filterset_class.base_filters.items()]
        return shown

    def _action(self) -> str:
        return str(getattr(self.view, "action", "") or "")

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        for code in self._problem_codes():
            responses.setdefault(
                str(code),
                self._get_response_for_code(  # type: ignore[no-untyped-call]
                    OpenApiResponse(ProblemSerializer, PROBLEMS[code]),
                    str(code),
                    ["application/problem+json"],
                    direction,
                ),
            )
        return self._with_files(responses)

    def _with_files(self, responses: Any) -> Any:
        """A list is also had as a file."""
        if self._is_list_view():
            content = responses.get("200", {}).get("content", {})
            content.setdefault("text/csv", {"schema": {"type": "string"}})
            content.setdefault(XLSX_TYPE, {"schema": {"type": "string", "format": "binary"}})
        return responses

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema: Any = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction != "response" or not isinstance(serializer, RecordSerializer):
            return schema
        # `?fields=` leaves out, and `?expand=` puts a record in the place of its id.
        schema.pop("required", None)
        for name, field in serializer.fields.items():
            if isinstance(field, serializers.ChoiceField) and field.allow_blank:
                # Empty while nobody has chosen.
                schema["properties"][name] = {"type": "string"}
        for name, (expanded, _) in getattr(serializer.Meta, "expandable", {}).items():
            record = self.resolve_serializer(expanded, direction).ref
            schema["properties"][name] = {"anyOf": [schema["properties"][name], record]}
        return schema

    def _problem_codes(self) -> list[int]:
        codes = [400, 405, 429, 503]
        if isinstance(self.view, TenantView):
            codes += [401, 403, 404]
        if self.method in {"POST", "PATCH", "DELETE"}:
            codes += [409, 413, 415, 422]
            codes += [401] if not isinstance(self.view, TenantView) and isinstance(self.view, ApiView) else []
        if self.method in {"PATCH", "DELETE"} or IF_MATCH in self.get_override_parameters():
            codes += [412, 428]
        return codes

    def _is_list_view(self, serializer: Any = None) -> bool:
        return isinstance(self.view, RecordViewSet) and self._action() == "list"

    def _get_paginator(self) -> Any:
        return CursorPages() if self._is_list_view() else None


class CursorPages:
    """How a list's answer looks, told the way drf-spectacular asks a paginator."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": NULLABLE_LINK,
                "previous": NULLABLE_LINK,
                "results": schema,
                "count": {"type": "integer", "description": "Only with ?count=true."},
                "count_is_estimate": {
                    "type": "boolean",
                    "description": "True beyond 10,000, where `count` is estimated.",
                },
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[Any]:
        return []


def _common(view: RecordViewSet) -> list[OpenApiParameter]:
    orderings = [name for column in view.orderings for name in (column, f"-{column}")]
    return [
        OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        OpenApiParameter("cursor", str, description="From `next` or `previous`, as given."),
        OpenApiParameter("count", {"type": "string", "enum": ["true", "false"]}),
        OpenApiParameter(
            "format", str, enum=[*FORMATS], description="The whole list as a file, up to 10,000 rows, without paging."
        ),
        OpenApiParameter("ordering", str, enum=orderings, default=view.default_ordering),
        OpenApiParameter("search", {"type": "string", "maxLength": 200}),
        OpenApiParameter(
            "fields", _names(view.readable_fields()), description="Comma-separated names of the fields to answer with."
        ),
        OpenApiParameter(
            "expand",
            _names(view.expandable()),
            description=f"Comma-separated references to embed: {', '.join(view.expandable())}.",
        ),
    ]


def _names(accepted: Iterable[str]) -> dict[str, Any]:
    """A comma-separated list of these names."""
    one = "|".join(map(re.escape, accepted))
    return {"type": "string", "pattern": f"^({one})(,({one}))*$"}


def _filter(name: str, filter_: Any) -> OpenApiParameter:
    kind = type(filter_).__name__
    if kind == "UUIDInFilter":
        listed = {"type": "string", "pattern": f"^{UUID}(,{UUID})*$"}
        return OpenApiParameter(name, listed, description="Comma-separated.")
    if kind == "ChoiceInFilter":
        listed = _names(str(key) for key, _ in filter_.extra["choices"])
        return OpenApiParameter(name, listed, description="Comma-separated.")
    if name.endswith("__in"):
        return OpenApiParameter(name, NOT_BLANK, description="Comma-separated.")
    if kind == "UUIDFilter":
        return OpenApiParameter(name, {"type": "string", "format": "uuid"})
    if kind == "StrictDateTimeFilter":
        return OpenApiParameter(name, {"type": "string", "format": "date-time"})
    if kind == "BooleanFilter":
        return OpenApiParameter(name, {"type": "string", "enum": ["true", "false"]})
    if kind == "NumberFilter":
        return OpenApiParameter(name, {"type": "number"})
    if kind == "ChoiceFilter":
        return OpenApiParameter(name, str, enum=[key for key, _ in filter_.extra["choices"]])
    return OpenApiParameter(name, NOT_BLANK)


def refuse_unknown_fields(result: Any, **kwargs: Any) -> Any:
    """Say of every body that it takes no other fields, as the strict serializers do: they answer 400 `unknown_field`."""
    schemas = result.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        if name.endswith("Request") and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    return result


def drop_unreferenced(result: Any, **kwargs: Any) -> Any:
    """Leave out the schemas that nothing refers to: the request's half of a serializer that others only nest to be read."""
    schemas = result.get("components", {}).get("schemas", {})
    while unused := schemas.keys() - _referenced(result):
        for name in unused:
            del schemas[name]
    return result


def _referenced(node: Any) -> set[str]:
    """Names of the schemas that a part of the document refers to."""
    if isinstance(node, dict):
        reference = node.get("$ref")
        here = {reference.rpartition("/")[2]} if isinstance(reference, str) else set()
        return here.union(*map(_referenced, node.values()))
    return set().union(*map(_referenced, node)) if isinstance(node, list | tuple) else set()


def declare_tags(result: Any, **kwargs: Any) -> Any:
    """Name at the top every tag that operations are grouped by."""
    used = {
        tag for item in result["paths"].values() for operation in item.values() for tag in operation.get("tags", ())
    }
    result["tags"] = [{"name": tag} for tag in sorted(used)]
    return result
