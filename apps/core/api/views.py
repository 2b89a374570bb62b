"""The base views: one transaction in one tenant, the grant asked, keys and versions honoured, and no way around any of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

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

from apps.core import denials, idempotency, tenancy
from apps.core.actors import Actor
from apps.core.addresses import client_address
from apps.core.api import filters, identity, keys, parsers, permissions, problems, rates
from apps.core.api.job_serializer import JobSerializer
from apps.core.api.renderers import dumps
from apps.core.authorization import Action, may, require
from apps.core.errors import Denied, DomainError, NotSignedIn
from apps.core.limits import Limit, Verdict
from apps.core.models import Job
from apps.core.tenancy import TenantContext

log = structlog.get_logger(__name__)

# Deadlock, serialization failure, a lock that did not come in time: PostgreSQL undid everything, so the same request may
# simply be tried again.
TRY_AGAIN = frozenset({"40P01", "40001", "55P03"})
MAX_TRIES = 3


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
        if not is_kept or keys.idempotency_key(request) is None:
            return self.handle(request, *args, **kwargs)
        return self.once(request, keys.read_body(request), lambda: self.handle(request, *args, **kwargs))

    def once(self, request: Request, body: bytes, do: Callable[[], Response]) -> Response:
        """`do`, or the answer that the request's Idempotency-Key got before; in one transaction. `body` is what it stands for."""
        key = keys.idempotency_key(request)
        if key is None:
            return do()
        at = timezone.now()
        print_ = idempotency.fingerprint("POST", request.get_full_path(), body)
        kept = idempotency.begin(self.actor, key, print_, at=at)
        if kept is not None:
            return keys.replayed(kept)
        response = do()
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
