"""The base of records' views: what list, read, create, change and delete have in common, whatever the kind."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from apps.core import records
from apps.core.api import exporting, filters, lookup, pagination
from apps.core.api.pagination import invalid_parameter
from apps.core.api.serializers import RecordSerializer, strict_input
from apps.core.api.versions import expected_version
from apps.core.api.views import TenantView
from apps.core.authorization import Action, Reach, decide, require, within_reach
from apps.core.errors import NotFound

# Inside a viewset `list` is a method.
Rows = list[Any]


class RecordViewSet(ViewSetMixin, TenantView):
    """List, read, create, change and delete one kind of record. What a kind does differently it overrides, verb by verb."""

    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    grants: ClassVar[Mapping[str, Action | None]] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        "create": Action.CREATE,
        "partial_update": Action.UPDATE,
        "destroy": Action.DELETE,
    }
    model: ClassVar[type[Any]]
    serializer_class: ClassVar[type[RecordSerializer]]
    filterset_class: ClassVar[Any]
    # A view that shows less to some narrows these two for the request.
    orderings: tuple[str, ...] = ("created_at",)
    search_columns: tuple[str, ...] = ()
    default_ordering: ClassVar[str] = "-created_at"
    lookup_field = "pk"
    lookup_value_converter = "uuid"
    # With the converter `record`: what the numbers begin with by which an address may name a record instead of its id.
    number_prefixes: ClassVar[frozenset[str]] = frozenset()
    # What it takes to have the list as a file; where the role table knows no `export`, who configures may also export.
    export_grant: ClassVar[Action] = Action.EXPORT
    # False for a list that no grant guards, and so none would let out as a file.
    is_exportable: ClassVar[bool] = True
    action: str

    # --- what is there, and to whom

    def visible(self) -> Any:
        """The records this caller may see; every lookup of this view starts here."""
        return within_reach(self.model._default_manager.visible_to(self.actor), self.actor, Action.READ, self.resource)

    def record(self) -> Any:
        """The record of the URL. Raises NotFound for a foreign, invisible or unknown one alike."""
        record = the_one(self.visible(), self.record_id())
        if record is None:
            raise NotFound
        return record

    def record_id(self) -> UUID:
        """The id of the URL's record. Raises NotFound for a number that no record has which this caller may see."""
        named = self.kwargs[self.lookup_field]
        if not isinstance(named, UUID):
            # Looked up once: from here on the request names the id.
            self.kwargs[self.lookup_field] = lookup.id_of(named, self.visible(), self.number_prefixes)
        found: UUID = self.kwargs[self.lookup_field]
        return found

    def check_visible(self) -> None:
        if self.lookup_field in self.kwargs:
            self.record()

    def is_known_action(self, name: str) -> bool:
        return bool(self.action) and super().is_known_action(name)

    def accepted_parameters(self) -> frozenset[str]:
        shape = frozenset({"fields", "expand"}) if self.expandable() else frozenset({"fields"})
        if self.action == "list":
            declared = frozenset(self.filterset_class.base_filters)
            search = frozenset({"search"}) if self.search_columns else frozenset()
            file = frozenset({"format"}) if self.is_exportable else frozenset()
            return declared | shape | search | file | {"page_size", "cursor", "count", "ordering"}
        return shape if self.action in {"retrieve", "create", "partial_update"} else frozenset()

    # --- the five verbs

    def list(self, request: Request) -> Any:
        if "format" in self.query:
            return exporting.answer(self)
        queryset, ordering = self.found()
        page = pagination.paginate(queryset, ordering, request, self.query)
        answer = {"next": page.next, "previous": page.previous, "results": self.represent_all(page.rows)}
        if self.wants_count():
            answer.update(pagination.count(queryset))
        return Response(answer)

    def found(self) -> tuple[Any, str]:
        """What the query asks for, and in which order."""
        ordering = filters.choose_ordering(self.query, self.orderings, self.default_ordering)
        queryset = self.shaped(filters.apply_filters(self.visible(), self.filterset_class, self.query))
        if "search" in self.query:
            queryset = filters.apply_search(queryset, self.search_columns, self.query["search"])
        return queryset, ordering

    def exported(self, queryset: Any) -> Any:
        """What of it the caller may have as a file. Raises Denied."""
        return within_reach(queryset, self.actor, self.export_grant, self.resource)

    def writes_down_reading(self, request: Request) -> bool:
        return self.action == "list" and "format" in request.query_params

    def retrieve(self, request: Request, pk: Any) -> Response:
        record = the_one(self.shaped(self.visible()), self.record_id())
        if record is None:
            raise NotFound
        return self.single(record)

    def create(self, request: Request) -> Response:
        record = self.create_record(strict_input(self.writer(request)))
        self.check_reach(record)
        return self.single(record, status=status.HTTP_201_CREATED, location=f"{request.path}{record.pk}/")

    def partial_update(self, request: Request, pk: Any) -> Response:
        record = self.locked(request)
        values = strict_input(self.writer(request, record))
        return self.single(self.change_record(record, values))

    def destroy(self, request: Request, pk: Any) -> Response:
        self.delete_record(self.locked(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    # --- what a hand-written view replaces by its own services

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return records.create(self.model, actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return records.change(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        records.delete(record, actor=self.actor, at=timezone.now())

    # --- shapes

    def locked(self, request: Request) -> Any:
        """The record of the URL, locked, at the version the caller read if they said which."""
        version = expected_version(request, is_required=self.caller.requires_if_match)
        self.check_visible()
        record = records.lock(self.model, self.record_id(), actor=self.actor, expected_version=version)
        self.check_reach(record)
        return record

    def check_reach(self, record: Any) -> None:
        """Raise Denied when the grant of this action does not reach as far as this record."""
        action = self.grants[self.action]
        if action is not None:
            require(self.actor, action, self.resource, record)

    def writer(self, request: Request, record: Any = None) -> RecordSerializer:
        return self.serializer_class(
            record, data=request.data, partial=record is not None, context={"actor": self.actor}
        )

    def single(self, record: Any, *, status: int = 200, location: str = "") -> Response:
        headers = {"ETag": f'"{record.version}"'}
        if location:
            headers["Location"] = location
        return Response(self.represent_all([record])[0], status=status, headers=headers)

    def represent_all(self, rows: Rows) -> Rows:
        """Each row as its serializer's compiled form, sparse and expanded as the query asks."""
        expanded = self.expanded()
        fields = self.wanted("fields", self.readable_fields())
        context = {"actor": self.actor, "fields": fields, "request": self.request}
        serializer = self.reader()(context=context)
        answers = [serializer.to_representation(row) for row in rows]
        for name in expanded:
            if fields is None or name in fields:
                self._embed(name, rows, answers)
        return answers

    def _embed(self, name: str, rows: Rows, answers: Rows) -> None:
        serializer_class, resource = self.expandable()[name]
        if decide(self.actor, Action.READ, resource).reach is not Reach.ORGANIZATION:
            # A reference may name what the caller's grant does not reach.
            serializer_class = serializer_class.narrowed or serializer_class
        serializer = serializer_class(context={"actor": self.actor})
        for row, answer in zip(rows, answers, strict=True):
            related = getattr(row, name)
            answer[name] = serializer.to_representation(related) if related is not None else None

    def shaped(self, queryset: Any) -> Any:
        """With the joins that `expand` needs."""
        expanded = self.expanded()
        return queryset.select_related(*expanded) if expanded else queryset

    def expanded(self) -> tuple[str, ...]:
        """The references to embed. Raises Denied when the caller may not read what they ask for."""
        names = self.wanted("expand", self.expandable()) or ()
        for name in names:
            require(self.actor, Action.READ, self.expandable()[name][1])
        return names

    def expandable(self) -> Mapping[str, tuple[type[RecordSerializer], str]]:
        return getattr(self.reader().Meta, "expandable", {})

    def readable_fields(self) -> Mapping[str, Any]:
        return readable_fields(self.reader())

    def reader(self) -> type[RecordSerializer]:
        """What answers are written with; a view that shows less to some answers these with another one."""
        return self.serializer_class

    def wanted(self, parameter: str, accepted: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The comma-separated names in `?fields=` or `?expand=`. Raises Invalid on one that is not accepted."""
        if parameter not in self.query:
            return None
        names = tuple(dict.fromkeys(filter(None, self.query[parameter].split(","))))
        unknown = [name for name in names if name not in accepted]
        if unknown or not names:
            detail = f"Not accepted: {', '.join(unknown) or 'nothing'}; accepted: {', '.join(accepted)}."
            raise invalid_parameter(parameter, detail, "invalid_choice")
        return names

    def wants_count(self) -> bool:
        given = self.query.get("count", "false")
        if given not in {"true", "false"}:
            raise invalid_parameter("count", "count is not accepted; accepted: true, false.", "invalid_choice")
        return given == "true"


def the_one(queryset: Any, pk: UUID) -> Any:
    """The record of that key, or None: there is one at most, so neither an order nor a limit is asked for."""
    return next(iter(queryset.filter(pk=pk)), None)


_readable: dict[type[RecordSerializer], dict[str, Any]] = {}


def readable_fields(serializer_class: type[RecordSerializer]) -> dict[str, Any]:
    """The fields of a class that answers show; building them costs a millisecond, so once."""
    if serializer_class not in _readable:
        fields = serializer_class().fields.items()
        _readable[serializer_class] = {name: field for name, field in fields if not field.write_only}
    return _readable[serializer_class]
