from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Door, Wall


class Migration(migrations.Migration):
    dependencies = [("users", "0013_api_tokens"), ("organizations", "0002_wall")]
    operations = [
        Wall("ApiToken", "ApiTokenUse"),
        CaptureRows("ApiToken", secrets=["secret_hash"]),
        Door(
            "auth_find_token(wanted text)",
            "TABLE (token_id uuid, organization_id uuid, user_id uuid)",
            "SELECT t.id, t.organization_id, t.user_id FROM users_apitoken t WHERE t.prefix = wanted",
            reads=["users_apitoken"],
        ),
    ]
