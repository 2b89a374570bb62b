"""What every endpoint keeps: its base class, a grant for each action, one event for each write."""

import pytest

from apps.audit.models import Event
from apps.core import denials
from apps.core.api.views import ApiView
from apps.core.authorization import Action
from tests.contracts.bodies import valid_body
from tests.contracts.matrix import SUCCESS, Request, Walk
from tests.contracts.routes import Route, routes
from tests.contracts.world import World

ROUTES = routes()
WRITES = [(route, method) for route in ROUTES for method in sorted(route.implemented() & {"POST", "PATCH", "DELETE"})]

# Writes that record no event, and why.
SILENT = {
    ("auth/token/refresh/", "POST"): "a session goes on; the row capture keeps the rotation",
    ("canned-replies/<uuid:pk>/render/", "POST"): "nothing is said yet",
    ("auth/mfa/setup/", "POST"): "what is not confirmed counts for nothing; the row capture keeps it",
    ("incidents/suspected-duplicates/", "POST"): "a question: nothing is written",
    ("sla/calendars/<uuid:pk>/calculate/", "POST"): "questions: nothing is written",
    ("sla/calendars/<uuid:pk>/occurrences/", "POST"): "a question: nothing is written",
    ("assignment-rules/dry-run/", "POST"): "a question: nothing is written",
    ("sla/policies/<uuid:pk>/dry-run/", "POST"): "a question: nothing is written",
    ("sla/calendars/<uuid:pk>/dry-run/", "POST"): "a question: nothing is written",
    ("escalation-policies/<uuid:pk>/preview/", "POST"): "a question: nothing is written",
    ("major-rules/dry-run/", "POST"): "a question: nothing is written",
}
# Writes that are a fact of more than one record, and how many: each has it on its own timeline.
SHARED = {
    (f"{address}<record:pk>/{verb}/", "POST"): 2
    for address in ("tickets/", "incidents/")
    for verb in ("merge", "unmerge", "split", "convert", "follow-up")
} | {
    ("tickets/<record:ticket_pk>/links/", "POST"): 2,
    ("tickets/<record:ticket_pk>/links/<uuid:pk>/", "DELETE"): 2,
}
# Writes that take more than a row and a body, and where they are proved with their facts.
PROVED_ELSEWHERE = (
    {
        (f"{address}<record:pk>/{verb}/", "POST"): "tests/tickets/test_merging.py: " + why
        for address in ("tickets/", "incidents/")
        for verb, why in {
            "unmerge": "what was merged before",
            "split": "a comment of the very ticket",
            "convert": "a second kind of ticket",
        }.items()
    }
    | {
        (f"sla/calendars/<uuid:calendar_pk>/holiday-proposals/{verb}/", "POST"): (
            "tests/organizations/test_holidays.py: proposals of the very calendar"
        )
        for verb in ("confirm", "dismiss")
    }
    | {
        (f"{address}<record:pk>/{verb}/", "POST"): "tests/tickets/assignment: an offer of the very ticket to the caller"
        for address in ("tickets/", "incidents/")
        for verb in ("accept", "reject")
    }
    | {
        (f"sla/policies/<uuid:pk>/{verb}/", "POST"): "tests/sla/test_policies_api.py: a draft of the very policy"
        for verb in ("publish", "dry-run")
    }
    | {
        (f"incidents/<record:pk>/major/{verb}/", "POST"): "tests/incidents/test_handover.py: one that somebody leads"
        for verb in ("hand-over", "take-over", "decline", "pace", "bridge")
    }
)


def names(operations: list[tuple[Route, str]]) -> list[str]:
    return [f"{method} {route}" for route, method in operations]


def test_every_endpoint_derives_from_the_platforms_base_views() -> None:
    assert [str(route) for route in ROUTES if not issubclass(route.view, ApiView)] == []


@pytest.mark.parametrize("name", ["dispatch", "answer", "actor", "check_grant", "is_known_action"])
def test_signing_in_tenant_and_grant_stay_with_the_base_views(name: str) -> None:
    """An endpoint that overrides one of these would go around the wall."""
    overridden = {
        str(route)
        for route in ROUTES
        if route.is_protected and not defined_in(route.view, name).startswith("apps.core.api.")
    }
    assert overridden == set()


def defined_in(view: type, name: str) -> str:
    return next(base.__module__ for base in view.__mro__ if name in vars(base))


def test_every_action_names_its_grant() -> None:
    for route in ROUTES:
        if route.is_protected:
            for method in route.implemented():
                assert route.action(method) in route.view.grants, f"{route} {method}"  # type: ignore[attr-defined]
                grant = route.grant(method)
                assert grant is None or isinstance(grant, Action)
                assert grant is None or route.view.resource, f"{route} has grants but no resource"  # type: ignore[attr-defined]


def test_a_grant_is_named_for_nothing_that_does_not_exist() -> None:
    """A misspelt name would protect nothing."""
    unknown = {
        (route.view.__name__, name)
        for route in ROUTES
        if route.is_protected
        for name in route.view.grants  # type: ignore[attr-defined]
        if not hasattr(route.view, name)
    }
    assert unknown == set()


@pytest.mark.budget(48)
@pytest.mark.bar(13)
@pytest.mark.parametrize(("route", "method"), WRITES, ids=names(WRITES))
def test_every_write_and_every_denial_records_exactly_one_event_and_other_refusals_none(
    world: World, route: Route, method: str
) -> None:
    walk = Walk(world, route)
    seen = set()
    for principal in ("admin", "agent", "end user", "anonymous"):
        for target in walk.targets(method):
            row = walk.own_row(principal, method, target)
            path = route.url(**walk.ids(row)) if row is not None else route.url()
            request = Request(method, path, body=valid_body(world, route, method))
            walk.client(principal)
            before = world.count(Event, world.acme.id)
            answer = walk.send(principal, request)
            recorded = world.count(Event, world.acme.id) - before
            is_done = answer.status_code in SUCCESS
            is_silent = (str(route), method) in SILENT
            is_told = principal != "anonymous" and answer.status_code in denials.STATUSES
            facts = SHARED.get((str(route), method), 1) if is_done and not is_silent else 0
            assert recorded == facts + is_told, f"{principal} {request}: {answer.status_code}"
            seen.add(is_done)
    assert (True in seen) != ((str(route), method) in PROVED_ELSEWHERE), "was the write ever done?"
    assert walk.problems == []


@pytest.mark.bar(13)
def test_a_change_that_changes_nothing_records_nothing(world: World) -> None:
    for route, method in WRITES:
        if method == "PATCH" and route.action(method) == "partial_update":
            walk = Walk(world, route)
            row = walk.own_row("admin", method, "own")
            request = Request(method, route.url(**walk.ids(row)) if row is not None else route.url(), body={})
            walk.client("admin")
            before = world.snapshot(world.acme.id)
            assert walk.send("admin", request).status_code == 200
            assert world.snapshot(world.acme.id) == before


def test_what_is_listed_as_silent_exists() -> None:
    assert {*SILENT, *SHARED, *PROVED_ELSEWHERE} <= {(str(route), method) for route, method in WRITES}
