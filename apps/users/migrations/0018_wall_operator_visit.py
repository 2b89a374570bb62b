from django.db import migrations

from apps.core.wall.operations import Door, Wall


class Migration(migrations.Migration):
    """The door to API tokens asks for the secret too: an id, which many may read, leads nowhere by itself."""

    dependencies = [("users", "0017_operator_visit")]
    operations = [
        Wall("OperatorVisit"),
        migrations.RunSQL("DROP FUNCTION auth_find_token(text)", migrations.RunSQL.noop),
        Door(
            "auth_find_token(wanted text, digest text)",
            "TABLE (token_id uuid, organization_id uuid, user_id uuid)",
            "SELECT t.id, t.organization_id, t.user_id FROM users_apitoken t"
            " WHERE t.prefix = wanted AND t.secret_hash = digest",
            reads=["users_apitoken"],
        ),
    ]
