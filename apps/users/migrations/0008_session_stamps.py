from django.db import migrations

from apps.audit.capture import CaptureRows

SECRETS = ["current_hash", "previous_hash"]


class Migration(migrations.Migration):
    """That a session was used again is nobody's change; that it was opened and revoked is."""

    dependencies = [("users", "0007_credentials"), ("audit", "0004_stamps")]
    operations = [
        CaptureRows("Session", secrets=SECRETS, stamps=[*SECRETS, "rotated_at", "generation", "idle_until"]),
    ]
