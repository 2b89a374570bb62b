"""OpenAPI 3.1 from the code: parameters, error answers and headers that every operation has because its base class has them."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from apps.core.api.views import ApiView, RecordViewSet, TenantView
from apps.core.tables import FORMATS, XLSX_TYPE

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


class ApiSchema(AutoSchema):
    """What drf-spectacular cannot know: cursor pages, strict parameters, versions, keys and problems."""

    def get_auth(self) -> list[dict[str, Any]]:
        return [{"bearer": []}] if isinstance(self.view, TenantView) else []

    def get_override_parameters(self) -> list[Any]:
        parameters: list[Any] = list(super().get_override_parameters())
        view = self.view
        if isinstance(view, TenantView) and self.method == "POST":
            parameters.append(_header("Idempotency-Key", "Makes the request safe to send again for 24 hours."))
        if isinstance(view, RecordViewSet):
            if self.method in {"PATCH", "DELETE"}:
                parameters.append(
                    _header("If-Match", 'The version you read, as `"<version>"`; 412 when it has changed since.')
                )
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

    def _problem_codes(self) -> list[int]:
        codes = [400, 405, 429, 503]
        if isinstance(self.view, TenantView):
            codes += [401, 403, 404]
        if self.method in {"POST", "PATCH", "DELETE"}:
            codes += [409, 413, 415, 422]
            codes += [401] if not isinstance(self.view, TenantView) and isinstance(self.view, ApiView) else []
        if self.method in {"PATCH", "DELETE"}:
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


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, required=False, description=description)


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
        OpenApiParameter("fields", str, description="Comma-separated names of the fields to answer with."),
        OpenApiParameter(
            "expand", str, description=f"Comma-separated references to embed: {', '.join(view.expandable())}."
        ),
    ]


def _filter(name: str, filter_: Any) -> OpenApiParameter:
    kind = type(filter_).__name__
    if name.endswith("__in"):
        return OpenApiParameter(name, {"type": "string", "minLength": 1}, description="Comma-separated.")
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
    return OpenApiParameter(name, {"type": "string", "minLength": 1})
