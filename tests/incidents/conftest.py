"""Incidents to act on, at times of the tests' own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.core.actors import Actor
from apps.incidents import services
from apps.incidents.models import Incident
from apps.users.models import RoleAssignment, User
from apps.users.rights import actor_for
from tests.conftest import Tenant

# A Monday.
START = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
SOLVED = {"resolution_code": "solution_provided", "resolution_notes": "Restarted the mail server."}


def acting(user: User) -> Actor:
    """Somebody with the rights they hold now. Call it in their tenant."""
    return actor_for(user, at=timezone.now())


@pytest.fixture
def at_home(acme: Tenant, alice: User, carol: User, dan: User) -> None:
    """They have had their roles since before START: who may lead is asked of the time at which they are named."""
    with acme.entered():
        RoleAssignment.objects.update(valid_from=START - timedelta(days=1))


@pytest.fixture
def opened(acme: Tenant, bob: User) -> Callable[..., Incident]:
    """`opened(title="Mail is down", parent_id=…)`: an incident of bob's, opened at START. Call it in acme."""

    def open_one(at: datetime = START, **values: Any) -> Incident:
        given = {"title": "Mail is down", "requester_id": bob.pk, **values}
        return services.create(actor=acme.system, at=at, values=given)

    return open_one


def now_of(incident: Incident) -> Incident:
    """As it stands in the database."""
    found: Incident = Incident.objects.get(pk=incident.pk)
    return found
