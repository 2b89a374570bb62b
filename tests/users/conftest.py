"""What the tests of sign-in share beside the cast."""

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

from apps.users import services
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


class CheapHasher(Argon2PasswordHasher):
    """The platform's algorithm without its price."""

    memory_cost = 8
    time_cost = 1
    parallelism = 1


@pytest.fixture
def cheap_hashes(settings, monkeypatch):
    """For tests that count hundreds of guesses; asked for before the people whose passwords are guessed."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CheapHasher"]
    monkeypatch.setattr(factories, "_hashed", [])
    monkeypatch.setattr(services, "_nobody", [])
