from django.db import migrations

from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("users", "0020_member_calendar")]
    # Once more, for the reference that was added.
    operations = [Wall("TeamMember")]
