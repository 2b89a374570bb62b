from django.db import migrations

from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("sink", "0001_initial"), ("organizations", "0002_wall")]
    operations = [Wall("Arrival")]
