"""Tickets through the whole platform, against bare Django with the same statements and the same bytes.

N incidents (a million, unless told otherwise) in 20 tenants, made by `apps.incidents.load`; the one that is measured holds 30 %.
Two gunicorns with one synchronous worker each serve on loopback at the same time: the product as deployed, and
`bare_tickets.py`, whose docstring says what it leaves out. Blocks of requests alternate between the two (A B, B A, …), so that
what else the machine does falls on both. Each figure is the median of its blocks; CPU is the worker process's own, user and
system, without PostgreSQL and client.

Targets: at most 2.5 times the bare CPU per request on lists and detail, 3 times on create. Searches and counts are shown beside
a replay of their statements, which composes no answer: the difference in milliseconds is what to read there.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks import harness  # isort: skip - sets Django up
import psycopg
from django.core.signing import Signer
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from apps.core import proof, tenancy
from apps.core.api.pagination import SALT
from apps.incidents import load
from apps.tickets.models import SavedView, Ticket
from tests.benchmarks.bare_tickets import RECORDED

WARM_UP = 20
VIEWS: tuple[dict[str, Any], ...] = (
    {"phase__in": ["new", "open", "pending"]},
    {"status": "closed"},
    {"assignee": "none", "status": "new"},
    {"priority": 1},
    {"requester": "me"},
)


@dataclass(frozen=True)
class Case:
    """One request to the product and its like to the bare application."""

    name: str
    path: str
    bare: str
    target: float | None = None
    # What the best of the peers answers per second, on 100,000 tickets, in a pass of its own: the size of it.
    peer: str = ""
    body: dict[str, Any] | None = None

    @property
    def slug(self) -> str:
        return self.name.replace(",", "").replace(" ", "-")


@dataclass
class Measured:
    """One case on one server, block by block."""

    cpu: list[float] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


def fill(world: harness.World, tickets: int) -> None:
    """Through the load generator; the first tenant gets the greater part, and five saved views."""
    mine, at = int(tickets * harness.SHARE), timezone.now()
    started = time.monotonic()
    for seed, organization in enumerate(world.organizations):
        count = mine if seed == 0 else max(1, (tickets - mine) // (len(world.organizations) - 1))
        load.generate(organization.pk, count, seed=seed, at=at, comments=0.5, with_events=False)
    seconds = time.monotonic() - started
    print(f"loaded {tickets} tickets in {seconds:.0f} s, {tickets / seconds:.0f}/s")
    with tenancy.tenant(world.organization.pk), transaction.atomic():
        for number, filters in enumerate(VIEWS):
            SavedView.objects.create(
                organization_id=world.organization.pk,
                owner_id=world.session.user_id,
                name=f"View {number}",
                filters=filters,
                created_at=at,
                updated_at=at,
            )


def cases(world: harness.World) -> list[Case]:
    tenant = world.organization.pk
    with tenancy.tenant(tenant), transaction.atomic():
        closed = Ticket.objects.filter(status="closed").order_by("-opened_at", "-id")
        deep = closed[int(closed.count() * 0.9)]
        device = Ticket.objects.filter(title__contains="LT-").order_by("opened_at")[0]
    cursor = Signer(salt=SALT).sign_object(["-opened_at", 0, [deep.opened_at.isoformat(), str(deep.pk)]])
    rare = next(word for word in device.title.split() if word.startswith("LT-"))
    lists = "/api/v1/incidents/"
    new = {"title": "Printer on fire", "description": "Smoke from tray two.", "impact": 2, "urgency": 2}
    own = f"/{tenant}/incidents/"
    return [
        Case("create", lists, f"{own}create/", 3.0, "46 (Redmine)", new),
        Case("detail", f"{lists}{deep.pk}/", f"{own}{deep.pk}/", 2.5, "43 (Roundup)"),
        Case("list, newest 50 closed", f"{lists}?status=closed", f"{own}?status=closed", 2.5, "9 (Request Tracker)"),
        Case(
            "list, deep page",
            f"{lists}?status=closed&cursor={cursor}",
            f"{own}?status=closed&cursor={cursor}",
            2.5,
            "3.6 (Redmine)",
        ),
        *(
            Case(name, path, f"/replayed/{Case(name, '', '').slug}/", None, peer)
            for name, path, peer in (
                ("search, rare word", f"{lists}?search={rare}", "5.0 (Redmine)"),
                ("search, common word", f"{lists}?search=vpn", "5.0 (Redmine)"),
                ("search, two words and a filter", f"{lists}?search=printer+jams&status=new", "5.0 (Redmine)"),
                ("view counts", "/api/v1/views/counts/", ""),
            )
        ),
    ]


def record(world: harness.World, every: list[Case]) -> dict[str, Any]:
    """What the product sends to the database about tickets and answers, for the bare application."""
    proof.complete()
    told: dict[str, Any] = {"verbs": {}, "cases": {}, "requester": str(world.session.user_id)}
    client = Client(headers={"host": harness.HOST, "authorization": f"Bearer {world.access_token()}"})
    for case in every:
        if case.body is not None:
            # A small load has none that is new.
            made = client.post(case.path, case.body, content_type="application/json")
            told["verbs"]["new"] = made.json()["allowed_transitions"]
            continue
        statements: list[str] = []
        with connection.execute_wrapper(_noting(statements)):
            response = client.get(case.path)
        assert response.status_code == 200, response.content
        told["cases"][case.slug] = {"statements": statements, "body": response.content.decode()}
        body = response.json()
        for row in body.get("results", [body]):
            if "status" in row:
                # Of each record: how long ago it was closed decides too.
                told["verbs"][row["id"]] = row["allowed_transitions"]
    return told


def _noting(into: list[str]) -> Any:
    def note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if "tickets_" in sql:
            into.append(_written(sql, params))
        return execute(sql, params, many, context)

    return note


def _written(sql: str, params: Any) -> str:
    """With its values; the tenant, which the bare application does not set, beside what looks for it."""
    text = psycopg.ClientCursor(connection.connection).mogrify(sql, params) if params else sql
    tenant = tenancy.current_organization_id()
    return f"SELECT set_config('app.org_id', '{tenant}', false); {text}" if "tickets_hits" in text else text


def send(server: harness.Server, path: str, token: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
    if body is None:
        return server.get(path, token)
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        headers = {"Host": harness.HOST, "Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        kept.request("POST", path, json.dumps(body), headers)
        answer = kept.getresponse()
        return answer.status, answer.read()
    finally:
        kept.close()


def run_block(server: harness.Server, path: str, case: Case, token: str, requests: int) -> Measured:
    into, cpu, started = Measured(), server.cpu_seconds(), time.perf_counter()
    for _ in range(requests):
        sent = time.perf_counter()
        status, answer = send(server, path, token, case.body)
        into.latencies.append(time.perf_counter() - sent)
        assert status == (200 if case.body is None else 201), answer
    into.elapsed.append((time.perf_counter() - started) / requests)
    into.cpu.append((server.cpu_seconds() - cpu) / requests)
    return into


def measure(
    world: harness.World, servers: dict[str, harness.Server], every: list[Case], requests: int, blocks: int
) -> dict[str, dict[str, Measured]]:
    results: dict[str, dict[str, Measured]] = defaultdict(lambda: defaultdict(Measured))
    for case in every:
        addresses = {"product": case.path, "bare": case.bare}
        # Before anything is created.
        if case.body is None:
            bodies = {which: servers[which].get(path, world.access_token()) for which, path in addresses.items()}
            assert bodies["product"] == bodies["bare"], f"{case.name}: the answers differ: {bodies}"
    for case in every:
        addresses = {"product": case.path, "bare": case.bare}
        for which, path in addresses.items():
            run_block(servers[which], path, case, world.access_token(), min(WARM_UP, requests))
    for block in range(blocks):
        order = ("product", "bare") if block % 2 == 0 else ("bare", "product")
        for case in every:
            for which in order:
                path = case.path if which == "product" else case.bare
                one = run_block(servers[which], path, case, world.access_token(), max(1, requests // blocks))
                into = results[case.name][which]
                into.cpu += one.cpu
                into.elapsed += one.elapsed
                into.latencies += one.latencies
    return results


def report(every: list[Case], results: dict[str, dict[str, Measured]]) -> None:
    rows = []
    for case in every:
        measured = results[case.name]
        ratios = [a / b for a, b in zip(measured["product"].cpu, measured["bare"].cpu, strict=True)]
        for which in ("product", "bare"):
            m = measured[which]
            ours = which == "product"
            rows.append(
                (
                    f"{case.name}: {which}",
                    f"{1 / statistics.median(m.elapsed):.0f}",
                    harness.milliseconds(harness.p50(m.latencies)),
                    harness.milliseconds(harness.p95(m.latencies)),
                    harness.milliseconds(statistics.median(m.cpu)),
                    f"{statistics.median(ratios):.2f} x" if ours else "",
                    f"{case.target} x" if ours and case.target else "",
                    case.peer if ours else "",
                )
            )
    head = ("", "requests/s", "p50 ms", "p95 ms", "CPU ms/request", "CPU ratio", "target", "best peer, requests/s")
    harness.print_table("Tickets over HTTP, one worker, one client", head, rows)
    print("\nthe peers' figures are of another pass, at 8 clients, on 100,000 tickets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickets", type=int, default=1_000_000, help="in all tenants together")
    parser.add_argument("--requests", type=int, default=500, help="per case and server")
    parser.add_argument("--blocks", type=int, default=10, help="turns that they are divided into")
    options = parser.parse_args()
    with harness.world(0) as world, tempfile.TemporaryDirectory() as folder:
        fill(world, options.tickets)
        every = cases(world)
        told = Path(folder) / "recorded.json"
        told.write_text(json.dumps(record(world, every)))
        environment = {"TEST_DATABASE_NAME": world.database, RECORDED: str(told)}
        product = harness.served("itsm_project.wsgi:application", DATABASE_ROLE="app", **environment)
        bare = harness.served(
            "django.core.wsgi:get_wsgi_application()",
            DATABASE_ROLE="migrator",
            DJANGO_SETTINGS_MODULE="tests.benchmarks.bare_tickets_settings",
            **environment,
        )
        with product as ours, bare as plain:
            print(
                f"{options.tickets} tickets in {harness.TENANTS} tenants, {options.requests} requests per case and server"
            )
            servers = {"product": ours, "bare": plain}
            report(every, measure(world, servers, every, options.requests, options.blocks))


if __name__ == "__main__":
    main()
