"""F1 and F2: whatever is killed, every event reaches its consumer, and none does so twice."""

import random
import time

import pytest
from django.db.models import Max

from apps.audit import relay as relay_module
from apps.audit import services
from apps.audit.models import Dispatch
from tests.conftest import IS_FULL_RUN, superuser
from tests.faults.ledger import Ledger
from tests.faults.processes import Child, Processes, is_ready, wait_until
from tests.sink.models import Arrival
from tests.sink.subscribers import DEADLY

LEASE_SECONDS = services.LEASE.total_seconds()
RECOVERY_SECONDS = LEASE_SECONDS + 30
EVENTS, KILLS_OF_EACH = (2000, 20) if IS_FULL_RUN else (300, 2)
QUEUE = "celery"


def tell(**figures: object) -> None:
    """Shown with -rP, and beside a failure."""
    print(" ".join(f"{name}={value}" for name, value in figures.items()))


def delivered_by(child: Child) -> int:
    """How many deliveries this worker says it has done."""
    return child.said().count(": 'done'")


def back_at_work(processes: Processes, worker: Child) -> Child:
    """The worker once it is connected again, or another in its place, as its supervisor starts one.

    Where the broker is lost with a message in hand, kombu 5.7 ends its worker: closing the channel it asks for the
    connection that is gone (AttributeError: 'NoneType' object has no attribute 'hostname').
    """

    def is_back() -> bool:
        return "Connected to redis" in worker.said().rpartition("Connection to broker lost")[2]

    # Celery waits longer after each attempt, up to half a minute.
    wait_until(lambda: not worker.is_running or is_back(), "the worker is back, or ended", 150)
    if not worker.is_running:
        worker = processes.worker()
        wait_until(lambda: is_ready(worker), "another worker is ready", 60)
    return worker


def queue_length(processes: Processes) -> int:
    with processes.redis() as client:
        return int(client.llen(QUEUE))


