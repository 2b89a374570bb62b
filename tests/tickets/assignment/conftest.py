"""A team that gives its work out by itself, and people in it who are there."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.tickets.assignment.teams import Desk, desk_of


@pytest.fixture
def desk(acme: Any) -> Desk:
    """The Service Desk: nobody in it yet."""
    return desk_of(acme)


@pytest.fixture
def agents(desk: Desk) -> Callable[..., Any]:
    """`ann, ben = agents("ann", "ben", capacity=2)`: members of the desk who say that they are available."""
    return lambda *names, **values: tuple(desk.join(name, **values) for name in names)
