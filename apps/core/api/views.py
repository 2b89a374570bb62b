"""The base views: one transaction in one tenant, the grant asked, keys and versions honoured, and no way around any of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

import structlog
from django.db import transaction
from django.db.utils import DatabaseError, OperationalError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from apps.core import denials, idempotency, records, tenancy
from apps.core.actors import Actor
from apps.core.addresses import client_address
from apps.core.api import exporting, filters, identity, keys, lookup, pagination, parsers, permissions, problems, rates
from apps.core.api.job_serializer import JobSerializer
from apps.core.api.pagination import invalid_parameter
from apps.core.api.renderers import dumps
from apps.core.api.serializers import RecordSerializer, strict_input
from apps.core.api.versions import expected_version
from apps.core.authorization import Action, Reach, decide, may, require, within_reach
from apps.core.errors import Denied, DomainError, NotFound, NotSignedIn
from apps.core.limits import Limit, Verdict
from apps.core.models import Job
from apps.core.tenancy import TenantContext

log = structlog.get_logger(__name__)

# Deadlock and serialization failure: PostgreSQL undid everything, so the same request may simply be tried again.
TRY_AGAIN = frozenset({"40P01", "40001"})
MAX_TRIES = 3

# Inside a viewset `list` is a method.
Rows = list[Any]


class ApiView(APIView):
    """What public and protected endpoints share: methods, parameters, retries, problems."""

    permission_classes = [permissions.Handled]
    authentication_classes = []
    parameters: ClassVar[frozenset[str]] = frozenset()
    # Sensitive methods (or viewset actions) by name, each with a limit of its own beside the caller's.
    limits: ClassVar[Mapping[str, Limit]] = {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        # Of the address; a charset in Content-Type is the body's alone.
        request.encoding = "utf-8"
        wrapped = self.initialize_request(request, *args, **kwargs)
        self.request, self.headers = wrapped, self.default_response_headers
        self.verdicts: list[Verdict] = []
        try:
            response = self._answer_with_retries(wrapped, *args, **kwargs)
        except Exception as exception:
            response = self.handle_exception(exception)
        self.response = self.finalize_response(wrapped, response, *args, **kwargs)
        rates.describe(self.response, self.verdicts)
        return self.response

    def handle_exception(self, exc: Exception) -> Response:
        problem = problems.as_domain_error(exc)
        if problem.status in denials.STATUSES:
            self.tell_of_denial(problem)
        return super().handle_exception(exc)

    def tell_of_denial(self, problem: DomainError, **record: str) -> None:
        request = self.request._request
        what: dict[str, Any] = {
            "status": problem.status,
            "reason": problem.code,
            "method": request.method,
            "address": client_address(request),
        }
        what["route"] = request.resolver_match.route if request.resolver_match else ""
        what |= {"grant": problem.extra["grant"]} if problem.extra.get("grant") else {}
        named = {**{name: str(value) for name, value in self.kwargs.items()}, **record}
        what |= {"record": named} if named else {}
        denials.record(self.acting or problem.refused, at=timezone.now(), **what)

    @property
    def acting(self) -> Actor | None:
        """Who the caller turned out to be, as far as that is known by now."""
        return None

    def _answer_with_retries(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                return self.answer(request, *args, **kwargs)
            except OperationalError as error:
                if attempt == MAX_TRIES or getattr(error.__cause__, "sqlstate", "") not in TRY_AGAIN:
                    raise
        raise AssertionError("unreachable")

    def answer(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Count the caller's address, then answer. The protected base counts whoever signed in instead."""
        self.admit(*rates.stranger_of(request._request))
        return self.handle(request, *args, **kwargs)

    def admit(self, limit: Limit, caller: str) -> None:
        """Raise TooManyRequests when the caller has used up their share, or that of a sensitive method."""
        self.counted_as = f"{limit.name}:{caller}"
        rates.admit(limit, caller, self.verdicts)
        own = self.limits.get(self.action_name())
        if own is not None:
            rates.admit(own, self.counted_as, self.verdicts)

    def action_name(self) -> str:
        """The name under which `grants` and `limits` know what this request does."""
        method = "get" if self.request.method == "HEAD" else str(self.request.method).lower()
        return getattr(self, "action", None) or method

    def handle(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Run the method's handler."""
        self.initial(request, *args, **kwargs)
        handler = self.handler(request)
        if handler == self.http_method_not_allowed:
            # Before the parameters: those of a method that does not exist are nobody's to judge.
            handler(request, *args, **kwargs)
        parsers.refuse_unmeasured(request)
        self.query = filters.read_parameters(request, self.accepted_parameters())
        response: Response = handler(request, *args, **kwargs)
        return response

    def handler(self, request: Request) -> Any:
        method = str(request.method).lower()
        if method not in self.http_method_names:
            return self.http_method_not_allowed
        return getattr(self, method, self.http_method_not_allowed)

    def accepted_parameters(self) -> frozenset[str]:
        return self.parameters

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return Response(status=status.HTTP_204_NO_CONTENT, headers={"Allow": ", ".join(self.allowed_methods)})


class TenantView(ApiView):
    """A protected endpoint: signed in, inside one tenant's transaction, with the grant for `resource`.

    `grants` names the action that each method (or viewset action) needs; one that is not named is refused. None means that
    being signed in is enough.
    """

    resource: ClassVar[str] = ""
    grants: ClassVar[Mapping[str, Action | None]] = {}
    shows_secret_once: ClassVar[bool] = False
    # False for what a caller does about themselves: an operator needs no X-Organization there.
    is_tenant_route: ClassVar[bool] = True
    honours_idempotency_key: ClassVar[bool] = True
    # Methods (or viewset actions) that run in the tenant but in no transaction: they open their own, as many as they need.
    piecewise: ClassVar[frozenset[str]] = frozenset()
    # Which actions an API token may take. None: those that name a grant, because where being signed in is enough no scope
    # could narrow anything.
    token_actions: ClassVar[frozenset[str] | None] = None
    caller: identity.Caller

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    @property
    def acting(self) -> Actor | None:
        caller = vars(self).get("caller")
        return caller.actor if caller is not None else None

    def answer(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        context, claims = self.tenant_of(request)
        self.admit(*rates.caller_of(context, claims))
        if self.writes_down_reading(request):
            context = replace(context, is_read_only=False)
        try:
            return self._answer_inside(context, claims, request, *args, **kwargs)
        finally:
            self._do_afterwards(context)

    def _do_afterwards(self, context: TenantContext) -> None:
        """What the sign-in left to be done: not worth the answer of a request that is over, so its failure is logged."""
        caller: identity.Caller | None = vars(self).get("caller")
        afterwards = caller.afterwards if caller is not None else None
        if afterwards is None:
            return
        try:
            with tenancy.enter(replace(context, is_read_only=False)), transaction.atomic():
                afterwards()
        except DatabaseError:
            log.exception("afterwards_failed")

    def _answer_inside(
        self, context: TenantContext, claims: Any, request: Request, *args: Any, **kwargs: Any
    ) -> Response:
        with tenancy.enter(context), transaction.atomic():
            self.caller = identity.sign_in().caller_of(request._request, claims, is_tenant_route=self.is_tenant_route)
            # An operator signs in at home and acts elsewhere; for everybody else this names the actor to the database.
            acting = replace(context, organization_id=self.actor.organization_id, actor_id=self.actor.id)
            structlog.contextvars.bind_contextvars(organization_id=str(self.actor.organization_id))
            with tenancy.enter(acting):
                self.check_grant(request)
                if self.action_name() not in self.piecewise:
                    return self._answer_once(request, *args, **kwargs)
        with tenancy.enter(acting):
            return self.handle(request, *args, **kwargs)

    def writes_down_reading(self, request: Request) -> bool:
        """Whether this GET records an event, as an export does. Every other one runs in a read-only transaction."""
        return False

    def tenant_of(self, request: Request) -> tuple[TenantContext, Any]:
        """What the credential names. One that names nobody counts for the address it came from."""
        try:
            return identity.sign_in().tenant_of(request._request)
        except NotSignedIn:
            self.admit(*rates.stranger_of(request._request))
            raise

    def _answer_once(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Honour Idempotency-Key around the handler of a POST."""
        is_kept = request.method == "POST" and self.honours_idempotency_key
        key = keys.idempotency_key(request) if is_kept else None
        if key is None:
            return self.handle(request, *args, **kwargs)
        at = timezone.now()
        body = keys.read_body(request)
        print_ = idempotency.fingerprint("POST", request.get_full_path(), body)
        kept = idempotency.begin(self.actor, key, print_, at=at)
        if kept is not None:
            return keys.replayed(kept)
        response = self.handle(request, *args, **kwargs)
        if 200 <= response.status_code < 300:
            idempotency.keep(self.actor, key, print_, self._kept(response), at=at)
        return response

    def accepted(self, job: Job) -> Response:
        """202: the work is queued, and Location is where to watch it."""
        location = reverse("jobs-detail", args=[job.pk])
        return Response(JobSerializer().to_representation(job), status=202, headers={"Location": location})

    def _kept(self, response: Response) -> idempotency.Answer:
        body = None if self.shows_secret_once else ("" if response.data is None else dumps(response.data).decode())
        return idempotency.Answer(response.status_code, body, response.get("ETag", ""), response.get("Location", ""))

    def check_grant(self, request: Request) -> None:
        """Raises Denied when the actor lacks the grant of this action; NotFound instead where the record is not theirs to see."""
        name = self.action_name()
        is_accepted = str(request.method).lower() in self.http_method_names
        if request.method == "OPTIONS" or not is_accepted or not self.is_known_action(name):
            return
        if name not in self.grants:
            raise Denied(f"{type(self).__name__} names no grant for {name}.", grant="")
        action = self.grants[name]
        self._refuse_token(name)
        if action is None or may(self.actor, action, self.resource):
            return
        if action is not Action.READ and may(self.actor, Action.READ, self.resource):
            self.check_visible()
        require(self.actor, action, self.resource)

    def _refuse_token(self, name: str) -> None:
        """Raises Denied where it takes a person: an API token changes no password, session or token, least of all itself."""
        if self.actor.token_id is None:
            return
        is_accepted = self.grants[name] is not None if self.token_actions is None else name in self.token_actions
        if not is_accepted:
            raise Denied("No API token may do this; sign in.", code="sign_in_required")

    def is_known_action(self, name: str) -> bool:
        """Whether there is anything to protect; an unknown method ends as 405 further on."""
        return hasattr(self, name)

    def check_visible(self) -> None:
        """Raise NotFound when the URL names a record that the actor cannot see."""


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
