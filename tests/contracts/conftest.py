"""A world of two tenants, committed for real and shared by a module's tests; and the walls that stand between them."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connections

from tests import conftest, databases
from tests.contracts.routes import routes
from tests.contracts.world import World, connected_as, take_down_the_orm_wall


@pytest.fixture(autouse=True)
def _every_refusal_is_told(settings: Any) -> None:
    """The contracts are refused more often in a minute than any person: here each refusal gets its event."""
    settings.ACCESS_DENIED_PER_MINUTE = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def _tokens_outlive_a_slow_machine() -> Iterator[None]:
    """A module shares its sign-ins, and may take longer than an access token lives."""
    lifetime, configured.ACCESS_TOKEN_LIFETIME = configured.ACCESS_TOKEN_LIFETIME, timedelta(hours=2)
    yield
    configured.ACCESS_TOKEN_LIFETIME = lifetime


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock():
        with conftest.superuser() as opened:
            made = World(opened)
            made.collect_cursors([route for route in routes() if route.is_list() and not route.keys])
            yield made
        connections.close_all()
        databases.recreate(str(configured.DATABASES["default"]["NAME"]))


@pytest.fixture(
    params=[
        pytest.param("both walls", marks=pytest.mark.bar(1)),
        pytest.param("row-level security alone", marks=pytest.mark.bar(3)),
        pytest.param("the ORM alone", marks=pytest.mark.bar(4)),
    ]
)
def walls(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What stands between the tenants during the test."""
    if request.param == "the ORM alone":
        # The migrator owns the tables and bypasses row-level security.
        with connected_as("migrator"):
            yield request.param
        return
    if request.param == "row-level security alone":
        take_down_the_orm_wall(monkeypatch)
    yield request.param


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """Every line that is logged, as it would be written."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler, root = Keep(level=logging.DEBUG), logging.getLogger()
    handler.setFormatter(next((h.formatter for h in root.handlers if h.formatter is not None), None))
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
