"""The OpenAPI document is the router, no more and no less; and migrations are what the models say."""

import io
import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from openapi_spec_validator import OpenAPIV31SpecValidator

from apps.core.authorization import members_of
from apps.users.role_table import VOCABULARY
from tests.contracts.matrix import PUBLIC
from tests.contracts.routes import routes, shape_of
from tests.databases import ROOT

VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "trace"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (shape_of(path), verb.upper()) for path, item in document["paths"].items() for verb in item if verb in VERBS
    }


@pytest.mark.bar(53)
def test_the_document_and_the_router_name_the_same_operations(document: dict[str, Any]) -> None:
    routed = {(route.shape, method) for route in routes() for method in route.implemented() - {"HEAD"}}

    assert operations(document) == routed


@pytest.mark.bar(53)
def test_every_route_answers_something() -> None:
    assert [str(route) for route in routes() if not route.implemented()] == []


@pytest.mark.bar(53)
def test_no_two_routes_share_a_path() -> None:
    shapes = [route.shape for route in routes()]

    assert sorted(shapes) == sorted(set(shapes))


@pytest.mark.bar(53)
def test_whoever_names_a_version_is_told_how_that_is_refused(document: dict[str, Any]) -> None:
    versioned = {
        f"{verb} {path}": set(operation["responses"])
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", []))
    }

    assert "post /api/v1/tickets/{id}/cancel/" in versioned
    assert [name for name, answers in versioned.items() if not {"412", "428"} <= answers] == []


@pytest.mark.bar(53)
def test_every_operation_but_the_public_ones_asks_for_the_bearer_token(document: dict[str, Any]) -> None:
    public = {shape_of(f"/api/v1/{name}") for name in PUBLIC}
    unprotected = {
        shape_of(path)
        for path, item in document["paths"].items()
        for operation in item.values()
        # Without one, or with one or something else in its place.
        if operation.get("security", []) != [{"bearer": []}]
    }
    assert unprotected == public


ROW = re.compile(r"^\| (`/[^|]*`) \| ([A-Z, ]+) \|")


def documented() -> dict[str, set[str]]:
    """The table of addresses in docs/api.md: each with its methods, which hold for the list and its records alike."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "api.md").read_text().splitlines():
        if row := ROW.match(line):
            for address in re.findall(r"`(/[^`]*)`", row[1]):
                found.setdefault(shape_of(f"/api/v1{address}"), set()).update(row[2].replace(" ", "").split(","))
    return found


@pytest.mark.bar(53)
def test_the_documentation_s_table_and_the_router_name_the_same_addresses_and_methods() -> None:
    """A record's address needs no row of its own below its list's: `/sites/` stands for `/sites/{id}/` too."""
    table, routed = documented(), {}
    for route in routes():
        above = route.shape.removesuffix("{}/")
        entry = above if route.shape not in table and above in {other.shape for other in routes()} else route.shape
        routed.setdefault(entry, set()).update(route.implemented() - {"HEAD"})
    missing = [
        f"| `{shape.removeprefix('/api/v1').replace('{}', '{id}')}` | {', '.join(sorted(methods))} | … |"
        for shape, methods in routed.items()
        if table.get(shape) != methods
    ]
    assert missing == [], "rows that docs/api.md lacks, or has with other methods:\n" + "\n".join(missing)
    assert set(table) - set(routed) == set(), "rows of docs/api.md that no route answers"


@pytest.mark.bar(53)
def test_every_grant_that_an_endpoint_asks_for_is_one_that_a_role_can_hold() -> None:
    unknown = {
        f"{route} {method}: {resource}.{grant.value}"
        for route in routes()
        if route.is_protected
        for method in route.implemented()
        if (grant := route.grant(method)) is not None
        # A word for several resources is asked of each of them.
        for resource in members_of(route.view.resource)  # type: ignore[attr-defined]
        if grant not in VOCABULARY.get(resource, ())
    }
    assert unknown == set()


def test_the_document_is_generated_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        SchemaGenerator().get_schema(request=None, public=True)

    assert (dict(GENERATOR_STATS._warn_cache), dict(GENERATOR_STATS._error_cache)) == ({}, {})


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]

    assert sorted(ids) == sorted(set(ids))


def test_the_document_holds_no_schema_that_nothing_refers_to(document: dict[str, Any]) -> None:
    used = set(re.findall(r'"#/components/schemas/([^"/]+)"', json.dumps(document, default=str)))

    assert set(document["components"]["schemas"]) - used == set()


def test_migrations_are_current(db: None) -> None:
    output = io.StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=output)
    except SystemExit:
        pytest.fail(f"a migration is missing:\n{output.getvalue()}")
