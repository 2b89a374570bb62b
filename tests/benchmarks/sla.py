"""Timers at size: what a sweep costs that has little to do, or nothing, and what timers cost whoever opens and moves tickets.

N open timers (a million, unless told otherwise) in 20 tenants, copies of one that the engine made; 1,000 of them are due, in all
tenants. One sweep fires them; then sweeps that find nothing are timed. Then 10,000 more fall due at one instant in one tenant, and
three processes sweep at once. Elapsed times are of this machine with PostgreSQL on it.

Creation and change of status: the same requests in one process, in turns without the engine's subscriber, without a policy and with
the default one. Statements are counted, CPU is this process's own, without PostgreSQL.

Ends with 1 where a count or a ratio of CPU misses its target, with --strict also for elapsed times.
"""

import argparse
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing import get_context
from typing import Any
from uuid import UUID

from tests.benchmarks import harness  # isort: skip - sets Django up
import psycopg
from django.db import connection, connections, transaction
from django.test import Client
from django.utils import timezone

from apps.audit.models import Event
from apps.core import events, proof, tenancy
from apps.core.actors import Actor
from apps.incidents import services
from apps.organizations.services import create_default_calendars
from apps.sla import evaluating, policies, sweeping
from apps.sla.defaults import create_default_policies
from apps.sla.models import LevelFiring, Policy, Settings, Timer
from tests import databases, factories
from tests.sla.many import multiply

DUE, AT_ONCE, SWEEPERS, IDLE = 1_000, 10_000, 3, 20
SWEEP_SECONDS, IDLE_SECONDS, TOGETHER_SECONDS = 2, 0.02, 30
# More than without the engine. A hold that says something is two facts of its ticket, of which each is read.
STATEMENTS, CREATE_RATIO = {"create": 3, "start": 2, "hold": 3, "resolve": 2}, 1.4
HOUR, HALF_A_MINUTE = timedelta(hours=1), timedelta(seconds=30)


# --- many timers


def promise(organization_id: UUID, at: datetime) -> None:
    """One metric with four levels: half of it, three quarters, the deadline, and a quarter later."""
    actor = Actor.system(organization_id, "bench")
    levels = [{"metric": "resolution", "percent": percent} for percent in (50, 75, 100, 125)]
    content = {"targets": [{"metric": "resolution", "seconds": 8 * 3600}], "levels": levels}
    policy = policies.create(actor=actor, at=at, values={"name": "Bench"})
    policies.publish(policies.draft(policy, actor=actor, at=at, content=content), actor=actor, at=at)


def timer_of(organization_id: UUID, requester_id: UUID, opened_at: datetime) -> Timer:
    actor = Actor.system(organization_id, "bench")
    ticket = services.create(
        actor=actor, at=opened_at, values={"title": "Printer on fire", "requester_id": requester_id}
    )
    found: Timer = Timer.objects.get(ticket_id=ticket.pk)
    return found


