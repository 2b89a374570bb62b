"""T11: what the two walls between tenants cost a request's worth of ten queries.

A transaction of ten typical queries on tables of 100,000 rows in 20 tenants, run in turns

- with both walls: as `itsm_app`, the tenant set at BEGIN, row-level security on every table, and the tenant as a literal in
  every queryset;
- without either: the same querysets on the same tables as `itsm_migrator`, which row-level security does not bind, no tenant
  set and none in any queryset, and no check before each statement.

Driver and planner settings are alike, so that only the walls differ; without a tenant BEGIN is Django's own. The list without
tenant gets an index of its own, (name, id), so that it is as fast as it can be. Both sides write with row capture, which is
the audit's price and not the wall's.

It is measured twice: through the ORM with a commit, as a request has it, and as the very statements that the ORM sent, ready
made and rolled back, which leaves out what building another condition into each queryset costs in Python.

Printed are the medians of elapsed time, PostgreSQL's work included, and of this process's CPU. The turns alternate (A B, B A).

Target: at most 20 % and at most 0.3 ms more at the median.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.benchmarks import harness  # isort: skip - sets Django up
import psycopg
from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from apps.core import tenancy
from apps.core.wall.roles import PLANNER
from apps.organizations.models import CostCentre, Organization, Site
from apps.users.models import Session
from tests import databases

TARGET_PERCENT, TARGET_MILLISECONDS = 20, 0.3
BARE = "unwalled"
WARM_UP = 50


@dataclass
class Measured:
    elapsed: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def connect_without_walls(database: str) -> None:
    """The alias BARE: the migrator's login, and nothing that looks for a tenant."""
    login = settings.DATABASE_LOGINS["migrator"]
    planner = " ".join(f"-c {name}={value}" for name, value in PLANNER.items())
    connections.settings[BARE] = {
        **connections.settings["default"],
        **{key: login[key] for key in ("USER", "PASSWORD", "HOST", "PORT")},
        "NAME": database,
        "OPTIONS": {"options": planner},
    }
    connections[BARE].execute_wrappers.clear()


def ten_queries(alias: str, world: harness.World, sites: list[Site], turn: int) -> None:
    """Who asks and where, seven reads, a list of 50 among them, then an insert and an update."""
    Session.objects.using(alias).select_related("user").get(pk=world.session.pk)
    Organization.objects.using(alias).get(pk=world.organization.pk)
    for offset in range(5):
        Site.objects.using(alias).get(pk=sites[(turn + offset) % len(sites)].pk)
    assert len(Site.objects.using(alias).order_by("name", "id")[:50]) == 50
    at = timezone.now()
    CostCentre(
        organization_id=world.organization.pk, code=f"{alias} {turn}", name="Costs", created_at=at, updated_at=at
    ).save(force_insert=True, using=alias)
    changed = Site.objects.using(alias).filter(pk=sites[turn % len(sites)].pk).update(address=f"{turn} {alias} Street")
    assert changed == 1


def run(work: Callable[[], None], into: Measured) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    work()
    into.cpu.append(time.process_time() - cpu)
    into.elapsed.append(time.perf_counter() - started)


@contextmanager
def both_walls(world: harness.World) -> Iterator[None]:
    context = tenancy.TenantContext(world.organization.pk, world.session.user_id, "bench", "api")
    with tenancy.enter(context), transaction.atomic():
        yield


def no_wall(world: harness.World) -> transaction.Atomic:
    return transaction.atomic(using=BARE)


SIDES = {"both walls": ("default", both_walls), "no wall": (BARE, no_wall)}


def statements_of(world: harness.World, sites: list[Site]) -> dict[str, list[tuple[str, Any]]]:
    """What the ORM sends for one turn on each side."""
    sent: dict[str, list[tuple[str, Any]]] = {name: [] for name in SIDES}
    for name, (alias, entered) in SIDES.items():
        with entered(world), connections[alias].execute_wrapper(partial(note, sent[name])):
            ten_queries(alias, world, sites, -1)
            transaction.set_rollback(True, using=alias)
    return sent


def note(into: list[tuple[str, Any]], execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
    into.append((sql, params))
    return execute(sql, params, *rest)


def replay(alias: str, statements: list[tuple[str, Any]]) -> None:
    for sql, params in statements:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql, params)
            if cursor.description:
                cursor.fetchall()
    transaction.set_rollback(True, using=alias)


def measure(world: harness.World, rounds: int) -> dict[str, dict[str, Measured]]:
    with both_walls(world):
        sites = list(Site.objects.order_by("id")[:500])
    statements = statements_of(world, sites)

    def through_the_orm(name: str, turn: int) -> None:
        alias, entered = SIDES[name]
        with entered(world):
            ten_queries(alias, world, sites, turn)

    def ready_made(name: str, turn: int) -> None:
        alias, entered = SIDES[name]
        with entered(world):
            replay(alias, statements[name])

    ways = {"through the ORM": through_the_orm, "ready made": ready_made}
    results = {way: {name: Measured() for name in SIDES} for way in ways}
    for turn in range(WARM_UP + rounds):
        order = list(SIDES) if turn % 2 == 0 else list(reversed(SIDES))
        for way, work in ways.items():
            for name in order:
                run(partial(work, name, turn), results[way][name] if turn >= WARM_UP else Measured())
    return results


def report(results: dict[str, dict[str, Measured]]) -> None:
    rows = [
        (
            f"{way}: {name}",
            harness.milliseconds(harness.p50(measured.elapsed)),
            harness.milliseconds(harness.p95(measured.elapsed)),
            harness.milliseconds(harness.p50(measured.cpu)),
        )
        for way, sides in results.items()
        for name, measured in sides.items()
    ]
    harness.print_table("A transaction of ten queries", ("", "p50 ms", "p95 ms", "CPU ms (p50, client)"), rows)
    print()
    for way, sides in results.items():
        with_, without = (harness.p50(sides[name].elapsed) for name in SIDES)
        difference = f"{(with_ - without) * 1000:+.3f} ms, {(with_ / without - 1) * 100:+.1f} %"
        print(f"{way}, the walls cost at p50: {difference}")
    print(f"target: at most +{TARGET_MILLISECONDS} ms and +{TARGET_PERCENT} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="sites in all tenants together")
    parser.add_argument("--rounds", type=int, default=2_000, help="transactions on each side")
    options = parser.parse_args()
    with harness.world(options.rows) as world:
        with psycopg.connect(databases.admin_dsn(world.database), autocommit=True) as admin:
            admin.execute("CREATE INDEX bench_site_name ON organizations_site (name, id)")
            admin.execute("ANALYZE")
        connect_without_walls(world.database)
        print(f"{options.rows} rows in {harness.TENANTS} tenants, {options.rounds} transactions on each side")
        report(measure(world, options.rounds))


if __name__ == "__main__":
    main()
