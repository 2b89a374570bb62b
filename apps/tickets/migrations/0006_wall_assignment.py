from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0005_assignment"),
        ("audit", "0005_capture_by_statement"),
        ("users", "0021_wall_member_calendar"),
    ]
    operations = [
        Wall("AssignmentRule", "AssignmentQueue", "AssignmentTurn", "Placement"),
        CaptureRows("AssignmentRule", "AssignmentQueue"),
    ]
