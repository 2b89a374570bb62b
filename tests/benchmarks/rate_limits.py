"""What the rate limiter costs a request: the limiter alone, against a detail through the whole platform in the same process.

Both are called in turns within one run (A B, B A, …), without HTTP servers between, so that only their ratio matters: the
limiter is one round trip to Redis by a script that Redis keeps. The third figure is the limiter while Redis is away.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from uuid import uuid4

from tests.benchmarks import harness  # isort: skip - sets Django up
from django.conf import settings
from django.db import transaction
from django.test import Client

from apps.core import limits, proof, tenancy
from apps.core.limits import Limit
from apps.organizations.models import Site

LIMIT = Limit("benchmark", 1_000_000, 60)


def seconds_each(call: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def request(world: harness.World) -> Callable[[], object]:
    """A detail as a client asks for it."""
    with tenancy.tenant(world.organization.pk), transaction.atomic():
        url = f"/api/v1/sites/{Site.objects.order_by('id').first().pk}/"
    client, token = Client(), world.access_token()

    def ask() -> object:
        answer = client.get(url, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.content
        return answer

    return ask


def report(requests: list[float], limiter: list[float], local: list[float]) -> None:
    whole = statistics.median(requests)
    rows = [
        ("detail, limiter included", harness.milliseconds(whole), ""),
        (
            "limiter, Redis",
            harness.milliseconds(statistics.median(limiter)),
            f"{statistics.median(limiter) / whole:.3f}",
        ),
        (
            "limiter, Redis away",
            harness.milliseconds(statistics.median(local)),
            f"{statistics.median(local) / whole:.3f}",
        ),
    ]
    harness.print_table("The rate limiter's share of a request", ("", "ms", "share"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000, help="of each kind")
    parser.add_argument("--blocks", type=int, default=10, help="turns that they are divided into")
    options = parser.parse_args()
    who, per_block = str(uuid4()), max(1, options.requests // options.blocks)
    requests, limiter, local = [], [], []
    with harness.world(100) as world:
        proof.complete()
        ask = request(world)
        ask()
        for _ in range(options.blocks):
            requests.append(seconds_each(ask, per_block))
            limiter.append(seconds_each(lambda: limits.admit(LIMIT, who), per_block))
            limits._breaker.trip()
            local.append(seconds_each(lambda: limits.admit(LIMIT, who), per_block))
            limits._breaker.close()
    print(f"{options.requests} of each, limits in force: {settings.RATE_LIMITS or 'the defaults'}")
    report(requests, limiter, local)


if __name__ == "__main__":
    main()
