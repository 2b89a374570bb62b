from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import ShowToSystem, Wall

# Major incidents whose clock runs go on with the promise that they show.
PROMISE = """
INSERT INTO incidents_majorupdate
    (id, organization_id, incident_id, promised_at, due_at, interval_minutes, outcome, alarms, next_alarm_at)
SELECT gen_random_uuid(), tenant, ticket_ptr_id, next_update_due_at - make_interval(mins => update_interval_minutes),
       next_update_due_at, update_interval_minutes, 'awaited', 0, next_update_due_at + interval '1 second'
FROM incidents_incident WHERE next_update_due_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("incidents", "0005_majors")]
    operations = [
        Wall("MajorUpdate", "Handover", "MajorRule"),
        CaptureRows("MajorRule"),
        ShowToSystem("MajorUpdate", ["organization_id", "id", "next_alarm_at"]),
        migrations.RunSQL(PROMISE, migrations.RunSQL.noop),
    ]
