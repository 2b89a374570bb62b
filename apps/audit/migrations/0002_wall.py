from django.db import migrations

from apps.audit.capture import FUNCTION
from apps.core.wall.operations import ShowToSystem, Wall


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial"), ("core", "0002_wall")]
    operations = [
        Wall("Event", "Dispatch", "RowChange"),
        ShowToSystem("Dispatch", ["organization_id", "id", "next_at", "lease_until", "done_at", "dead_at"]),
        migrations.RunSQL(FUNCTION, migrations.RunSQL.noop),
    ]
