from django.db import migrations

from apps.core.wall.operations import Door
from apps.core.wall.roles import SYSTEM

# As apps.tickets.assignment.waiting counts it in one organization.
WAITING = """
SELECT k.organization_id, k.team_id, count(*), min(COALESCE(p.waiting_since, k.opened_at))
FROM tickets_assignmentqueue q
JOIN organizations_team t ON t.organization_id = q.organization_id AND t.id = q.team_id AND t.deleted_at IS NULL
JOIN tickets_ticket k ON k.organization_id = q.organization_id AND k.team_id = q.team_id AND k.assignee_id IS NULL
    AND k.deleted_at IS NULL AND k.phase IN ('new', 'open') AND k.merged_into_id IS NULL
LEFT JOIN tickets_placement p ON p.organization_id = k.organization_id AND p.ticket_id = k.id
WHERE q.is_active GROUP BY k.organization_id, k.team_id
"""


class Migration(migrations.Migration):
    dependencies = [("tickets", "0008_wall_closing")]
    operations = [
        Door(
            "assignment_waiting()",
            "TABLE (organization_id uuid, team_id uuid, tickets bigint, oldest timestamptz)",
            WAITING,
            reads=["tickets_assignmentqueue", "organizations_team", "tickets_ticket", "tickets_placement"],
            callers=[SYSTEM],
        )
    ]
