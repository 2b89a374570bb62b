from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Door, Wall


class Migration(migrations.Migration):
    dependencies = [("users", "0001_initial"), ("organizations", "0002_wall")]
    operations = [
        Wall("User", "Session"),
        CaptureRows("User", secrets=["password"]),
        CaptureRows("Session", secrets=["current_hash", "previous_hash"]),
        Door(
            "auth_find_user(wanted text)",
            "TABLE (user_id uuid, organization_id uuid)",
            "SELECT u.id, u.organization_id FROM users_user u WHERE u.email_normalised = wanted AND u.deleted_at IS NULL",
            reads=["users_user"],
        ),
    ]
