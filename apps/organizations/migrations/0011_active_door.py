from django.db import migrations

from apps.core.wall.operations import Door


class Migration(migrations.Migration):
    dependencies = [("organizations", "0010_wall_holiday_proposals")]
    operations = [
        Door(
            "organization_list_active(wanted uuid[])",
            "SETOF uuid",
            "SELECT id FROM organizations_organization WHERE deleted_at IS NULL AND status = 'active'"
            " AND (wanted IS NULL OR id = ANY (wanted)) ORDER BY id",
            reads=["organizations_organization"],
        )
    ]
