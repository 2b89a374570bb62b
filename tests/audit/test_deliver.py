"""A delivery ends done or dead; its effect is there once, or not at all."""

import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch, Event
from apps.core import events
from apps.core.errors import Conflict
from apps.core.schedule import database_now
from tests.audit.conftest import again, queued
from tests.conftest import Tenant, superuser
from tests.core.racing import at_once
from tests.factories import DispatchFactory
from tests.sink.models import Arrival
from tests.sink.subscribers import POISON


def arrivals(tenant: Tenant) -> int:
    with tenant.entered():
        return Arrival.objects.count()


def let_time_pass(tenant: Tenant, dispatch: Dispatch) -> None:
    """As if the wait for the next attempt and the lease of the last were over."""
    with tenant.entered():
        past = Now() - timedelta(seconds=1)
        Dispatch.objects.filter(pk=dispatch.pk).update(next_at=past)
        Dispatch.objects.filter(pk=dispatch.pk, lease_until__isnull=False).update(lease_until=past)


def claim(tenant: Tenant, *dispatches: Dispatch) -> list:
    with tenant.entered():
        return services.claim(tenant.id, [dispatch.pk for dispatch in dispatches])


def kill(tenant: Tenant, dispatch: Dispatch) -> Dispatch:
    """Try until it is dead."""
    while again(tenant, dispatch).state == "waiting":
        let_time_pass(tenant, dispatch)
        services.deliver(tenant.id, dispatch.pk)
    return again(tenant, dispatch)


# --- how it ends


def test_a_delivery_reaches_its_consumer_and_is_done(acme):
    event, dispatch = queued(acme)

    assert services.deliver(acme.id, dispatch.pk) == "done"

    after = again(acme, dispatch)
    assert (after.state, after.attempts, after.lease_until, after.dead_at, after.last_error) == (
        "done",
        1,
        None,
        None,
        "",
    )
    with acme.entered():
        assert list(Arrival.objects.values_list("event_id", flat=True)) == [event.pk]


def test_a_second_message_about_a_done_delivery_does_nothing(acme):
    _, dispatch = queued(acme)
    services.deliver(acme.id, dispatch.pk)
    done = again(acme, dispatch)

    assert [services.deliver(acme.id, dispatch.pk) for _ in range(3)] == ["gone"] * 3

    assert arrivals(acme) == 1
    assert (again(acme, dispatch).attempts, again(acme, dispatch).done_at) == (1, done.done_at)


def test_another_tenants_delivery_is_gone(acme, globex):
    _, dispatch = queued(acme)

    assert services.deliver(globex.id, dispatch.pk) == "gone"

    assert again(acme, dispatch).attempts == 0
    assert arrivals(acme) == 0


def test_a_failing_consumer_is_tried_again_after_growing_delays_until_it_is_dead(acme):
    _, dispatch = queued(acme, POISON)
    answers, delays = [], []

    for _ in range(services.MAX_ATTEMPTS):
        let_time_pass(acme, dispatch)
        before = database_now()
        answers.append(services.deliver(acme.id, dispatch.pk))
        delays.append((again(acme, dispatch).next_at - before).total_seconds())
        if answers[-1] == "failed":
            # Not due yet: an early message changes nothing.
            assert services.deliver(acme.id, dispatch.pk) == "gone"

    assert answers == ["failed"] * 7 + ["dead"]
    assert [
        delay - expected < 5 for delay, expected in zip(delays, [*services.BACKOFF_SECONDS, 3600], strict=True)
    ] == [True] * 8
    assert [delay >= expected for delay, expected in zip(delays, [*services.BACKOFF_SECONDS, 3600], strict=True)] == [
        True
    ] * 8
    after = again(acme, dispatch)
    assert (after.state, after.attempts, after.lease_until, after.done_at) == ("dead", 8, None, None)
    assert arrivals(acme) == 0


def test_a_failure_says_its_kind_but_not_the_words_of_the_code(acme):
    _, dispatch = queued(acme, POISON)

    services.deliver(acme.id, dispatch.pk)

    assert again(acme, dispatch).last_error == "RuntimeError"


def test_a_refusal_in_our_own_words_is_kept(acme, subscriptions):
    @events.after("team.*", consumer="refusing")
    def refuse(event: Event) -> None:
        raise Conflict("The mailbox is full.")

    event, _ = queued(acme)
    with acme.entered():
        dispatch = Dispatch.objects.get(event_id=event.pk, consumer="refusing")

    assert services.deliver(acme.id, dispatch.pk) == "failed"
    assert again(acme, dispatch).last_error == "The mailbox is full."


