from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import ShowToSystem, Wall

# Major incidents whose clock runs go on with the promise that they show.
PROMISE = """
INSERT INTO incidents_majorupdate
    (id, organization_id, incident_id, promised_at, due_at, interval_minutes, outcome, alarms, next_alarm_at)
SELECT gen_random_uuid(), i.tenant, i.ticket_ptr_id, i.next_update_due_at - make_interval(mins => i.update_interval_minutes),
       i.next_update_due_at, i.update_interval_minutes, 'awaited', 0, i.next_update_due_at + interval '1 second'
FROM incidents_incident i JOIN tickets_ticket t ON t.id = i.ticket_ptr_id
WHERE i.next_update_due_at IS NOT NULL AND t.deleted_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("incidents", "0005_majors"), ("audit", "0005_capture_by_statement")]
    operations = [
        Wall("MajorUpdate", "Handover", "MajorRule"),
        CaptureRows("MajorRule"),
        ShowToSystem("MajorUpdate", ["organization_id", "id", "next_alarm_at"]),
        migrations.RunSQL(PROMISE, migrations.RunSQL.noop),
    ]
