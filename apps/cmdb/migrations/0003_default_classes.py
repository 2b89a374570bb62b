from django.db import migrations

from apps.cmdb.classes import write_default_classes


class Migration(migrations.Migration):
    """Organizations that were there before the classes have them like every new one."""

    dependencies = [("cmdb", "0002_wall")]
    operations = [migrations.RunPython(write_default_classes, migrations.RunPython.noop)]