def test_a_dead_delivery_stays_dead_whoever_asks(acme):
    _, dispatch = queued(acme, POISON)
    dead = kill(acme, dispatch)

    assert services.deliver(acme.id, dispatch.pk) == "gone"
    assert claim(acme, dispatch) == []
    assert again(acme, dispatch).attempts == dead.attempts == 8


def test_a_consumer_that_no_release_knows_fails_visibly(acme):
    event, _ = queued(acme)
    with acme.entered():
        dispatch = DispatchFactory(event_id=event.pk, consumer="removed.consumer", next_at=database_now())

    assert services.deliver(acme.id, dispatch.pk) == "failed"

    after = again(acme, dispatch)
    assert (after.state, after.attempts, after.last_error) == ("waiting", 1, "No consumer is called removed.consumer.")


def test_attempts_that_ended_without_an_answer_count_so_that_no_event_kills_workers_for_ever(acme):
    _, dispatch = queued(acme)
    for _ in range(services.MAX_ATTEMPTS):
        with acme.entered():
            assert services._begin_attempt(dispatch.pk) is not None

    assert services.deliver(acme.id, dispatch.pk) == "dead"

    after = again(acme, dispatch)
    assert (after.state, after.attempts, after.last_error) == (
        "dead",
        9,
        "gave up: earlier attempts ended without an answer",
    )
    assert arrivals(acme) == 0


# --- once, or not at all


def test_a_consumer_that_raises_leaves_no_half_effect(acme, subscriptions):
    @events.after("team.*", consumer="halfway")
    def write_and_raise(event: Event) -> None:
        Arrival.objects.create(organization_id=event.organization_id, event_id=event.pk, arrived_at=timezone.now())
        events.record("team.updated", Event.objects.get(pk=event.pk), actor=acme.system, at=timezone.now())
        raise RuntimeError("halfway")

    event, _ = queued(acme)
    with acme.entered():
        dispatch = Dispatch.objects.get(event_id=event.pk, consumer="halfway")

    assert services.deliver(acme.id, dispatch.pk) == "failed"

    assert arrivals(acme) == 0
    with acme.entered():
        assert Event.objects.count() == 1
        assert Dispatch.objects.count() == 2


def test_an_attempt_that_another_overtook_has_no_effect(acme):
    _, dispatch = queued(acme)
    with acme.entered():
        first = services._begin_attempt(dispatch.pk).number
        second = services._begin_attempt(dispatch.pk).number

        assert (first, second) == (1, 2)
        assert services._consume(dispatch.pk, first) == "gone"
        assert Arrival.objects.count() == 0
        assert services._consume(dispatch.pk, second) == "done"
    assert arrivals(acme) == 1


def test_a_failure_that_comes_too_late_does_not_undo_a_done_delivery(acme):
    _, dispatch = queued(acme)
    services.deliver(acme.id, dispatch.pk)
    with acme.entered():
        assert services._fail(dispatch.pk, 1, "too late") == "gone"

    assert (again(acme, dispatch).state, again(acme, dispatch).last_error) == ("done", "")


@pytest.mark.parametrize("workers", [2, 8])
def test_workers_at_one_moment_run_the_consumer_once(fresh_database, acme, subscriptions, workers):
    ran: list[str] = []

    @events.after("team.created", consumer="slow")
    def slow(event: Event) -> None:
        ran.append(event.name)
        time.sleep(0.3)
        Arrival.objects.create(organization_id=event.organization_id, event_id=event.pk, arrived_at=timezone.now())

    event, _ = queued(acme)
    with acme.entered():
        dispatch = Dispatch.objects.get(event_id=event.pk, consumer="slow")

    answers = at_once([lambda: services.deliver(acme.id, dispatch.pk)] * workers)

    assert sorted(answers) == ["done"] + ["gone"] * (workers - 1)
    assert ran == ["team.created"]
    assert arrivals(acme) == 1


def test_eight_workers_over_forty_deliveries_do_each_once(fresh_database, acme):
    deliveries = [queued(acme, f"Team {number}")[1] for number in range(40)]

    def all_of_them() -> list[str]:
        return [services.deliver(acme.id, dispatch.pk) for dispatch in deliveries]

    answers = [answer for each in at_once([all_of_them] * 8) for answer in each]

    assert sorted(answers) == ["done"] * 40 + ["gone"] * 280
    with acme.entered():
        assert Arrival.objects.count() == Arrival.objects.values("event_id").distinct().count() == 40


# --- claiming


