"""What the tests of core share beside the cast."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.stdlib import ProcessorFormatter

from apps.users.models import User, UserType
from tests import factories
from tests.conftest import Tenant, person


@pytest.fixture
def operator(database: None) -> User:
    """Somebody who looks after the platform and lives in an organization of their own."""
    home = Tenant(factories.make_organization(slug="operators", name="Operators", is_operator=True))
    return person(home, "olga", UserType.ADMIN)


@pytest.fixture
def log_text() -> Iterator[Callable[[], str]]:
    """What the platform's own handler has written since the test began."""
    (handler,) = (
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, ProcessorFormatter)
    )
    written = io.StringIO()
    before = handler.setStream(written)
    yield written.getvalue
    handler.setStream(before)


@pytest.fixture
def log_lines(log_text: Callable[[], str]) -> Callable[[], list[dict[str, Any]]]:
    """Each line of `log_text` as the JSON object that it must be."""
    return lambda: [json.loads(line) for line in log_text().splitlines()]
