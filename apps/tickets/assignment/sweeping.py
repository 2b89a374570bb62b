"""What time brings to assignment, organization by organization, each ticket or batch in a transaction of its own."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from apps.core import tenancy
from apps.organizations.rounds import LIMIT_SECONDS, active_organization_ids, go_round
from apps.tickets.assignment import draining, offers, waiting
from apps.tickets.models import AssignmentQueue, Ticket

# Of one team in one run: one that has much does not keep the others waiting.
MOST_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Swept:
    """How many tickets were passed on to somebody else, and how many found somebody."""

    passed_on: int = 0
    given: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(self.passed_on + other.passed_on, self.given + other.given)


@dataclass(frozen=True, slots=True)
class Queue:
    """How much waits in all organizations together, and for how long the oldest has."""

    waiting: int
    oldest_seconds: int


def status(at: datetime) -> Queue:
    """Of every active organization, counted in its own tenant."""
    ages = []
    for organization_id in active_organization_ids():
        with tenancy.tenant(organization_id, via="task"), transaction.atomic():
            ages += waiting.ages(Ticket.objects.all(), at)
    return Queue(sum(age.count for age in ages), max((age.oldest_seconds for age in ages), default=0))


def sweep(at: datetime) -> Swept:
    """Everything due by `at` (UTC). Raises ExceptionGroup in the end, of all failures."""

    def visit(organization_id: UUID, until: float) -> Swept:
        return sweep_organization(organization_id, at, until=until)

    return sum(go_round("assignment", active_organization_ids(), visit, limit_seconds=LIMIT_SECONDS), Swept())


def sweep_organization(organization_id: UUID, at: datetime, *, until: float = math.inf) -> Swept:
    """First what people cannot or will not do goes back, then everything that waits is given out, to those who are there.

    One ticket or team that fails keeps no other from its turn. Raises ExceptionGroup in the end, of all failures. None is begun
    after `until` (`time.monotonic`).
    """
    with tenancy.tenant(organization_id, via="task"), transaction.atomic():
        if not AssignmentQueue.objects.filter(is_active=True).exists():
            return Swept()
        due = [(ticket_id, because) for because, ask in offers.DUE.items() for ticket_id in ask(at, None)]
    failures: list[Exception] = []
    passed_on = given = 0
    for ticket_id, because in due:
        if time.monotonic() >= until:
            break
        with (
            _noting(failures, f"ticket {ticket_id}"),
            tenancy.tenant(organization_id, via="task"),
            transaction.atomic(),
        ):
            passed_on += offers.pass_on(ticket_id, because=because, at=at)
    with tenancy.tenant(organization_id, via="task"), transaction.atomic():
        teams = draining.teams_with_waiting()
    for team_id in teams:
        with _noting(failures, f"team {team_id}"):
            given += _drain(organization_id, team_id, at, until)
    if failures:
        raise ExceptionGroup(f"assignment failed for {len(failures)} tickets or teams", failures)
    return Swept(passed_on, given)


@contextmanager
def _noting(failures: list[Exception], what: str) -> Iterator[None]:
    try:
        yield
    except SoftTimeLimitExceeded:
        raise
    except Exception as failure:
        failure.add_note(what)
        failures.append(failure)


def _drain(organization_id: UUID, team_id: UUID, at: datetime, until: float) -> int:
    given = 0
    for _ in range(MOST_ROUNDS):
        if time.monotonic() >= until:
            break
        with tenancy.tenant(organization_id, via="task"), transaction.atomic():
            found = draining.drain(team_id, at=at)
        given += found
        if found < draining.MOST_GIVEN:
            break
    return given
