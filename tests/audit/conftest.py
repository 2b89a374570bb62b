"""What the audit tests share: subscriptions of their own, logins by role, and events to deliver."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.core import events, records
from apps.organizations.models import Team
from tests.conftest import Tenant

LOGIN = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}


@pytest.fixture
def subscriptions() -> Iterator[None]:
    """What a test subscribes ends with it."""
    inside, after = list(events._inside), dict(events._after)
    yield
    events._inside[:] = inside
    events._after.clear()
    events._after.update(after)


@pytest.fixture
def login() -> Callable[..., Any]:
    """`with login("worker", acme.id) as connection`: what that role may do in the test database, inside a tenant or outside."""
    return _login


@contextmanager
def _login(role: str, organization_id: UUID | None = None) -> Iterator[psycopg.Connection]:
    known = settings.DATABASE_LOGINS[role]
    parameters = {LOGIN[key]: known[key] for key in LOGIN if known[key]}
    with psycopg.connect(**parameters, dbname=settings.DATABASES["default"]["NAME"], autocommit=True) as opened:
        if organization_id is not None:
            opened.execute("SELECT set_config('app.org_id', %s, false)", [str(organization_id)])
        yield opened


def make_team(tenant: Tenant, name: str = "Blue") -> Team:
    """A team with its event and, through the sink's subscription, one dispatch; made in the transaction that is open."""
    return records.create(Team, actor=tenant.system, at=timezone.now(), values={"name": name})


def queued(tenant: Tenant, name: str = "Blue") -> tuple[Event, Dispatch]:
    """One event of a new team and its delivery to the sink."""
    with tenant.entered():
        event = Event.objects.get(subject_id=make_team(tenant, name).pk)
        return event, Dispatch.objects.get(event_id=event.pk, consumer="tests.sink")


def again(tenant: Tenant, dispatch: Dispatch) -> Dispatch:
    """The delivery as it is now."""
    with tenant.entered():
        return Dispatch.objects.get(pk=dispatch.pk)
