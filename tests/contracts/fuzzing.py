"""Cases that schemathesis makes from the OpenAPI document, sent through the whole WSGI application, each undone afterwards.

An operation's share of cases is drawn from its boundary values and from random input, valid and not. Some of it is then
made to hit: real ids in the address, real references in the body. What is wrong is collected, not raised, so that one run
names everything.
"""

import hashlib
import json
import os
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hypothesis
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import AcceptedNegativeData, Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from apps.core.api.problems import MEDIA_TYPE
from tests.conftest import IS_FULL_RUN
from tests.contracts import bodies
from tests.contracts.matrix import PRINCIPALS, Walk
from tests.contracts.routes import Route, routes, shape_of
from tests.contracts.world import World, session_of

SEED = os.environ.get("ITSM_FUZZ_SEED", "itsm")

# Left out on purpose: positive_data_acceptance (what the document calls valid may still name a record that does not exist, or
# break a rule of the domain), and those that need several requests or that other contracts decide for every route (who is
# refused without a sign-in, what a deleted record answers).
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
# What input that the document calls invalid may be answered with, beside 400: refusals that come before the body is read.
REFUSALS = ["400", "401", "403", "404", "405", "406", "412", "413", "415", "422", "428"]
# Well below the lifetime of an access token.
SIGNED_IN_FOR = timedelta(minutes=2)


@cache
def application() -> Any:
    return get_wsgi_application()


@cache
def document() -> dict[str, Any]:
    found = SchemaGenerator().get_schema(request=None, public=True)
    return json.loads(json.dumps(found, default=str))


