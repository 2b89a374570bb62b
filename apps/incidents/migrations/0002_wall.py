from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("incidents", "0001_initial"), ("tickets", "0002_wall"), ("audit", "0004_stamps")]
    operations = [
        Wall("Incident", column="tenant"),
        Wall("DuplicateSuspicion"),
        CaptureRows("Incident", column="tenant", stamps=["next_update_due_at", "acknowledged_at"]),
    ]
