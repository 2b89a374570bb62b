from django.db import migrations

from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("organizations", "0005_number_series")]
    operations = [Wall("NumberSeries")]