@cache
def operations() -> tuple[tuple[Route, Any], ...]:
    """Every operation of the document with the route that answers it."""
    config = schemathesis.Config()
    loaded = schemathesis.openapi.from_dict(document(), config=config)
    loaded.config.checks.negative_data_rejection.expected_statuses = REFUSALS
    loaded.app = application()
    by_shape = {route.shape: route for route in routes()}
    found = [result.ok() for result in loaded.get_all_operations()]
    return tuple((by_shape[shape_of(operation.full_path)], operation) for operation in found)


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is rolled back: each case meets the same world, and can be sent again alone."""
    outer = transaction.atomic()
    # As in Django's own tests: what insists on an outermost transaction takes this one for none.
    outer._from_testcase = True  # type: ignore[attr-defined]
    # As Django's test client does: a request's end would take the connection, and the transaction with it.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        with outer:
            yield
            transaction.set_rollback(True)
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


@dataclass
class Fuzz:
    """One principal's run. `problems` maps what was wrong to the first request that showed it."""

    world: World
    principal: str
    problems: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    by_operation: Counter[str] = field(default_factory=Counter)
    _token: str = ""
    _signed_in_until: Any = None

    @property
    def sent(self) -> int:
        return sum(self.statuses.values())

    def run(self, each: int, share: slice) -> None:
        """Send `each` cases to every operation of a share of them."""
        for route, operation in operations()[share]:
            chance = random.Random(self.seed_of(operation.label))
            for case in sampled(operation, self.principal, each, chance):
                self.send(route, case, chance)
                self.by_operation[operation.label] += 1

    def seed_of(self, label: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{SEED} {self.principal} {label}".encode()).digest()[:8])

    def send(self, route: Route, case: Any, chance: random.Random) -> None:
        self._sign_in()
        with undone():
            self._aim(route, case, chance)
            answer = case.call(headers=self._headers())
            self.statuses[answer.status_code] += 1
            for name, detail in self._wrong(route, case, answer):
                shown = f"{detail}\n{case.as_curl_command()}\n{answer.status_code} {text_of(answer)[:600]}"
                self.problems.setdefault(f"{case.operation.label}: {name}", shown)

    # --- who

    def _sign_in(self) -> None:
        """A session that is committed, so that no case can end it for the next."""
        user = self.world.people.get(self.principal)
        if user is not None and (self._signed_in_until is None or self._signed_in_until < timezone.now()):
            self._token = session_of(user).access
            self._signed_in_until = timezone.now() + SIGNED_IN_FOR

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    # --- what

    def _aim(self, route: Route, case: Any, chance: random.Random) -> None:
        """Let some of the cases find a record. Random ids alone would see nothing but 404."""
        is_invalid = case.meta is not None and case.meta.generation.mode is GenerationMode.NEGATIVE
        changed = {str(name) for name in (case.meta.components if case.meta is not None else ())}
        walk = Walk(self.world, route)
        broken = {location.value for location in _invalid_parts(case)} if is_invalid else set()
        if route.keys and route.model is not None and "path" not in broken and chance.random() < 0.8:
            # The document names them otherwise, in the same order.
            ids = walk.ids(self.world.own[route.model]).values()
            case.path_parameters = dict(zip(case.path_parameters, map(str, ids), strict=True))
        if not is_invalid and chance.random() < 0.7:
            # A cursor and a version are ours to give; made up ones find nothing.
            case.query = {name: value for name, value in case.query.items() if name != "cursor"}
            case.headers = {name: value for name, value in case.headers.items() if name.lower() != "if-match"}
        query = bodies.valid_query(self.world, route, case.method)
        if query and "query" not in broken and chance.random() < 0.5:
            case.query = {**case.query, **query}
        # A body with a file stays as it was drawn: once changed, it would be taken for an invalid one.
        is_upload = case.media_type == "multipart/form-data"
        if isinstance(case.body, dict) and changed and not (is_invalid or is_upload) and chance.random() < 0.7:
            valid = bodies.valid_body(self.world, route, case.method)
            names = {name for name, _ in bodies.reference_fields(route.input(case.method))}
            case.body = (
                {**case.body, **{k: v for k, v in valid.items() if k in names}} if chance.random() < 0.5 else valid
            )

    # --- what is due

    def _wrong(self, route: Route, case: Any, answer: Any) -> Iterator[tuple[str, str]]:
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                if not _was_lost(case, answer, failure):
                    yield type(failure).__name__, str(failure)
        except Failure as failure:
            if not _was_lost(case, answer, failure):
                yield type(failure).__name__, str(failure)
        sent = f"{answer.request.url} {answer.request.body} {answer.request.headers}"
        if traces := self.world.traces(f"{text_of(answer)}\n{answer.headers}", sent):
            yield "a trace of another tenant", str(sorted(set(traces)))
        if answer.status_code >= 400:
            yield from _as_problem(answer)
        was_signed_in = self._token and answer.request.headers.get("Authorization") == f"Bearer {self._token}"
        if was_signed_in and answer.status_code == 401 and route.is_protected:
            yield "the sign-in was lost", "a signed-in caller was taken for nobody"


def _was_lost(case: Any, answer: Any, failure: Any) -> bool:
    """Whether what made the input invalid never left.

    An empty list in the query is no parameter of the address; and werkzeug's client writes an empty text part of a form
    without the line that ends its headers, so that it is no part (test_attachments.py sends one as others do).
    """
    given = parse_qs(urlsplit(answer.request.url).query, keep_blank_values=True)
    is_form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    is_lost = bool(set(map(str, case.query or {})) - set(given)) or (is_form and "" in case.body.values())
    return isinstance(failure, AcceptedNegativeData) and is_lost


def text_of(answer: Any) -> str:
    """What was answered as text, whatever it is: a download need not be any."""
    return str(answer.content.decode(errors="replace"))


def _as_problem(answer: Any) -> Iterator[tuple[str, str]]:
    media_type = answer.headers.get("content-type", [""])[0]
    body = json.loads(answer.content) if media_type == MEDIA_TYPE else {}
    if media_type != MEDIA_TYPE or body.get("status") != answer.status_code:
        yield "an error that is no problem+json", media_type
    elif not body.get("request_id") or body["request_id"] != answer.headers.get("x-request-id", [""])[0]:
        yield "an error without its request's id", str(body.get("request_id"))
    elif "Traceback" in text_of(answer) or 'File "' in text_of(answer):
        yield "an error that shows a trace", ""


def _invalid_parts(case: Any) -> Iterator[Any]:
    for location, component in case.meta.components.items():
        if component.mode is GenerationMode.NEGATIVE:
            yield location


def sampled(operation: Any, principal: str, count: int, chance: random.Random) -> list[Any]:
    """Half from the boundary values, the rest random, valid and not in turns; as many as asked for."""
    boundary = covered(operation, principal)
    chosen = chance.sample(boundary, min(len(boundary), -(-count // 2)))
    missing = count - len(chosen)
    invalid = drawn(operation, GenerationMode.NEGATIVE, missing // 2, chance)
    return chosen + invalid + drawn(operation, GenerationMode.POSITIVE, missing - len(invalid), chance)


def covered(operation: Any, principal: str) -> list[Any]:
    """Boundary cases of an operation: each limit met and passed, each parameter missing, unknown methods.

    In a full run each principal has all of them, else its fifth.
    """
    if IS_FULL_RUN:
        return _boundary_cases(operation)
    if operation.label not in _covered:
        _covered[operation.label] = _boundary_cases(operation)
    return _covered[operation.label][PRINCIPALS.index(principal) :: len(PRINCIPALS)]


def _boundary_cases(operation: Any) -> list[Any]:
    schema = operation.schema
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(
            schema.iter_coverage_cases(
                operation, generation_modes=list(GenerationMode), generation_config=schema.config.generation
            )
        )


_covered: dict[str, list[Any]] = {}
_strategies: dict[tuple[str, GenerationMode], Any] = {}


def drawn(operation: Any, mode: GenerationMode, count: int, chance: random.Random) -> list[Any]:
    """At most `count` random cases; fewer where an operation takes nothing that could be wrong."""
    if count <= 0:
        return []
    key = (operation.label, mode)
    if key not in _strategies:
        _strategies[key] = operation.as_strategy(generation_mode=mode)
    found: list[Any] = []

    @hypothesis.seed(chance.getrandbits(64))
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(_strategies[key])
    def collect(case: Any) -> None:
        found.append(case)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            collect()
    except Unsatisfiable:
        return []
    return found[:count]
