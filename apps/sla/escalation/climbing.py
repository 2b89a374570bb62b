"""Take the steps that are due, and tell what was kept. Reads what is due and nothing else, and may run any number of times at once.

One ticket in one transaction, its lock first; what another process holds is skipped and found again. Where much was down a step is
late, and the next one still waits its time from then on: whoever is called has their minutes.
"""

import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction

from apps.core import events, tenancy
from apps.core.errors import NotFound
from apps.organizations.rounds import LIMIT_SECONDS, Timetable, go_round
from apps.sla.choices import RunEnd
from apps.sla.escalation import carrying, chains, notices
from apps.sla.events import CLIMBED
from apps.sla.models import EscalationFiring, EscalationRun, Notice
from apps.tickets import services
from apps.tickets.models import Ticket

RUNS, NOTICES, TICKETS = EscalationRun._meta.db_table, Notice._meta.db_table, Ticket._meta.db_table
# Of one organization in one run.
MOST = 2_000
# A step that is later than this has lost its place in the timetable; the others follow from when it was taken.
LATE = timedelta(seconds=60)
DUE = Timetable({RUNS: "next_due_at", NOTICES: "next_at"})
CLAIM = f"""
SELECT k.id FROM (
    SELECT ticket_id, min(due) AS due FROM (
        SELECT ticket_id, next_due_at AS due FROM {RUNS}
        WHERE organization_id = %(organization)s AND next_due_at <= %(now)s
        UNION ALL SELECT ticket_id, next_at FROM {NOTICES}
        WHERE organization_id = %(organization)s AND next_at <= %(now)s
    ) late WHERE ticket_id <> ALL(%(failed)s) GROUP BY ticket_id
) d JOIN {TICKETS} k ON k.organization_id = %(organization)s AND k.id = d.ticket_id
ORDER BY d.due LIMIT 1 FOR UPDATE OF k SKIP LOCKED
"""  # noqa: S608 - our tables


@dataclass(frozen=True, slots=True)
class Climbed:
    """What one run did."""

    steps: int = 0
    people: int = 0

    def __add__(self, other: "Climbed") -> "Climbed":
        return Climbed(self.steps + other.steps, self.people + other.people)


def climb(now: datetime) -> Climbed:
    """Everything that is due by `now` (UTC). Raises ExceptionGroup in the end, of all failures."""

    def visit(organization_id: UUID, until: float) -> Climbed:
        return climb_organization(organization_id, now, until=until)

    return sum(go_round("escalation", DUE.organizations(now), visit, limit_seconds=LIMIT_SECONDS), Climbed())


def climb_organization(organization_id: UUID, now: datetime, *, until: float = math.inf) -> Climbed:
    """Ticket by ticket, those due longest first; one that fails keeps no other from its turn. Raises ExceptionGroup.

    None is begun after `until` (`time.monotonic`).
    """
    steps, people = 0, 0
    failed: dict[UUID, Exception] = {}
    while steps + people < MOST and time.monotonic() < until:
        held: list[UUID] = []
        try:
            with tenancy.tenant(organization_id, via="task"), transaction.atomic():
                held = _claim(organization_id, now, list(failed))
                done = _climb(held[0], organization_id, now) if held else Climbed()
        except SoftTimeLimitExceeded:
            raise
        except Exception as failure:
            if not held:
                raise
            failure.add_note(f"ticket {held[0]}")
            failed[held[0]] = failure
            continue
        if not held:
            break
        steps, people = steps + done.steps, people + done.people
    if failed:
        raise ExceptionGroup(f"escalation failed on {len(failed)} tickets", list(failed.values()))
    return Climbed(steps, people)


def _claim(organization_id: UUID, now: datetime, failed: list[UUID]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"organization": organization_id, "now": now, "failed": failed})
        return [row[0] for row in cursor.fetchall()]


def _climb(ticket_id: UUID, organization_id: UUID, now: datetime) -> Climbed:
    """What is due of one locked ticket, read anew now that nobody else can change it."""
    actor = chains.platform(organization_id)
    due = EscalationRun.objects.filter(ticket_id=ticket_id, next_due_at__lte=now).select_related(
        "policy", "calendar_version"
    )
    runs = list(due.order_by("next_due_at", "id"))
    try:
        ticket = services.lock(ticket_id, actor=actor)
    except NotFound:
        # Deleted, and its chains with it; what was kept is told to nobody.
        chains.end(runs, Ticket.objects.get(pk=ticket_id), RunEnd.FINISHED, at=now, actor=actor)
        Notice.objects.filter(ticket_id=ticket_id).update(next_at=None, held=[])
        return Climbed()
    people = notices.release(ticket, at=now, actor=actor)
    for run in runs:
        take_step(run, ticket, now)
    return Climbed(len(runs), people)


def take_step(run: EscalationRun, ticket: Ticket, now: datetime) -> None:
    """The step of a run that is due, on a locked ticket, and what comes after it."""
    actor = chains.platform(run.organization_id)
    if not run.policy.is_active:
        chains.end([run], ticket, RunEnd.WITHDRAWN, at=now, actor=actor)
        return
    step, number, due = run.steps[run.next_step], run.next_step + 1, run.next_due_at or now
    why = f"{run.policy}, step {number} of {len(run.steps)}"
    carried = carrying.carry_out(ticket.pk, step["actions"], carrying.Doing(actor, now, why, is_of_chain=True))
    event = events.record(
        CLIMBED,
        ticket,
        actor=actor,
        at=now,
        policy=str(run.policy_id),
        policy_name=run.policy.name,
        run=str(run.pk),
        step=number,
        steps=len(run.steps),
        round=run.next_round,
        due_at=due,
        done=carried.done,
        left_out=carried.left_out,
        reached=[str(user_id) for user_id in carried.people],
    )
    EscalationFiring.objects.create(
        organization_id=run.organization_id,
        run=run,
        step=run.next_step,
        round=run.next_round,
        due_at=due,
        fired_at=now,
        event_id=event.id,
    )
    _advance(run, ticket, due, now, is_in_vain=carried.is_in_vain)


def _advance(run: EscalationRun, ticket: Ticket, due: datetime, now: datetime, *, is_in_vain: bool) -> None:
    """A step that was to reach people and reached nobody is not waited for."""
    base = due if now - due < LATE else now
    step = run.steps[run.next_step]
    if run.next_round < step.get("repeats", 0) and not is_in_vain:
        run.next_round += 1
        minutes = step["repeat_minutes"]
    else:
        run.next_step, run.next_round = run.next_step + 1, 0
        if run.next_step == len(run.steps):
            chains.end([run], ticket, RunEnd.EXHAUSTED, at=now, actor=chains.platform(run.organization_id))
            EscalationRun.objects.filter(pk=run.pk).update(next_step=run.next_step, next_round=0)
            return
        minutes = 0 if is_in_vain else run.steps[run.next_step]["after_minutes"]
    run.next_due_at = chains.later(base, minutes, run.calendar_version)
    run.save(update_fields=["next_step", "next_round", "next_due_at"])