def fill(world: harness.World, timers: int, due: int, now: datetime) -> None:
    """Open timers in every tenant; `due` of them fell due half a minute ago."""
    started = time.monotonic()
    with psycopg.connect(databases.admin_dsn(world.database), autocommit=True) as admin:
        for place, organization in enumerate(world.organizations):
            with tenancy.tenant(organization.pk), transaction.atomic():
                promise(organization.pk, now)
                requester = factories.UserFactory()
                # Half of the target has just run on the one, nothing on the other.
                fresh = timer_of(organization.pk, requester.pk, now)
                late = timer_of(organization.pk, requester.pk, now - 4 * HOUR - HALF_A_MINUTE)
            share = harness.SHARE if place == 0 else (1 - harness.SHARE) / (harness.TENANTS - 1)
            multiply(admin, fresh, max(1, round(timers * share)), series=2 * place)
            multiply(admin, late, due // harness.TENANTS - 1, series=2 * place + 1)
        admin.execute("VACUUM ANALYZE")
    print(f"{timers} timers in {time.monotonic() - started:.0f} s")


def firings(world: harness.World) -> Counter[str]:
    """What was fired and told, in all tenants."""
    told: Counter[str] = Counter()
    for organization in world.organizations:
        with tenancy.tenant(organization.pk), transaction.atomic():
            told["rows"] += LevelFiring.objects.count()
            told["timers"] += LevelFiring.objects.values("timer").distinct().count()
            told["events"] += Event.objects.filter(name__startswith="sla.", subject_type="incident").count()
    return told


def sweeps(
    world: harness.World, timers: int, due: int, at_once: int
) -> tuple[list[tuple[str, str, str]], list[str], list[str]]:
    """The table, and what missed its target: counts, and elapsed times."""
    now = timezone.now()
    fill(world, timers, due, now)
    # Connections and compiled policies are there in a process that sweeps every half minute.
    sweeping.sweep(now - 8 * HOUR)
    started = time.perf_counter()
    done = sweeping.sweep(now)
    first = time.perf_counter() - started
    assert (done.timers, firings(world)["rows"]) == (due, due), done
    idle = []
    for _ in range(IDLE):
        started = time.perf_counter()
        assert sweeping.sweep(now).timers == 0
        idle.append(time.perf_counter() - started)
    before = firings(world)
    with psycopg.connect(databases.admin_dsn(world.database), autocommit=True) as admin:
        multiply(admin, one_more(world, now), at_once - 1, series=1_000)
        admin.execute("ANALYZE")
    together, each = swept_by_several(now)
    after = firings(world) - before
    doubled = after["rows"] - after["timers"]
    counted = (after["rows"], after["events"], doubled) == (at_once, at_once, 0)
    took = {
        "sweep": (first, SWEEP_SECONDS),
        "idle sweep, median": (statistics.median(idle), IDLE_SECONDS),
        "idle sweep, p95": (harness.p95(idle), IDLE_SECONDS),
        "sweep of all at once": (together, TOGETHER_SECONDS),
    }
    slow = [f"{name}, {seconds:.3f} of {most} s" for name, (seconds, most) in took.items() if seconds > most]
    rows = [
        (f"sweep, {due} of {timers} due: s", f"{first:.2f}", "2"),
        ("idle sweep, median: ms", harness.milliseconds(statistics.median(idle)), "20"),
        ("idle sweep, p95: ms", harness.milliseconds(harness.p95(idle)), "20"),
        (f"{at_once} due at once, {SWEEPERS} sweepers: s", f"{together:.2f}", "30"),
        ("  fired by each", " + ".join(map(str, each)), ""),
        ("  firings, doubled", f"{after['rows']}, {doubled}", f"{at_once}, 0"),
    ]
    return rows, [] if counted else [f"firings, {dict(after)} of {at_once}, {doubled} doubled"], slow


def one_more(world: harness.World, now: datetime) -> Timer:
    """In the first tenant, due for half a minute."""
    with tenancy.tenant(world.organization.pk), transaction.atomic():
        return timer_of(world.organization.pk, factories.UserFactory().pk, now - 4 * HOUR - HALF_A_MINUTE)


def swept_by_several(now: datetime) -> tuple[float, list[int]]:
    """Processes that start at one moment: how long until the last is done, and how many levels each fired."""
    connections.close_all()
    context = get_context("fork")
    barrier, told = context.Barrier(SWEEPERS + 1), context.SimpleQueue()

    def work() -> None:
        sweeping.sweep(now - 8 * HOUR)
        barrier.wait()
        told.put(sweeping.sweep(now).levels)

    processes = [context.Process(target=work) for _ in range(SWEEPERS)]
    for process in processes:
        process.start()
    barrier.wait()
    started = time.perf_counter()
    for process in processes:
        process.join()
    return time.perf_counter() - started, [told.get() for _ in processes]


# --- one ticket


@contextmanager
def unheard() -> Iterator[None]:
    """As if there were no service levels."""
    kept = list(events._inside)
    events._inside[:] = [(pattern, handle) for pattern, handle in kept if handle is not evaluating.follow]
    try:
        yield
    finally:
        events._inside[:] = kept


@contextmanager
def unpromised(organization_id: UUID) -> Iterator[None]:
    """The organization's policies are off."""
    _switch(organization_id, is_active=False)
    try:
        yield
    finally:
        _switch(organization_id, is_active=True)


def _switch(organization_id: UUID, *, is_active: bool) -> None:
    with tenancy.tenant(organization_id), transaction.atomic():
        Policy.objects.update(is_active=is_active)
        policies.restamp(organization_id)


@contextmanager
def promised() -> Iterator[None]:
    yield


def costs(world: harness.World, requests: int, blocks: int) -> tuple[list[tuple[str, ...]], list[str]]:
    """Statements and CPU of requests that create and move, by what is promised; and what missed its target."""
    proof.complete()
    at, tenant = timezone.now(), world.organization.pk
    # Outside the application, whose statements end after seconds.
    with psycopg.connect(databases.admin_dsn(world.database), autocommit=True) as admin:
        admin.execute(f"UPDATE {Timer._meta.db_table} SET next_due_at = NULL WHERE next_due_at IS NOT NULL")
    with tenancy.tenant(tenant), transaction.atomic():
        Policy.objects.filter(name="Bench").update(is_active=False)
        create_default_calendars(world.organization, at=at)
        create_default_policies(tenant, at=at)
        Policy.objects.filter(name="Bench").update(is_active=True, position=99)
        assert Settings.objects.count() == 1
    ways: dict[str, Callable[[], Any]] = {
        "no engine": unheard,
        "no policy": lambda: unpromised(tenant),
        "default policy": promised,
    }
    statements: dict[tuple[str, str], int] = {}
    cpu: dict[tuple[str, str], list[float]] = defaultdict(list)
    for block in range(blocks + 1):
        for name, way in list(ways.items())[:: 1 if block % 2 else -1]:
            with way():
                told = one_block(world, max(1, requests // blocks))
            for verb, (sent, seconds) in told.items():
                statements[verb, name] = sent
                # The first block warms up.
                if block:
                    cpu[verb, name].append(seconds)
    rows, misses = [], []
    for verb in ("create", "start", "hold", "resolve"):
        base = statistics.median(cpu[verb, "no policy"])
        for name in ways:
            own = statistics.median(cpu[verb, name])
            more = statements[verb, name] - statements[verb, "no engine"]
            if more > STATEMENTS[verb]:
                misses.append(f"{verb} with {name}, {more} statements more")
            if verb == "create" and own / base > CREATE_RATIO:
                misses.append(f"create with {name}, {own / base:.2f} of {CREATE_RATIO} times the CPU")
            rows.append(
                (
                    f"{verb}: {name}",
                    str(statements[verb, name]),
                    f"+{more}",
                    harness.milliseconds(own),
                    f"{own / base - 1:+.0%}",
                )
            )
    return rows, misses


def one_block(world: harness.World, requests: int) -> dict[str, tuple[int, float]]:
    """By verb the most statements that one request took, and the CPU seconds of the average one.

    Without the first ticket of the block: it finds the policies changed, and reads them for all that follow.
    """
    client = Client(headers={"host": harness.HOST, "authorization": f"Bearer {world.access_token()}"})
    bodies: dict[str, dict[str, Any]] = {
        "start": {},
        "hold": {"reason": "awaiting_requester", "comment": "Which colour is its light?"},
        "resolve": {"resolution_code": "solution_provided", "resolution_notes": "Restarted."},
    }
    sent: Counter[str] = Counter()
    spent: Counter[str] = Counter()

    def ask(verb: str, path: str, body: dict[str, Any]) -> Any:
        count = 0

        def note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
            nonlocal count
            count += 1
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            began = time.process_time()
            answer = client.post(path, body, content_type="application/json")
            spent[verb] += time.process_time() - began  # type: ignore[assignment]
        assert answer.status_code in {200, 201}, answer.content
        sent[verb] = max(sent[verb], count)
        return answer.json()

    for place in range(requests + 1):
        if place == 1:
            sent.clear()
            spent.clear()
        made = ask("create", "/api/v1/incidents/", {"title": "Printer on fire", "impact": 2, "urgency": 2})
        for verb, body in bodies.items():
            ask(verb, f"/api/v1/incidents/{made['id']}/{verb}/", body)
    return {verb: (sent[verb], spent[verb] / requests) for verb in sent}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timers", type=int, default=1_000_000, help="open ones, in all tenants together")
    parser.add_argument("--due", type=int, default=DUE, help="of them due, a multiple of 20")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="that fall due at one instant")
    parser.add_argument("--requests", type=int, default=300, help="of each verb, with and without a policy")
    parser.add_argument("--blocks", type=int, default=10, help="turns that they are divided into")
    parser.add_argument(
        "--strict", action="store_true", help="elapsed times count as well: the machine does nothing else"
    )
    options = parser.parse_args()
    with harness.world(0) as world:
        rows, misses, slow = sweeps(world, options.timers, options.due, options.at_once)
        harness.print_table("Sweeps", ("", "measured", "target"), rows)
        head = ("", "statements", "more", "CPU ms", "against no policy")
        costly, dear = costs(world, options.requests, options.blocks)
        harness.print_table(
            "One ticket over the API; targets: create +3 and +40 %, a change of status +2, a hold with a comment +3",
            head,
            costly,
        )
    harness.end([*misses, *dear, *(slow if options.strict else [])])


if __name__ == "__main__":
    main()
