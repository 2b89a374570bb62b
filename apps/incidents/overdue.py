"""Raise the alarms of updates that are overdue. Reads what is due and nothing else, and may run any number of times at once.

One incident in one transaction, its lock first; what another process holds is skipped and found again.
"""

import math
import time
from datetime import datetime
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction

from apps.core import tenancy
from apps.incidents import update_clock
from apps.incidents.models import Incident, MajorUpdate
from apps.organizations.rounds import LIMIT_SECONDS, Timetable, go_round
from apps.tickets.models import Ticket

UPDATES, TICKETS = MajorUpdate._meta.db_table, Ticket._meta.db_table
# Of one organization in one run.
MOST = 500
DUE = Timetable({UPDATES: "next_alarm_at"})
CLAIM = f"""
SELECT k.id FROM {UPDATES} u JOIN {TICKETS} k ON k.organization_id = u.organization_id AND k.id = u.incident_id
WHERE u.organization_id = %(organization)s AND u.next_alarm_at <= %(now)s AND k.id <> ALL (%(failed)s)
ORDER BY u.next_alarm_at LIMIT 1 FOR UPDATE OF k SKIP LOCKED
"""  # noqa: S608 - our tables


def sweep(now: datetime) -> int:
    """Every alarm that is due by `now` (UTC); returns how many. Raises ExceptionGroup in the end, of all failures."""

    def visit(organization_id: UUID, until: float) -> int:
        return sweep_organization(organization_id, now, until=until)

    return sum(go_round("alarms", DUE.organizations(now), visit, limit_seconds=LIMIT_SECONDS))


def sweep_organization(organization_id: UUID, now: datetime, *, until: float = math.inf) -> int:
    """Incident by incident, those due longest first; one that fails keeps no other from its turn. Raises ExceptionGroup.

    None is begun after `until` (`time.monotonic`).
    """
    rung, failed = 0, dict[UUID, Exception]()
    while rung < MOST and time.monotonic() < until:
        held: list[UUID] = []
        try:
            with tenancy.tenant(organization_id, via="task"), transaction.atomic():
                held = _claim(organization_id, now, list(failed))
                rung += _ring(held[0], now) if held else 0
        except SoftTimeLimitExceeded:
            raise
        except Exception as failure:
            if not held:
                raise
            failure.add_note(f"incident {held[0]}")
            failed[held[0]] = failure
            continue
        if not held:
            break
    if failed:
        raise ExceptionGroup(f"alarms of {len(failed)} incidents failed", list(failed.values()))
    return rung


def _claim(organization_id: UUID, now: datetime, failed: list[UUID]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"organization": organization_id, "now": now, "failed": failed})
        return [row[0] for row in cursor.fetchall()]


def _ring(incident_id: UUID, now: datetime) -> int:
    """What is due of one locked incident, read anew now that nobody else can change it."""
    incident = Incident.objects.get(pk=incident_id)
    awaited = MajorUpdate.objects.filter(incident_id=incident_id, next_alarm_at__lte=now).first()
    if awaited is None:
        return 0
    if incident.is_deleted:
        # Nobody waits for an update of it; restored, its clock begins anew.
        update_clock.end(incident, now)
        return 0
    update_clock.ring(awaited, incident, now)
    return 1
