from django.db import migrations

from apps.core.wall.operations import Door
from apps.core.wall.roles import SYSTEM

# What waits, and how long: numbers and times of teams, of tickets nothing. A suspended organization waits for nobody.
WAITING = """
SELECT k.organization_id, k.team_id, count(*), min(COALESCE(p.waiting_since, k.opened_at))
FROM tickets_assignmentqueue q
JOIN organizations_organization o ON o.id = q.organization_id AND o.deleted_at IS NULL AND o.status = 'active'
JOIN organizations_team t ON t.organization_id = q.organization_id AND t.id = q.team_id AND t.deleted_at IS NULL
JOIN tickets_ticket k ON k.organization_id = q.organization_id AND k.team_id = q.team_id AND k.assignee_id IS NULL
    AND k.deleted_at IS NULL AND k.phase IN ('new', 'open') AND k.merged_into_id IS NULL
LEFT JOIN tickets_placement p ON p.organization_id = k.organization_id AND p.ticket_id = k.id
WHERE q.is_active GROUP BY k.organization_id, k.team_id
"""
# One probe of the index of what is due for each active organization and purpose, whatever else is counted down.
DUE = """
SELECT p.purpose, sum(d.tickets)::bigint, min(d.oldest)
FROM organizations_organization o
CROSS JOIN (VALUES ('until'), ('asking'), ('closing')) p (purpose)
CROSS JOIN LATERAL (
    SELECT count(*) AS tickets, min(c.due_at) AS oldest FROM tickets_countdown c
    WHERE c.organization_id = o.id AND c.purpose = p.purpose AND c.due_at <= wanted
) d
WHERE o.deleted_at IS NULL AND o.status = 'active' GROUP BY p.purpose
"""
# Organizations older than the terms: they count by their office hours, as those that came later do. A row that nobody has changed and
# that names no calendar was made by the first who read it.
MISSING = """
WITH office AS (
    SELECT DISTINCT ON (organization_id) organization_id, id FROM organizations_businesscalendar
    WHERE name = 'Office hours' ORDER BY organization_id, created_at, id
)
INSERT INTO tickets_closingsettings (
    id, organization_id, calendar_id, created_at, updated_at, version, answer_days, remind_after, resolve_after,
    close_days, warn_after, close_after, reopen_days, reopen_within, reply_reopens, ignores_thanks
)
SELECT gen_random_uuid(), o.id, office.id, now(), now(), 1, 'business', '{2,4}', 7,
    'business', 3, 5, 'calendar', 14, true, false
FROM organizations_organization o LEFT JOIN office ON office.organization_id = o.id
ON CONFLICT (organization_id) DO UPDATE SET calendar_id = EXCLUDED.calendar_id, version = 2, updated_at = now()
WHERE tickets_closingsettings.version = 1 AND tickets_closingsettings.calendar_id IS NULL
    AND EXCLUDED.calendar_id IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("tickets", "0010_recalled"), ("organizations", "0011_active_door")]
    operations = [
        Door(
            "assignment_waiting()",
            "TABLE (organization_id uuid, team_id uuid, tickets bigint, oldest timestamptz)",
            WAITING,
            reads=["tickets_assignmentqueue", "organizations_team", "tickets_ticket", "tickets_placement"],
            callers=[SYSTEM],
        ),
        Door(
            "countdowns_due(wanted timestamptz)",
            "TABLE (purpose text, tickets bigint, oldest timestamptz)",
            DUE,
            reads=["organizations_organization", "tickets_countdown"],
            callers=[SYSTEM],
        ),
        migrations.RunSQL(MISSING, migrations.RunSQL.noop),
    ]