class Crew:
    """One worker and one relay, either of which may die at any moment and is started again."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.worker, self.relay = processes.worker(), processes.relay()

    def kill_whole_worker(self) -> None:
        self.worker.kill()
        self.worker = self.processes.worker()

    def kill_main_worker(self) -> None:
        self.worker.kill_main()
        self.worker = self.processes.worker()

    def is_at_work(self) -> bool:
        return is_ready(self.worker) and "relay_started" in self.relay.said()

    def kill_pool_child(self) -> None:
        wait_until(self.worker.kill_fork, "a pool child to kill", 10)

    def kill_relay(self) -> None:
        self.relay.kill()
        self.relay = self.processes.relay()


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_nothing_is_lost_or_done_twice_while_workers_and_relays_are_killed(processes, acme):
    ledger = Ledger(acme)
    processes.broker()
    crew = Crew(processes)
    faults = [crew.kill_whole_worker, crew.kill_pool_child, crew.kill_relay] * KILLS_OF_EACH
    faults += [crew.kill_main_worker] * (KILLS_OF_EACH // 2)
    random.shuffle(faults)
    started = time.monotonic()

    for position, fault in enumerate(faults):
        wait_until(crew.is_at_work, "worker and relay are at work", 60)
        ledger.write(EVENTS * (position + 1) // len(faults) - ledger.written)
        time.sleep(random.uniform(0, 0.5))
        fault()
    caught_up = ledger.wait(RECOVERY_SECONDS)

    with acme.entered():
        attempts = Dispatch.objects.aggregate(Max("attempts"))["attempts__max"]
    tell(
        events=ledger.written, kills=len(faults), lost=len(ledger.lost()), doubled=len(ledger.doubled()),
        caught_up_seconds=round(caught_up, 1), seconds=round(time.monotonic() - started, 1), most_attempts=attempts,
    )  # fmt: skip
    assert ledger.written == EVENTS
    ledger.assert_exact()


@pytest.mark.heavy
@pytest.mark.skipif(not IS_FULL_RUN, reason="bin/test --all: Celery takes five seconds to notice each death")
def test_an_event_that_kills_its_worker_is_given_up_and_holds_up_nobody(processes, acme):
    ledger = Ledger(acme)
    ledger.write(name=DEADLY)
    with acme.entered():
        # Celery takes five seconds to notice each death; the first six attempts are taken as made.
        Dispatch.objects.update(attempts=services.MAX_ATTEMPTS - 2)
    ledger.write(10)
    processes.broker()
    worker = processes.worker()
    processes.relay()
    wait_until(lambda: is_ready(worker), "the worker is ready", 60)

    def is_over() -> bool:
        with acme.entered():
            return Dispatch.objects.exclude(dead_at=None).count() == 1 and Arrival.objects.count() == 10

    seconds = wait_until(is_over, "the deadly event is dead and the others have arrived", 60)
    with acme.entered():
        dead = Dispatch.objects.exclude(dead_at=None).get()
    tell(seconds=round(seconds, 1))
    assert (dead.attempts, dead.last_error) == (9, "gave up: earlier attempts ended without an answer")
    assert len(ledger.lost()) == 1
    assert ledger.doubled() == {}


def test_without_a_broker_the_relay_delivers_itself_and_with_one_celery_does(processes, acme):
    ledger = Ledger(acme)
    relay = processes.relay()

    # It was never there.
    ledger.write(20)
    never_there = ledger.wait(10)
    assert "broker_away" in relay.said()

    # It comes: from now on the work is Celery's again.
    broker, worker = processes.broker(), processes.worker()
    wait_until(lambda: is_ready(worker), "the worker is ready", 60)
    time.sleep(relay_module.BROKER_REST_SECONDS)
    ledger.write(20)
    through_celery = ledger.wait(10)
    wait_until(lambda: delivered_by(worker) == 20, "the worker delivered all 20", 5)

    # It is killed with work in it, and stays away.
    ledger.write(20)
    broker.kill()
    ledger.write(20)
    killed = ledger.wait(10)
    ledger.write(5)
    stays_away = ledger.wait(10)

    # It comes back, empty: Celery takes over again.
    processes.broker()
    worker = back_at_work(processes, worker)
    already = delivered_by(worker)
    time.sleep(relay_module.BROKER_REST_SECONDS)
    ledger.write(20)
    back = ledger.wait(10)
    wait_until(lambda: delivered_by(worker) == already + 20, "the worker delivered all 20 again", 5)

    tell(never_there=never_there, through_celery=through_celery, killed=killed, stays_away=stays_away, back=back)
    ledger.assert_exact()


def test_what_a_flushed_broker_forgot_is_sent_again_and_a_full_queue_grows_no_longer(processes, acme):
    ledger = Ledger(acme)
    processes.broker()
    with processes.redis() as client:
        client.lpush(QUEUE, *["{}"] * relay_module.QUEUE_LIMIT)
    processes.relay()
    ledger.write(100)
    time.sleep(2 * relay_module.POLL_SECONDS)

    # As many messages as there may be, and no worker: nothing is added, nothing is leased.
    assert queue_length(processes) == relay_module.QUEUE_LIMIT
    with acme.entered():
        assert Dispatch.objects.exclude(lease_until=None).count() == 0

    # Room again: all are queued. Then the broker forgets them.
    with processes.redis() as client:
        client.delete(QUEUE)
        wait_until(lambda: queue_length(processes) >= 100, "100 messages are queued", 10)
        client.flushall()
    worker = processes.worker()
    wait_until(lambda: is_ready(worker), "the worker is ready", 60)
    seconds = ledger.wait(RECOVERY_SECONDS)

    tell(events=100, lost=len(ledger.lost()), doubled=len(ledger.doubled()), seconds=round(seconds, 1))
    ledger.assert_exact()


def test_a_broker_that_is_full_counts_as_away(processes, acme):
    ledger = Ledger(acme)
    processes.broker()
    with processes.redis() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
    relay = processes.relay()
    ledger.write(10)

    seconds = ledger.wait(10)

    tell(seconds=round(seconds, 1))
    assert "used memory > 'maxmemory'" in relay.said()
    assert relay.is_running
    ledger.assert_exact()


def test_terminated_database_connections_are_waited_out_by_relay_and_worker(processes, acme):
    ledger = Ledger(acme)
    processes.broker()
    relay, worker = processes.relay(), processes.worker()
    wait_until(lambda: is_ready(worker), "the worker is ready", 60)
    cut = 0
    for _ in range(6):
        ledger.write(20)
        with superuser() as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename IN ('itsm_worker', 'itsm_system')"
            ).fetchall()
        cut += len(ended)
        time.sleep(random.uniform(0, 0.3))

    seconds = ledger.wait(RECOVERY_SECONDS)

    tell(cut=cut, lost=len(ledger.lost()), doubled=len(ledger.doubled()), seconds=round(seconds, 1))
    assert cut >= 6
    assert (relay.is_running, worker.is_running) == (True, True)
    ledger.assert_exact()


def test_two_relays_and_two_workers_do_each_event_once_and_end_when_asked(processes, acme, globex):
    mine, theirs = Ledger(acme), Ledger(globex)
    processes.broker()
    workers = [processes.worker(), processes.worker()]
    relays = [processes.relay(), processes.relay()]
    for worker in workers:
        wait_until(lambda worker=worker: is_ready(worker), "the worker is ready", 60)
    for _ in range(5):
        mine.write(20)
        theirs.write(10)

    mine.wait(RECOVERY_SECONDS)
    theirs.wait(RECOVERY_SECONDS)

    mine.assert_exact()
    theirs.assert_exact()
    assert sum(map(delivered_by, workers)) == 150
    assert ["broker_away" in relay.said() for relay in relays] == [False, False]
    for child in (*relays, *workers):
        child.ask_to_stop()
    assert [child.ended() for child in (*relays, *workers)] == [0, 0, 0, 0]
    assert ["relay_stopped" in relay.said() for relay in relays] == [True, True]


@pytest.mark.parametrize("part", ["relay", "worker"])
def test_neither_relay_nor_worker_works_through_a_hole_in_the_wall(processes, acme, part):
    ledger = Ledger(acme)
    processes.broker()
    with superuser() as owner:
        owner.execute("ALTER TABLE organizations_team DISABLE ROW LEVEL SECURITY")
    ledger.write(1)

    child = getattr(processes, part)()
    wait_until(lambda: not child.is_running, f"the {part} has ended", 30)

    assert child.process.returncode != 0
    assert "organizations_team lacks ENABLE and FORCE row-level security" in child.said()
    assert ledger.arrivals() == {}


def test_relay_and_worker_wait_for_a_database_that_is_not_there(processes):
    processes.broker()
    processes.environment["TEST_DATABASE_NAME"] += "_that_is_not_there"

    relay, worker = processes.relay(), processes.worker()

    wait_until(lambda: relay.said().count("relay_waits_for_database") >= 2, "the relay waits", 30)
    wait_until(lambda: worker.said().count("worker_waits_for_database") >= 2, "the worker waits", 30)
    assert (relay.is_running, worker.is_running) == (True, True)
