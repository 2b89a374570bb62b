"""An outward consumer runs in no transaction, once at a time, and again when its worker died."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch
from apps.core import events, records, tenancy
from apps.core.events import Consumer
from apps.organizations.models import Site
from tests.audit.conftest import again
from tests.conftest import Tenant

NAME = "tests.outward"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list:
    """What the consumer under test was handed: (event's id, in a transaction?, tenant)."""
    found: list = []

    def handle(event):
        found.append((event.pk, connection.in_atomic_block, tenancy.required_organization_id()))

    monkeypatch.setitem(events._after, NAME, Consumer(NAME, "site.created", handle, is_outward=True, limit_seconds=60))
    return found


def queued(acme: Tenant) -> Dispatch:
    with acme.entered():
        values = {"name": "Lyon", "time_zone": "Europe/Paris"}
        records.create(Site, actor=acme.system, at=timezone.now(), values=values)
        return Dispatch.objects.get(consumer=NAME)


def test_it_runs_in_the_tenant_and_in_no_transaction(fresh_database, acme, seen):
    dispatch = queued(acme)

    assert services.deliver(acme.id, dispatch.pk) == "done"

    assert seen == [(dispatch.event_id, False, acme.id)]
    assert (again(acme, dispatch).state, again(acme, dispatch).running_until) == ("done", None)


def test_a_second_message_passes_by_while_it_runs(fresh_database, acme, seen, monkeypatch):
    dispatch = queued(acme)
    answers = []
    running = Consumer(
        NAME,
        "site.created",
        lambda event: answers.append(services.deliver(acme.id, dispatch.pk)),
        is_outward=True,
        limit_seconds=60,
    )
    monkeypatch.setitem(events._after, NAME, running)

    assert services.deliver(acme.id, dispatch.pk) == "done"

    assert answers == ["gone"]


def test_what_a_dead_worker_left_is_run_again_after_its_limit(fresh_database, acme, seen):
    dispatch = queued(acme)
    with acme.entered():
        services._begin_attempt(dispatch.pk)
    assert services.deliver(acme.id, dispatch.pk) == "gone"

    with acme.entered():
        past = Now() - timedelta(seconds=1)
        Dispatch.objects.filter(pk=dispatch.pk).update(running_until=past, lease_until=past)

    assert services.deliver(acme.id, dispatch.pk) == "done"
    assert (again(acme, dispatch).attempts, len(seen)) == (2, 1)


def test_a_failure_is_counted_and_tried_again_later(fresh_database, acme, monkeypatch):
    def fail(event):
        raise RuntimeError("the mail server is away")

    monkeypatch.setitem(events._after, NAME, Consumer(NAME, "site.created", fail, is_outward=True, limit_seconds=60))
    dispatch = queued(acme)

    assert services.deliver(acme.id, dispatch.pk) == "failed"

    left = again(acme, dispatch)
    assert (left.state, left.attempts, left.running_until, left.last_error) == ("waiting", 1, None, "RuntimeError")


def test_a_run_that_took_longer_than_its_limit_leaves_the_mark_to_the_one_that_overtook_it(
    fresh_database, acme, monkeypatch
):
    runs, answers = [], []

    def handle(event):
        runs.append(event.pk)
        if len(runs) == 1:
            past = Now() - timedelta(seconds=1)
            with transaction.atomic():
                Dispatch.objects.filter(pk=dispatch.pk).update(running_until=past, lease_until=past)
            answers.append(services.deliver(acme.id, dispatch.pk))

    monkeypatch.setitem(events._after, NAME, Consumer(NAME, "site.created", handle, is_outward=True, limit_seconds=60))
    dispatch = queued(acme)

    answers.append(services.deliver(acme.id, dispatch.pk))

    left = again(acme, dispatch)
    assert (answers, runs) == (["done", "gone"], [dispatch.event_id] * 2)
    assert (left.state, left.attempts, left.last_error) == ("done", 2, "")
