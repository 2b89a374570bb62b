from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall

# What was on hold or resolved before there were countdowns: each is counted by the first sweep, because nobody's terms have yet.
BEGIN = """
INSERT INTO tickets_countdown (id, organization_id, ticket_id, purpose, since, given, due_at, counted_by)
SELECT gen_random_uuid(), t.organization_id, t.id, 'closing', t.resolved_at, 0, NULL, ''
FROM tickets_ticket t WHERE t.phase = 'resolved' AND t.deleted_at IS NULL
UNION ALL
SELECT gen_random_uuid(), t.organization_id, t.id,
    CASE t.hold_reason WHEN 'awaiting_requester' THEN 'asking' ELSE 'until' END,
    COALESCE((
        SELECT max(e.at) FROM audit_event e
        WHERE e.organization_id = t.organization_id AND e.subject_id = t.id AND e.name = t.kind || '.put_on_hold'
    ), t.updated_at),
    0, CASE t.hold_reason WHEN 'awaiting_requester' THEN NULL ELSE t.hold_until END, ''
FROM tickets_ticket t
WHERE t.phase = 'pending' AND t.deleted_at IS NULL AND (t.hold_reason = 'awaiting_requester' OR t.hold_until IS NOT NULL)
"""


class Migration(migrations.Migration):
    dependencies = [("tickets", "0007_closing"), ("audit", "0005_capture_by_statement")]
    operations = [
        Wall("ClosingSettings", "Countdown"),
        CaptureRows("ClosingSettings"),
        migrations.RunSQL(BEGIN, migrations.RunSQL.noop),
    ]
