"""What the tests of sign-in share beside the cast."""

import pytest

from apps.users.models import User, UserType
from tests import factories
from tests.conftest import Tenant, person


@pytest.fixture
def operators(database: None) -> Tenant:
    return Tenant(factories.make_organization(slug="operators", name="Operators", is_operator=True))


@pytest.fixture
def operator(operators: Tenant) -> User:
    """Somebody who looks after the platform and lives in an organization of their own."""
    return person(operators, "olga", UserType.ADMIN)