def test_a_claim_leases_what_is_due_for_a_few_seconds(acme):
    _, dispatch = queued(acme)
    before = database_now()

    assert claim(acme, dispatch) == [dispatch.pk]

    lease = (again(acme, dispatch).lease_until - before).total_seconds()
    assert services.LEASE.total_seconds() <= lease < services.LEASE.total_seconds() + 5
    assert again(acme, dispatch).attempts == 0


def test_what_is_leased_is_not_claimed_again_until_the_lease_is_over(acme):
    _, dispatch = queued(acme)

    assert [claim(acme, dispatch), claim(acme, dispatch)] == [[dispatch.pk], []]
    let_time_pass(acme, dispatch)
    assert claim(acme, dispatch) == [dispatch.pk]


def test_what_is_not_due_done_or_dead_is_not_claimed(acme):
    (_, later), (_, done), (_, dead) = queued(acme, "Later"), queued(acme, "Done"), queued(acme, POISON)
    with acme.entered():
        Dispatch.objects.filter(pk=later.pk).update(next_at=Now() + timedelta(seconds=60))
    services.deliver(acme.id, done.pk)
    kill(acme, dead)

    assert claim(acme, later, done, dead) == []


def test_what_another_process_holds_is_skipped_and_not_waited_for(fresh_database, acme):
    (_, held), (_, free) = queued(acme, "Held"), queued(acme, "Free")
    with superuser() as other, other.transaction():
        other.execute("SELECT 1 FROM audit_dispatch WHERE id = %s FOR UPDATE", [held.pk])

        assert claim(acme, held, free) == [free.pk]
        assert services.deliver(acme.id, held.pk) == "gone"

    assert claim(acme, held, free) == [held.pk]


def test_another_tenants_delivery_cannot_be_claimed(acme, globex):
    _, dispatch = queued(acme)

    assert claim(globex, dispatch) == []
    assert again(acme, dispatch).lease_until is None


# --- replay


def test_a_dead_delivery_is_replayed_and_then_arrives_once(acme):
    event, dispatch = queued(acme, POISON)
    kill(acme, dispatch)
    at = timezone.now()

    with acme.entered():
        services.replay(dispatch, actor=acme.system, at=at)

    waiting = again(acme, dispatch)
    assert (waiting.state, waiting.attempts, waiting.dead_at, waiting.last_error) == (
        "waiting",
        0,
        None,
        "RuntimeError",
    )
    assert services.deliver(acme.id, dispatch.pk) == "failed"
    assert again(acme, dispatch).attempts == 1
    with acme.entered():
        replayed = Event.objects.get(name="dispatch.replayed")
    assert (replayed.subject_id, replayed.actor_label, replayed.at) == (dispatch.pk, "system:test", at)
    assert replayed.data == {"event_id": str(event.pk), "consumer": "tests.sink"}


@pytest.mark.parametrize("state", ["waiting", "done"])
def test_only_what_is_dead_is_replayed(acme, state):
    _, dispatch = queued(acme)
    if state == "done":
        services.deliver(acme.id, dispatch.pk)

    with pytest.raises(Conflict, match="Only a dead delivery can be replayed"), acme.entered():
        services.replay(dispatch, actor=acme.system, at=timezone.now())

    with acme.entered():
        assert Event.objects.filter(name="dispatch.replayed").count() == 0
    assert again(acme, dispatch).state == state


def test_the_command_replays_one_organizations_dead_deliveries_and_no_others(acme, globex, capsys):
    mine, theirs = queued(acme, POISON)[1], queued(globex, POISON)[1]
    kill(acme, mine)
    kill(globex, theirs)
    _, done = queued(acme, "Done")
    services.deliver(acme.id, done.pk)

    call_command("replay_dispatches", "--organization", "acme")

    assert capsys.readouterr().out == "replayed: 1\n"
    assert [again(acme, mine).state, again(globex, theirs).state, again(acme, done).state] == [
        "waiting",
        "dead",
        "done",
    ]


def test_the_command_replays_to_one_consumer_only(acme, capsys):
    _, dispatch = queued(acme, POISON)
    kill(acme, dispatch)

    call_command("replay_dispatches", "--organization", "acme", "--consumer", "notifications.mail")

    assert capsys.readouterr().out == "replayed: 0\n"
    assert again(acme, dispatch).state == "dead"


def test_the_command_refuses_an_organization_that_is_not_there(acme):
    with pytest.raises(CommandError, match="no organization is called initech"):
        call_command("replay_dispatches", "--organization", "initech")


def test_claims_alone_use_up_no_attempts(acme):
    _, dispatch = queued(acme)
    for _ in range(5):
        let_time_pass(acme, dispatch)
        claim(acme, dispatch)

    assert again(acme, dispatch).attempts == 0
