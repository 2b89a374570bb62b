"""One fact is one row in the caller's transaction, and one delivery for each consumer."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import Dispatch, Event
from apps.audit.services import together
from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.organizations.models import Team
from tests.audit.conftest import make_team, queued
from tests.conftest import Tenant
from tests.sink.models import Arrival

AT = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)


def written(tenant: Tenant) -> tuple[int, int, int]:
    """How many teams, events and deliveries there are."""
    with tenant.entered():
        return Team.objects.count(), Event.objects.count(), Dispatch.objects.count()


def test_a_fact_is_written_down_with_every_field_as_given(acme, dan):
    with tenancy.tenant(acme.id, actor_id=dan.pk, request_id="request-0001", via="api"), transaction.atomic():
        team = make_team(acme)
        before = timezone.now()
        fact = events.record(
            "team.updated", team, actor=dan.as_actor(), at=AT, changes={"name": ("Blue", "Red"), "calendar": (None, team.pk)},
            reason="renamed", session_id=dan.pk,
        )  # fmt: skip
        row = Event.objects.get(pk=fact.id)

    assert before <= row.recorded_at <= timezone.now()
    assert {f.attname: getattr(row, f.attname) for f in Event._meta.fields if f.attname != "recorded_at"} == {
        "id": fact.id,
        "organization_id": acme.id,
        "name": "team.updated",
        "subject_type": "team",
        "subject_id": team.pk,
        "actor_kind": "user",
        "actor_id": dan.pk,
        "actor_label": "Dan",
        "at": AT,
        "request_id": "request-0001",
        "via": "api",
        "is_historic": False,
        "changes": {"name": ["Blue", "Red"], "calendar": [None, str(team.pk)]},
        "data": {"reason": "renamed", "session_id": str(dan.pk)},
    }


def test_the_platform_itself_is_named_as_the_actor_it_was(acme):
    event, _ = queued(acme)

    assert (event.actor_kind, event.actor_id, event.actor_label) == ("system", None, "system:test")
    assert (event.request_id, event.via) == ("", "command")


def test_one_fact_is_exactly_one_row(acme):
    event, dispatch = queued(acme)

    assert written(acme) == (1, 1, 1)
    assert (dispatch.event_id, dispatch.consumer, dispatch.attempts, dispatch.state) == (
        event.pk,
        "tests.sink",
        0,
        "waiting",
    )
    assert (dispatch.lease_until, dispatch.done_at, dispatch.dead_at, dispatch.last_error) == (None, None, None, "")


def test_an_undeclared_name_cannot_be_recorded(acme):
    with acme.entered():
        team = make_team(acme)

    with pytest.raises(LookupError, match=r"event team\.exploded is not declared"), acme.entered():
        events.record("team.exploded", team, actor=acme.system, at=AT)

    assert written(acme) == (1, 1, 1)


def test_a_fact_of_another_tenant_cannot_be_recorded(acme, globex):
    with acme.entered():
        team = make_team(acme)

    with pytest.raises(Exception, match="row-level security"), acme.entered():
        events.record("team.updated", team, actor=Actor.system(globex.id, "test"), at=AT)

    assert written(acme) == (1, 1, 1)
    assert written(globex) == (0, 0, 0)


def test_inside_subscribers_see_the_transaction_of_the_fact_and_write_in_it(acme, subscriptions):
    seen: list[UUID] = []

    @events.inside("team.created")
    def keep(event: Event) -> None:
        assert Event.objects.filter(pk=event.pk).exists()
        Arrival.objects.create(organization_id=event.organization_id, event_id=event.pk, arrived_at=AT)
        seen.append(event.pk)

    event, _ = queued(acme)

    assert seen == [event.pk]
    with acme.entered():
        assert list(Arrival.objects.values_list("event_id", flat=True)) == [event.pk]


def test_the_failure_of_an_inside_subscriber_takes_everything_back(acme, subscriptions):
    @events.inside("team.*")
    def refuse(event: Event) -> None:
        Arrival.objects.create(organization_id=event.organization_id, event_id=event.pk, arrived_at=AT)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"), acme.entered():
        make_team(acme)

    assert written(acme) == (0, 0, 0)
    with acme.entered():
        assert Arrival.objects.count() == 0


def test_inside_subscribers_get_only_what_they_asked_for(acme, subscriptions):
    seen: list[str] = []
    events.inside("site.*")(lambda event: seen.append(event.name))
    events.inside("team.deleted")(lambda event: seen.append(event.name))

    queued(acme)

    assert seen == []


def test_each_after_subscriber_gets_one_delivery(acme, subscriptions):
    events.after("team.*", consumer="one")(lambda event: None)
    events.after("*", consumer="two")(lambda event: None)
    events.after("site.*", consumer="three")(lambda event: None)

    event, _ = queued(acme)

    with acme.entered():
        assert sorted(Dispatch.objects.filter(event_id=event.pk).values_list("consumer", flat=True)) == [
            "one",
            "tests.sink",
            "two",
        ]


def test_two_consumers_of_one_name_are_refused(subscriptions):
    events.after("team.*", consumer="one")(lambda event: None)

    with pytest.raises(ValueError, match="two consumers are called one"):
        events.after("site.*", consumer="one")(lambda event: None)


def test_a_historic_fact_moves_clocks_but_is_delivered_to_nobody(acme, subscriptions):
    moved: list[bool] = []
    events.inside("team.updated")(lambda event: moved.append(event.is_historic))
    with acme.entered():
        team = make_team(acme)
        fact = events.record("team.updated", team, actor=acme.system, at=AT, is_historic=True)

        assert Event.objects.get(pk=fact.id).is_historic is True
        assert Dispatch.objects.filter(event_id=fact.id).count() == 0
    assert moved == [True]


def test_the_relay_is_woken_at_commit_and_never_before(fresh_database, acme, login):
    with login("system") as listener:
        listener.execute("LISTEN itsm_dispatch")
        with acme.entered():
            make_team(acme)
            early = list(listener.notifies(timeout=0.3))
        woken = list(listener.notifies(timeout=5, stop_after=1))

    assert early == []
    assert [(notice.channel, notice.payload) for notice in woken] == [("itsm_dispatch", "")]


def test_the_relay_is_not_woken_by_what_was_taken_back(fresh_database, acme, login):
    with login("system") as listener:
        listener.execute("LISTEN itsm_dispatch")
        with pytest.raises(RuntimeError), acme.entered():
            make_team(acme)
            raise RuntimeError("take it back")

        assert list(listener.notifies(timeout=0.3)) == []


def test_a_hundred_facts_of_one_transaction_wake_the_relay_once(fresh_database, acme, login):
    with login("system") as listener:
        listener.execute("LISTEN itsm_dispatch")
        with acme.entered():
            for number in range(100):
                make_team(acme, f"Team {number}")

        assert len(list(listener.notifies(timeout=1))) == 1


def test_facts_recorded_together_are_the_same_rows_and_deliveries_in_two_statements(acme, subscriptions):
    """Ten thousand deadlines pass in one sweep: what each costs is a row, not two journeys to the database."""
    told: list[UUID] = []
    events.inside("team.updated")(lambda event: told.append(event.subject.pk))
    events.after("team.updated", consumer="one")(lambda event: None)
    with acme.entered():
        teams = [make_team(acme, f"Team {number}") for number in range(3)]
        before = set(Event.objects.values_list("pk", flat=True))
        with CaptureQueriesContext(connection) as sent, together():
            for team in teams:
                events.record(
                    "team.updated", team, actor=acme.system, at=AT, changes={"name": ("a", "b")}, why=team.name
                )
            events.record("team.updated", teams[0], actor=acme.system, at=AT, is_historic=True)
            assert (told, len(sent)) == ([*(team.pk for team in teams), teams[0].pk], 0)
        found = list(Event.objects.exclude(pk__in=before).order_by("id"))
        queued_for = list(Dispatch.objects.exclude(event_id__in=before).values_list("event_id", "consumer", "attempts"))

    assert [query["sql"][:30] for query in sent] == [
        'INSERT INTO "audit_event" (id,',
        "\nWITH queued AS (\n    INSERT I",
    ]
    assert [(event.subject_id, event.data, event.changes, event.is_historic) for event in found] == [
        *((team.pk, {"why": team.name}, {"name": ["a", "b"]}, False) for team in teams),
        (teams[0].pk, {}, {}, True),
    ]
    assert sorted(queued_for) == sorted(
        (event.pk, consumer, 0) for event in found[:3] for consumer in ("one", "tests.sink")
    )


def test_a_block_of_facts_that_fails_writes_none_and_leaves_the_next_alone(acme):
    with acme.entered():
        team = make_team(acme)
    with pytest.raises(RuntimeError, match="no"), acme.entered(), together():
        events.record("team.updated", team, actor=acme.system, at=AT)
        raise RuntimeError("no")

    assert written(acme) == (1, 1, 1)
    with acme.entered(), together():
        pass
    with acme.entered():
        events.record("team.updated", team, actor=acme.system, at=AT)
    assert written(acme) == (1, 2, 2)
