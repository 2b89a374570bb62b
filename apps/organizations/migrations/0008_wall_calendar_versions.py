from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall

# A version is what was counted by; a row of it that changed would make yesterday's deadlines inexplicable.
REFUSE_CHANGE = """
CREATE TRIGGER refuse_change BEFORE UPDATE ON organizations_calendarversion
FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
"""
EXTENDED_HOURS = """
INSERT INTO organizations_businesscalendar
    (id, organization_id, name, time_zone, windows, exceptions, created_at, updated_at, version)
SELECT gen_random_uuid(), id, 'Extended hours', time_zone,
       (SELECT jsonb_agg(jsonb_build_object('weekday', day, 'start', '08:00', 'end', '20:00'))
        FROM generate_series(0, 4) AS day),
       '[]', now(), now(), 1
FROM organizations_organization WHERE deleted_at IS NULL
ON CONFLICT DO NOTHING;
"""
FIRST_VERSIONS = """
INSERT INTO organizations_calendarversion (id, organization_id, calendar_id, number, time_zone, windows, exceptions, created_at)
SELECT gen_random_uuid(), organization_id, id, 1, time_zone, windows, exceptions, created_at
FROM organizations_businesscalendar;
"""


class Migration(migrations.Migration):
    """Organizations that were there before have the third built-in calendar too, and every calendar its hours as version 1."""

    dependencies = [("organizations", "0007_calendar_versions"), ("audit", "0002_wall")]
    operations = [
        Wall("CalendarVersion"),
        CaptureRows("CalendarVersion"),
        migrations.RunSQL(REFUSE_CHANGE, migrations.RunSQL.noop),
        migrations.RunSQL(EXTENDED_HOURS, migrations.RunSQL.noop),
        migrations.RunSQL(FIRST_VERSIONS, migrations.RunSQL.noop),
    ]
