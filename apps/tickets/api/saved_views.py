"""Saved views over HTTP: queues of tickets under a name, what each shows the caller, and how many that are."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import filters, strict
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.api.serializers import RecordSerializer
from apps.core.authorization import Action
from apps.core.errors import FieldError, Invalid
from apps.organizations.api.serializers import TeamSerializer
from apps.tickets import saved_views
from apps.tickets.api.filters import ME, TicketFilter
from apps.tickets.api.serializers import TicketSerializer
from apps.tickets.api.views import PEOPLE, TicketViewSet
from apps.tickets.kinds import RESOURCE
from apps.tickets.models import SavedView, Ticket

MAX_FILTERS = 50
# What of a page of tickets is asked for beside what the view itself says.
PAGE = frozenset({"page_size", "cursor", "count", "ordering", "search", "fields", "expand"})


def as_parameters(given: Mapping[str, Any]) -> dict[str, str]:
    """Filters as the list's own parameters: true is `true`, and what is a list there is separated by commas here."""
    return {name: _as_parameter(value) for name, value in given.items()}


def _as_parameter(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _of_somebody(parameters: dict[str, str]) -> dict[str, str]:
    """With some person for `me`, who is another one for each reader."""
    return {name: str(UUID(int=0)) if name in PEOPLE and value == ME else value for name, value in parameters.items()}


def _is_filter(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, str | int) and not isinstance(item, bool) for item in value)
    return isinstance(value, str | int)


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {},
        "description": "Parameters of /tickets/ by name: texts, numbers, booleans, or lists of them for those that end in __in.",
        "example": {"phase__in": ["new", "open"], "assignee": "me"},
    }
)
class FiltersField(serializers.Field[Any, Any, Any, Any]):
    """What the list of tickets would accept, checked as that list checks it."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict) or len(data) > MAX_FILTERS:
            raise serializers.ValidationError(
                f"Not an object; accepted: at most {MAX_FILTERS} filters of the list of tickets.", "invalid"
            )
        accepted = TicketFilter.base_filters
        wrong = {
            name: [serializers.ErrorDetail(_detail(name), "invalid" if name in accepted else "unknown_parameter")]
            for name, value in data.items()
            if name not in accepted or not _is_filter(value)
        }
        if wrong:
            raise serializers.ValidationError(wrong)
        try:
            filters.apply_filters(Ticket.objects.none(), TicketFilter, _of_somebody(as_parameters(data)))
        except Invalid as refusal:
            errors: list[FieldError] = refusal.errors
            raise serializers.ValidationError(
                {error.pointer.strip("/"): [serializers.ErrorDetail(error.detail, error.code)] for error in errors}
            ) from refusal
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def _detail(name: str) -> str:
    accepted = TicketFilter.base_filters
    if name not in accepted:
        return f"Unknown filter; accepted: {', '.join(sorted(accepted))}."
    return "Not a filter's value; accepted: a text, a number, a boolean, or a list of texts or numbers."


class SavedViewSerializer(RecordSerializer):
    filters = FiltersField(required=False)
    ordering = strict.TextField(required=False, allow_blank=True, max_length=40)

    class Meta:
        model = SavedView
        fields = (
            "id",
            "name",
            "owner",
            "filters",
            "ordering",
            "shared_with",
            "team",
            "created_at",
            "updated_at",
            "version",
        )
        read_only_fields = ("id", "owner", "created_at", "updated_at", "version")
        expandable: ClassVar[dict[str, Any]] = {"team": (TeamSerializer, "teams")}

    def validate_ordering(self, value: str) -> str:
        names = TicketViewSet.orderings
        if value and value.removeprefix("-") not in names:
            raise serializers.ValidationError(
                f"Not an ordering; accepted: {', '.join(names)}, each also with `-`.", "invalid_choice"
            )
        return value


class ViewCountSerializer(serializers.Serializer[Any]):
    view = serializers.UUIDField()
    count = serializers.IntegerField(help_text="Exact up to 1,000.")
    is_capped = serializers.BooleanField(help_text="Whether there are more than that.")


TICKET_PAGE = inline_serializer(
    "TicketPage",
    {
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "results": TicketSerializer(many=True),
        "count": serializers.IntegerField(required=False),
        "count_is_estimate": serializers.BooleanField(required=False),
    },
)
COUNTS = inline_serializer("ViewCounts", {"results": ViewCountSerializer(many=True)})


class SavedViewViewSet(RecordViewSet):
    """Queues under a name: one's own, and those that are shared with one."""

    model = SavedView
    resource = RESOURCE
    # Reading tickets is enough to keep views of them; what takes more is asked by the service.
    grants: ClassVar[Any] = {
        **dict.fromkeys(RecordViewSet.grants, Action.READ),
        "tickets": Action.READ,
        "counts": Action.READ,
    }
    # A token that reads tickets reads views; it keeps none.
    token_actions = frozenset({"list", "retrieve", "tickets", "counts"})
    serializer_class = SavedViewSerializer
    filterset_class = filters_for(SavedView, ("name", "owner", "shared_with", "team", "created_at", "updated_at"))
    orderings = ("name", "created_at", "updated_at")
    default_ordering = "name"
    search_columns = ("name",)
    is_exportable = False

    def visible(self) -> Any:
        return saved_views.visible(self.actor)

    def accepted_parameters(self) -> frozenset[str]:
        return PAGE if self.action == "tickets" else super().accepted_parameters()

    def check_reach(self, record: Any) -> None:
        if self.action in {"partial_update", "destroy"}:
            saved_views.require_to_change(record, actor=self.actor)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return saved_views.create(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return saved_views.change(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        saved_views.delete(record, actor=self.actor, at=timezone.now())

    @extend_schema(
        responses=TICKET_PAGE, parameters=[OpenApiParameter(name, str) for name in sorted(PAGE)], filters=False
    )
    @action(detail=True, methods=["get"])
    def tickets(self, request: Request, pk: Any) -> Response:
        """A page of the view's tickets, as the caller sees them; `me` in its filters is the caller."""
        view = self.record()
        queue = self.queue(view)
        queue.query = {**({"ordering": view.ordering} if view.ordering else {}), **queue.query, **self.query}
        answer: Response = queue.list(request)
        return answer

    @extend_schema(responses=COUNTS, filters=False)
    @action(detail=False, methods=["get"])
    def counts(self, request: Request) -> Response:
        """How many tickets each view holds for the caller: of the first 200 by name, up to 1,000 each."""
        views = list(self.visible().order_by("name", "id")[: saved_views.MOST_VIEWS])
        queues = [self.queue(view).narrowed()[0] for view in views]
        found = saved_views.counts(queues)
        results = [
            {"view": view.pk, "count": number, "is_capped": is_capped}
            for view, (number, is_capped) in zip(views, found, strict=True)
        ]
        return Response({"results": results})

    def queue(self, view: Any) -> TicketViewSet:
        """The list of tickets as this request's caller would ask for it with the view's filters."""
        queue = TicketViewSet()
        queue.request, queue.caller, queue.verdicts = self.request, self.caller, self.verdicts
        queue.action, queue.kwargs, queue.format_kwarg = "list", {}, None
        queue.query = as_parameters(view.filters)
        return queue
