from django.db import migrations

from apps.users.built_in import assign_built_in_roles, write_built_in_roles


class Migration(migrations.Migration):
    """Rights became rows: who could do something before can do it afterwards."""

    dependencies = [("users", "0005_wall_access")]
    operations = [
        migrations.RunPython(write_built_in_roles, migrations.RunPython.noop),
        migrations.RunPython(assign_built_in_roles, migrations.RunPython.noop),
    ]
