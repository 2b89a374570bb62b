from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import ShowToSystem, Wall


class Migration(migrations.Migration):
    dependencies = [("sla", "0001_initial"), ("audit", "0004_stamps"), ("tickets", "0003_search")]
    operations = [
        Wall("Settings", "Policy", "PolicyVersion", "Target", "Level", "Timer", "Segment", "LevelFiring", "Reading"),
        CaptureRows("Settings", stamps=["stamp"]),
        CaptureRows("Policy", "PolicyVersion", "Target", "Level"),
        ShowToSystem("Timer", ["organization_id", "id", "next_due_at"]),
    ]
