"""The matrix: every route, every method, five principals, their own rows, a colleague's, a foreigner's and nobody's.

What a foreign row answers must be, to the letter, what a row that never existed answers.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.core import signing
from django.db import models, transaction
from django.http.response import HttpResponseBase
from django.utils import timezone

from apps.audit.models import Event
from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.authorization import Action, Reach, decide, may
from apps.users.models import PasswordLink, Session, User
from tests import conftest
from tests.contracts import bodies
from tests.contracts.bodies import valid_body, valid_query
from tests.contracts.routes import METHODS, Route
from tests.contracts.world import World, session_of

PRINCIPALS = ("admin", "manager", "agent", "end user", "anonymous")
SUCCESS = frozenset(range(200, 300))
# Answers of a handler that understood the request and refused it for the record's state.
DOMAIN_REFUSALS = frozenset({409, 422})

# As an event about a refusal holds it: the ids of the refused address.
ASKED_RECORD = re.compile(r'("|"")record\1: ?\{[^{}]*\}')

# Routes that answer without a sign-in, and why.
PUBLIC = {
    "auth/token/": "signing in is how one becomes somebody",
    "auth/token/refresh/": "the refresh token is the credential",
    "auth/token/mfa/": "the second step of signing in; the mfa_token and a code are the credential",
    "auth/mfa/setup/": "by an access token, or by the mfa_token of a sign-in that demands a second factor",
    "auth/mfa/confirm/": "as auth/mfa/setup/",
    "auth/password/reset/": "whoever forgot their password cannot sign in",
    "auth/password/reset/confirm/": "the link's token is the credential",
}
# Lists of which some see a narrower form: whatever their filter, order or choice of fields would tell beyond it is 400.
NARROWED: dict[str, frozenset[str]] = {"users/": frozenset({"end user"})}
# Words that belong to nobody: whoever reads any record of their resource reads them all.
VOCABULARIES = frozenset(
    f"{words}/{one}" for words in ("ci-classes", "categories", "custom-fields") for one in ("", "<uuid:pk>/")
)
# What a fresh row must be for its action to be possible: route -> columns.
_OVER = datetime(2026, 11, 2, tzinfo=UTC)
_RESOLVED: dict[str, Any] = {
    "status": "resolved",
    "phase": "resolved",
    "resolution_code": "solution_provided",
    "resolved_at": datetime(2026, 11, 2, tzinfo=UTC),
    # A child that is reopened leaves its parent, which is a fact of its own.
    "parent": None,
}
PREPARED: dict[str, dict[str, Any]] = {
    **{
        f"{address}/<record:pk>/follow-up/": {**_RESOLVED, "status": "closed", "phase": "closed", "closed_at": _OVER}
        for address in ("tickets", "incidents")
    },
    **{
        f"{address}/<record:pk>/{verb}/": _RESOLVED
        for address in ("tickets", "incidents")
        for verb in ("close", "reopen")
    },
    **{
        f"{address}/<record:pk>/resume/": {"status": "on_hold", "phase": "pending", "hold_reason": "awaiting_vendor"}
        for address in ("tickets", "incidents")
    },
    "users/<uuid:pk>/activate/": {"is_active": False},
    "incidents/<record:pk>/major/propose/": {"parent": None},
    "incidents/<record:pk>/major/accept/": {"parent": None, "major_status": "candidate"},
    "incidents/<record:pk>/major/reject/": {"major_status": "candidate"},
    "incidents/<record:pk>/major/demote/": {
        "is_major": True,
        "major_status": "accepted",
        "update_interval_minutes": 30,
        "major_since": datetime(2026, 11, 2, tzinfo=UTC),
    },
    "tickets/<record:ticket_pk>/tasks/<uuid:pk>/reopen/": {"done_at": datetime(2026, 11, 2, tzinfo=UTC)},
}
_COMMENT, _FILE = (f"tickets/<record:ticket_pk>/{what}/<uuid:pk>/" for what in ("comments", "attachments"))
# Where somebody else's record takes more than one's own: the author's, or `update` of internal comments for all of them.
AUTHORS_ALONE = frozenset(
    (f"{route}{verb}", method)
    for route in (_COMMENT, _FILE)
    for verb, method in (("", "PATCH"), ("", "DELETE"), ("restore/", "POST"))
)
# Whoever leads it, or `approve`: the factory lets somebody lead what is theirs.
AUTHORS_ALONE |= {(f"incidents/<record:pk>/major/{verb}/", "POST") for verb in ("hand-over", "pace", "bridge")}
# What is its owner's alone while they share it with nobody, as a fresh row is.
PRIVATE = frozenset({"views/<uuid:pk>/", "views/<uuid:pk>/tickets/"})
# What bodies.GIVEN asks for beyond the grant of the view: (route, method) -> another grant.
ASKED_BESIDES = {
    ("tickets/<record:ticket_pk>/attachments/<uuid:pk>/", "PATCH"): (Action.CREATE, "internal_comments"),
    # Whoever is asked may too; nobody is asked to take over a fresh one.
    ("incidents/<record:pk>/major/take-over/", "POST"): (Action.APPROVE, "incidents"),
}
# What is left of a rate limit is less with each request.
COUNTED = re.compile(r"'RateLimit[A-Za-z-]*': '[^']*'")
# Where the record says which grant it takes: (route, method) -> what bodies.GIVEN and the factory make it name.
NAMED_BY_RECORD = {("exports/<uuid:pk>/download/", method): (Action.EXPORT, "sites") for method in ("GET", "HEAD")}
# Where the body says which grant it takes: (route, method) -> what bodies.GIVEN asks for.
NAMED_BY_BODY = {("exports/", "POST"): (Action.EXPORT, "sites")}
# What they may be tried with: (route, method) -> the attack's body, and its twin's that names nothing foreign.
FORGED: dict[tuple[str, str], Callable[[World], tuple[dict[str, str], dict[str, str]]]] = {
    ("auth/token/refresh/", "POST"): lambda world: (
        {"refresh": f"{world.globex.id.hex}.{world.foreign[Session].pk.hex}.{'x' * 43}"},
        {"refresh": f"{world.globex.id.hex}.{uuid4().hex}.{'x' * 43}"},
    ),
    ("auth/token/mfa/", "POST"): lambda world: _unsigned(world, {"code": "123456"}),
    ("auth/mfa/setup/", "POST"): lambda world: _unsigned(world, {}),
    ("auth/mfa/confirm/", "POST"): lambda world: _unsigned(world, {"code": "123456"}),
    ("auth/password/reset/confirm/", "POST"): lambda world: (
        {"token": f"{world.globex.id.hex}.{world.foreign[PasswordLink].pk.hex}.{'x' * 43}", "new_password": "x" * 20},
        {"token": f"{world.globex.id.hex}.{uuid4().hex}.{'x' * 43}", "new_password": "x" * 20},
    ),
}


def _unsigned(world: World, rest: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """An mfa_token for mallory, and one for nobody, that no key of ours signed."""
    ids = (world.globex.id, world.mallory.pk), (world.globex.id, uuid4())
    forger = signing.TimestampSigner(key="another key", salt="mfa")
    first, second = (
        {"mfa_token": forger.sign_object(["mfa_setup_required", str(tenant), str(user), "x", 2**40]), **rest}
        for tenant, user in ids
    )
    return first, second


@dataclass(frozen=True)
class Request:
    """What is sent; `ids` tells what of it differs between an attack and its harmless twin."""

    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.body or ''}"


@dataclass
class Walk:
    """One route walked by everybody. `problems` says what was wrong, `reached` which methods did their work."""

    world: World
    route: Route
    problems: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    _clients: dict[str, conftest.Api] = field(default_factory=dict)

    # --- sending

    def client(self, principal: str) -> conftest.Api:
        if principal not in self._clients:
            user = self.world.people.get(principal)
            self._clients[principal] = conftest.Api()
            if user is not None:
                self._clients[principal].credentials(HTTP_AUTHORIZATION=f"Bearer {session_of(user).access}")
        return self._clients[principal]

    def actor(self, principal: str) -> Actor:
        return self.world.actors[principal]

    def send(self, principal: str, request: Request) -> HttpResponseBase:
        """The answer, searched for anything of globex."""
        answer = getattr(self.client(principal), request.method.lower())(
            request.url, **({"data": request.body} if request.body is not None else {}), headers=request.headers
        )
        received = text_of(answer)
        if self.route.model is Event:
            # The log of acme says what somebody of acme asked for, also where there was nothing of theirs.
            received = ASKED_RECORD.sub("", received)
        sent = f"{request.url} {request.body} {request.headers}"
        if traces := self.world.traces(received, sent):
            self.problems.append(f"{principal} {request} was shown {sorted(set(traces))}: {received[:300]}")
        if answer.status_code >= 500:
            self.problems.append(f"{principal} {request} failed: {answer.status_code} {received[:300]}")
        is_about_the_caller = not getattr(self.route.view, "is_tenant_route", True)
        if is_about_the_caller and answer.status_code in SUCCESS and request.method not in {"GET", "HEAD", "OPTIONS"}:
            # It may have ended the caller's own session.
            self._clients.pop(principal, None)
        return answer

    def expect(self, principal: str, request: Request, statuses: frozenset[int]) -> HttpResponseBase:
        answer = self.send(principal, request)
        if answer.status_code not in statuses:
            self.problems.append(
                f"{principal} {request} got {answer.status_code}, not {sorted(statuses)}: {text_of(answer)[:300]}"
            )
        return answer

    def attack(self, principal: str, foreign: Request, unknown: Request, statuses: frozenset[int]) -> None:
        """Expect `statuses` of the attack, and the very same answer where nothing foreign is named."""
        first, second = self.expect(principal, foreign, statuses), self.expect(principal, unknown, statuses)
        if (first.status_code, _bare(first, foreign)) != (second.status_code, _bare(second, unknown)):
            self.problems.append(
                f"{principal} {foreign} can be told from {unknown}: {text_of(first)[:300]} | {text_of(second)[:300]}"
            )

    # --- what is due

    def refusal(self, principal: str, method: str) -> int | None:
        """The status that a caller gets before any record is looked at; None where the handler is reached."""
        if not self.route.is_protected:
            return None if self.route.action(method) or method == "OPTIONS" else 405
        if principal == "anonymous":
            return 401
        if method != "OPTIONS" and self.route.action(method) is None:
            return 405
        if (str(self.route), method) in NAMED_BY_BODY:
            return None if may(self.actor(principal), *NAMED_BY_BODY[str(self.route), method]) else 403
        if method == "OPTIONS" or self.is_granted(principal, self.route.grant(method)):
            return None
        return 403

    def is_granted(self, principal: str, grant: Action | None) -> bool:
        return grant is None or may(self.actor(principal), grant, self.route.view.resource)  # type: ignore[attr-defined]

    def on_foreign(self, principal: str, method: str) -> frozenset[int]:
        refusal = self.refusal(principal, method)
        if method == "OPTIONS":
            return frozenset({refusal or 204})
        if refusal == 403 and self.route.grant(method) is not Action.READ and self.is_granted(principal, Action.READ):
            return frozenset({404})
        return frozenset({refusal or 404})

    def sees_only_own(self, principal: str) -> bool:
        """Whether a record of this route may be there without this caller's learning of it."""
        if str(self.route) in VOCABULARIES:
            return False
        reads = decide(self.actor(principal), Action.READ, self.route.view.resource)  # type: ignore[attr-defined]
        return reads.is_allowed and reads.reach is not Reach.ORGANIZATION

    def finds_deleted(self, method: str) -> bool:
        """Whether this action is one of those that find what is deleted; where the view does not say, it may."""
        finding = getattr(self.route.view, "finds_hidden", None)
        return finding is None or self.route.action(method) in finding

    def on_own(self, principal: str, method: str, target: str) -> frozenset[int]:
        refusal = self.refusal(principal, method)
        if refusal == 403 and (target == "deleted" or (target == "peer" and self.sees_only_own(principal))):
            # Only those who may delete find what is hidden; to others it is like what never was.
            return self.on_foreign(principal, method)
        if refusal is not None:
            return frozenset({refusal})
        if method == "OPTIONS":
            return frozenset({204})
        if target == "deleted" and not self.finds_deleted(method):
            return frozenset({404})
        if target == "peer" and str(self.route) in PRIVATE:
            return frozenset({404})
        besides = ASKED_BESIDES.get((str(self.route), method))
        if besides is not None and not may(self.actor(principal), *besides):
            return frozenset({404 if target == "peer" and self.sees_only_own(principal) else 403})
        named = NAMED_BY_RECORD.get((str(self.route), method))
        if named is not None and not may(self.actor(principal), *named):
            return frozenset({404 if target == "peer" else 403})
        usual = {"create": {201}, "partial_update": {200}, "destroy": {204}, "list": {200}, "retrieve": {200}}
        statuses = frozenset(usual.get(str(self.route.action(method)), SUCCESS | DOMAIN_REFUSALS))
        if (str(self.route), method) in AUTHORS_ALONE and target != "own":
            # Who deleted a fresh row nobody knows.
            statuses |= {403, 404}
        if self.route.is_protected and self.route.grant(method) is None and target == "peer":
            # Being signed in is enough for what is one's own; a colleague's is perhaps not there at all.
            statuses |= {404}
        if self.route.is_protected and self.route.grant(method) is not None:
            decision = decide(self.actor(principal), self.route.grant(method), self.route.view.resource)  # type: ignore[attr-defined]
            is_narrow = decision.reach is not Reach.ORGANIZATION
            statuses |= {403, 404} if is_narrow and target != "own" else frozenset()
        elif self.route.is_protected and target == "peer":
            # Without a grant one sees one's own.
            statuses |= {404}
        return statuses

    # --- rows and their addresses

    def ids(self, row: Any) -> dict[str, Any]:
        """The placeholders of this route, filled from a row of its view's model."""
        last = self.route.keys[-1] if self.route.keys else ""
        found = {}
        for key in self.route.keys:
            name = key.removesuffix("_pk").removesuffix("_id")
            if key == getattr(self.route.view, "lookup_field", "pk") or (key == last and key in {"pk", "id"}):
                found[key] = row.pk
            else:
                found[key] = self._named(row, f"{name}_id")
        return found

    def _named(self, row: Any, name: str) -> Any:
        """A column of the row, or of what it hangs from."""
        if name in vars(row):
            return getattr(row, name)
        with tenancy.tenant(row.organization_id), transaction.atomic():
            assert hasattr(row, name), f"{self.route}: {type(row).__name__} has no reference {name}"
            return getattr(row, name)

    def own_row(self, principal: str, method: str, target: str) -> Any:
        """A row of acme: a fresh one where it will be changed or must belong to the caller."""
        model = self.route.model
        if not self.route.keys or model is None:
            return None
        owner = self.world.people.get(principal, self.world.peer)
        will_change = method not in {"GET", "HEAD", "OPTIONS"} and self.refusal(principal, method) is None
        if target == "own" and not will_change and model is User:
            return owner
        # What hangs from a ticket is there for those alone whose ticket it is.
        hangs = hasattr(model, "ticket_id")
        if target == "own" and not will_change and not hangs and not bodies.owned(model):
            return self.world.own[model]
        row = self.world.fresh(model, self.world.peer if target == "peer" else owner)
        prepared = {"deleted_at": timezone.now()} if target == "deleted" else PREPARED.get(str(self.route), {})
        if prepared:
            with self.world.acme.entered():
                type(row).objects.filter(pk=row.pk).update(**prepared)
        return row

    # --- the matrix

    def walk_own(self) -> None:
        """Everybody on what is theirs, or a colleague's: the role table's answer, and never a failure."""
        for principal, method in itertools.product(PRINCIPALS, METHODS):
            for target in self.targets(method):
                row = self.own_row(principal, method, target)
                path = self.route.url(**self.ids(row)) if row is not None else self.route.url()
                has_body = self.route.action(method) is not None and method in {"POST", "PATCH", "PUT"}
                body = valid_body(self.world, self.route, method) if has_body else None
                if body is not None and str(self.route) in bodies.OF_ROW:
                    body = {**body, **bodies.OF_ROW[str(self.route)](self.world, row)}
                request = Request(method, path, query=valid_query(self.world, self.route, method), body=body)
                answer = self.expect(principal, request, self.on_own(principal, method, target))
                if answer.status_code in SUCCESS | DOMAIN_REFUSALS and self.route.action(method):
                    self.reached.add(method)

    def targets(self, method: str) -> tuple[str, ...]:
        model = self.route.model
        if not self.route.keys or model is None or self.route.action(method) is None:
            return ("own",)
        is_verb = method not in {"GET", "HEAD"} and self.route.action(method) not in {
            "partial_update",
            "destroy",
            "retrieve",
            "list",
            "create",
        }
        found = ("own", "peer") if bodies.owned(model) else ("own",)
        return (*found, "deleted") if is_verb and hasattr(model, "deleted_at") else found

    def walk_foreign(self) -> None:
        """Everybody on rows of globex: as if there were none."""
        for principal, request, twin, statuses in itertools.chain(
            self._by_address(),
            self._by_body(),
            self._by_parameter(),
            self._by_forgery(),
            self._by_filter(),
            self._by_header(),
        ):
            self.attack(principal, request, twin, statuses)
        for principal, request in self._by_query():
            refusal = self.refusal(principal, "GET")
            if "format" in request.query and refusal is None:
                view: Any = self.route.view
                refusal = None if may(self.actor(principal), view.export_grant, view.resource) else 403
            if "expand" in request.query and refusal is None:
                refusal = None if self.may_expand(principal) else 403
            narrowed = {400} if self.is_narrowed(principal) else set()
            self.expect(principal, request, frozenset({refusal or 200, *narrowed}))

    def is_narrowed(self, principal: str) -> bool:
        return principal in NARROWED.get(str(self.route), frozenset())

    def may_expand(self, principal: str) -> bool:
        """Whether every reference of this list leads to what the caller may read some of."""
        expandable = self.route.view().expandable()  # type: ignore[attr-defined]
        return all(may(self.actor(principal), Action.READ, resource) for _, resource in expandable.values())

    def principals(self, method: str) -> list[str]:
        """Those who get as far as the handler; at least one, so that nothing is left out."""
        found = [name for name in PRINCIPALS if self.refusal(name, method) is None]
        return found if self.route.is_protected else ["anonymous"]

    def _by_address(self) -> Iterator[tuple[str, Request, Request, frozenset[int]]]:
        if not self.route.keys or self.route.model is None:
            return
        foreign = self.ids(self.world.foreign[self.route.model])
        own = self.ids(self.world.own[self.route.model])
        for size in range(1, len(own) + 1):
            for smuggled in itertools.combinations(own, size):
                unknown = {key: uuid4() for key in smuggled}
                bad, harmless = ({**own, **{key: ids[key] for key in smuggled}} for ids in (foreign, unknown))
                for principal, method in itertools.product(PRINCIPALS, METHODS):
                    if self.route.action(method) is None and principal not in {"admin", "anonymous"}:
                        continue  # 405 for everybody alike, as walk_own has seen
                    has_body = self.route.action(method) is not None and method in {"POST", "PATCH", "PUT"}
                    body = valid_body(self.world, self.route, method) if has_body else None
                    yield (
                        principal,
                        Request(method, self.route.url(**bad), body=body, marks=_texts(foreign.values())),
                        Request(method, self.route.url(**harmless), body=body, marks=_texts(unknown.values())),
                        self.on_foreign(principal, method),
                    )

    def _by_body(self) -> Iterator[tuple[str, Request, Request, frozenset[int]]]:
        """Foreign references, and the tenant itself, in an otherwise valid body: 400, as for an id that never was."""
        for method in sorted({"POST", "PATCH"} & self.route.implemented()):
            serializer = self.route.input(method)
            fields = [*bodies.reference_fields(serializer), *bodies.plain_ids(self.route, serializer)]
            smuggled = [(name, self.world.foreign[model].pk) for name, model in fields]
            if serializer is not None:
                names = ("organization_id", "organization", "tenant", "id")
                smuggled += [(name, self.world.globex.id) for name in names if name not in dict(fields)]
            for principal, (name, foreign) in itertools.product(self.principals(method), smuggled):
                unknown = uuid4()
                row = self.own_row(principal, method, "own")
                path = self.route.url(**self.ids(row)) if row is not None else self.route.url()
                body = valid_body(self.world, self.route, method)
                yield (
                    principal,
                    Request(method, path, body={**body, name: str(foreign)}, marks=(str(foreign),)),
                    Request(method, path, body={**body, name: str(unknown)}, marks=(str(unknown),)),
                    frozenset({400}),
                )

    def _by_parameter(self) -> Iterator[tuple[str, Request, Request, frozenset[int]]]:
        """Foreign ids in the query of a read that asks for ids."""
        for method in sorted({"GET", "HEAD"} & self.route.implemented()):
            query = valid_query(self.world, self.route, method)
            for name, (model, changes) in bodies.ASKED_FOR.get(str(self.route), {}).items():
                foreign, unknown = self.world.foreign[model].pk, uuid4()
                for principal in PRINCIPALS:
                    refusal = self.refusal(principal, method)
                    yield (
                        principal,
                        Request(method, self.own_path(), {**query, **changes, name: foreign}, marks=(str(foreign),)),
                        Request(method, self.own_path(), {**query, **changes, name: unknown}, marks=(str(unknown),)),
                        frozenset({refusal} if refusal else {400, 404}),
                    )

    def _by_forgery(self) -> Iterator[tuple[str, Request, Request, frozenset[int]]]:
        for (name, method), forge in FORGED.items():
            if name == str(self.route):
                attack, twin = (Request(method, self.route.url(), body=body) for body in forge(self.world))
                yield "anonymous", attack, twin, frozenset({401})

    def _by_filter(self) -> Iterator[tuple[str, Request, Request, frozenset[int]]]:
        """Each filter with the value that finds the foreign row, against one that finds nothing."""
        if not self.route.is_list() or self.route.model is None:
            return
        row = self.world.foreign[self.route.model]
        for principal in self.principals("GET"):
            path = self.own_path(principal)
            for name, filter_ in self.route.view.filterset_class.base_filters.items():  # type: ignore[attr-defined]
                value = getattr(row, str(filter_.field_name), None)
                if value in (None, "") or not _is_particular(row, str(filter_.field_name)):
                    continue
                nothing = str(uuid4())
                yield (
                    principal,
                    Request("GET", path, query={name: value}, marks=(str(value),)),
                    Request("GET", path, query={name: nothing}, marks=(nothing,)),
                    frozenset({400 if self.is_narrowed(principal) else 200}),
                )

    def _by_header(self) -> Iterator[tuple[str, Request, Request, frozenset[int]]]:
        """Naming another tenant beside one's own token."""
        if not self.route.is_protected or "GET" not in self.route.implemented():
            return
        slug, query = self.world.globex.organization.slug, valid_query(self.world, self.route, "GET")
        for principal in self.principals("GET"):
            is_refused = getattr(self.route.view, "is_tenant_route", True)
            row = self.own_row(principal, "GET", "own")
            path = self.route.url(**self.ids(row)) if row is not None else self.route.url()
            bad, harmless = (
                Request("GET", path, query, headers={"X-Organization": name}, marks=(name,))
                for name in (slug, "no-such-tenant")
            )
            # Elsewhere the header means nothing, and the record may be a colleague's.
            unmoved = {200, 404} if self.route.keys else {200}
            yield principal, bad, harmless, frozenset({403} if is_refused else unmoved)

    def _by_query(self) -> Iterator[tuple[str, Request]]:
        """Everything a list can be asked: order, fields, expansion, search, count, ranges, and mallory's own cursor."""
        view: Any = self.route.view
        if self.route.is_list():
            asked = view()
            # A list may show less of a record than its own page does.
            asked.action = "list"
            shape = {"fields": ",".join(asked.readable_fields()), "page_size": 200}
            expand = ",".join(view().expandable())
            queries: list[dict[str, Any]] = [{"count": "true", "page_size": 200}, shape]
            queries += [{"format": "csv"}] if view.is_exportable else []
            queries += [{"ordering": f"{sign}{name}", "page_size": 2} for name in view.orderings for sign in ("", "-")]
            queries += [{"expand": expand, "page_size": 200}] if expand else []
            queries += [{"search": "CANARY"}, {"search": "GLOBEX"}] if view.search_columns else []
            queries += list(self._ranges())
            queries += (
                [{"cursor": self.world.cursors[str(self.route)]}] if str(self.route) in self.world.cursors else []
            )
            for principal in PRINCIPALS:
                path = self.own_path(principal)
                for query in queries:
                    yield principal, Request("GET", path, query=query)

    def _ranges(self) -> Iterator[dict[str, Any]]:
        """Filters that own rows match too: the answer may hold those, and only those."""
        row = self.world.foreign[self.route.model]  # type: ignore[index]
        for name, filter_ in self.route.view.filterset_class.base_filters.items():  # type: ignore[attr-defined]
            value = getattr(row, str(filter_.field_name), None)
            # A blank choice is nothing that one can ask for.
            if value not in (None, "") and not _is_particular(row, str(filter_.field_name)):
                given = value.isoformat() if hasattr(value, "isoformat") else value
                yield {name: str(given).lower() if isinstance(given, bool) else given}

    def own_path(self, principal: str = "") -> str:
        if not self.route.keys or self.route.model is None:
            return self.route.url()
        if principal and hasattr(self.route.model, "ticket_id"):
            # What hangs from a ticket is there for those alone whose ticket it is.
            return self.route.url(**self.ids(self.own_row(principal, "GET", "own")))
        return self.route.url(**self.ids(self.world.own[self.route.model]))


def _is_particular(row: models.Model, name: str) -> bool:
    """Whether the column tells rows of one tenant from another's: ids and free texts, not choices, flags or instants."""
    column = next((f for f in row._meta.fields if name in {f.name, f.attname}), None)
    if column is None or column.choices:
        return False
    return isinstance(getattr(row, name), str | UUID)


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def text_of(answer: HttpResponseBase) -> str:
    """Body and headers."""
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    return f"{content.decode(errors='replace')}\n{answer.headers}"


def _bare(answer: HttpResponseBase, request: Request) -> str:
    """The answer without what differs from request to request anyway."""
    text = COUNTED.sub("", text_of(answer).replace(str(answer.get("X-Request-ID", "")), ""))
    for mark in request.marks:
        text = text.replace(mark, "…")
    return text
