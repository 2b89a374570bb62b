"""What a list and a detail cost through the whole platform, against bare Django with the same statement and bytes.

Two gunicorns with one synchronous worker each serve on loopback at the same time: the product as deployed (all middlewares,
token, session row, grants, tenant's transaction, row-level security, log line) and `bare.py`, whose docstring says what it
leaves out. Blocks of requests alternate between them (A B, B A, …), so that what else the machine does falls on both. Each
figure is the median of its blocks; CPU is the worker process's own, user and system, without PostgreSQL and client.

Target: at most 2.5 times the bare CPU per request, on list and on detail; better, 1.5.
"""

import argparse
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field

from tests.benchmarks import harness  # isort: skip - sets Django up
from django.core.signing import Signer
from django.db import transaction

from apps.core import tenancy
from apps.core.api.pagination import SALT
from apps.organizations.models import Site

TARGET, MOONSHOT = 2.5, 1.5
WARM_UP = 50


@dataclass
class Measured:
    """One case on one server, block by block."""

    cpu: list[float] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


def paths(world: harness.World) -> dict[str, dict[str, str]]:
    """For each case, where each server has it."""
    organization_id = world.organization.pk
    with tenancy.tenant(organization_id), transaction.atomic():
        sites = Site.objects.order_by("name", "id")
        deep = sites[int(sites.count() * 0.9) - 60]
    cursor = Signer(salt=SALT).sign_object(["name", 0, [deep.name, str(deep.pk)]])
    cases = {"list, first page": "sites/", "list, deep page": f"sites/?cursor={cursor}", "detail": f"sites/{deep.pk}/"}
    return {name: {"product": f"/api/v1/{path}", "bare": f"/{organization_id}/{path}"} for name, path in cases.items()}


def run_block(server: harness.Server, path: str, token: str, requests: int, into: Measured) -> None:
    cpu, started = server.cpu_seconds(), time.perf_counter()
    for _ in range(requests):
        sent = time.perf_counter()
        status, _ = server.get(path, token)
        into.latencies.append(time.perf_counter() - sent)
        assert status == 200, status
    into.elapsed.append((time.perf_counter() - started) / requests)
    into.cpu.append((server.cpu_seconds() - cpu) / requests)


def measure(
    world: harness.World, servers: dict[str, harness.Server], requests: int, blocks: int
) -> dict[str, dict[str, Measured]]:
    cases = paths(world)
    results: dict[str, dict[str, Measured]] = defaultdict(lambda: defaultdict(Measured))
    for name, addresses in cases.items():
        bodies = {which: servers[which].get(path, world.access_token()) for which, path in addresses.items()}
        assert bodies["product"] == bodies["bare"], f"{name}: the answers differ: {bodies}"
        for which, path in addresses.items():
            run_block(servers[which], path, world.access_token(), min(WARM_UP, requests), Measured())
    for block in range(blocks):
        order = ("product", "bare") if block % 2 == 0 else ("bare", "product")
        for name, addresses in cases.items():
            for which in order:
                per_block = max(1, requests // blocks)
                run_block(servers[which], addresses[which], world.access_token(), per_block, results[name][which])
    return results


def report(results: dict[str, dict[str, Measured]]) -> None:
    rows = []
    for name, measured in results.items():
        ratios = [a / b for a, b in zip(measured["product"].cpu, measured["bare"].cpu, strict=True)]
        for which in ("product", "bare"):
            m = measured[which]
            rows.append(
                (
                    f"{name}: {which}",
                    f"{1 / statistics.median(m.elapsed):.0f}",
                    harness.milliseconds(harness.p50(m.latencies)),
                    harness.milliseconds(harness.p95(m.latencies)),
                    harness.milliseconds(statistics.median(m.cpu)),
                    f"{statistics.median(ratios):.2f} x" if which == "product" else "",
                )
            )
    harness.print_table(
        "List of 50 and detail over HTTP, one worker, one client",
        ("", "requests/s", "p50 ms", "p95 ms", "CPU ms/request", "CPU ratio"),
        rows,
    )
    print(f"\ntarget: at most {TARGET} x, better {MOONSHOT} x; bare is described in tests/benchmarks/bare.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="sites in all tenants together")
    parser.add_argument("--requests", type=int, default=2_000, help="requests per case and server")
    parser.add_argument("--blocks", type=int, default=10, help="turns that they are divided into")
    options = parser.parse_args()
    with harness.world(options.rows) as world:
        environment = {"TEST_DATABASE_NAME": world.database}
        product = harness.served("itsm_project.wsgi:application", DATABASE_ROLE="app", **environment)
        bare = harness.served(
            "django.core.wsgi:get_wsgi_application()",
            DATABASE_ROLE="migrator",
            DJANGO_SETTINGS_MODULE="tests.benchmarks.bare_settings",
            **environment,
        )
        with product as ours, bare as plain:
            print(f"{options.rows} rows in {harness.TENANTS} tenants, {options.requests} requests per case and server")
            report(measure(world, {"product": ours, "bare": plain}, options.requests, options.blocks))


if __name__ == "__main__":
    main()
