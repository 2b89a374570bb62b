from django.db import migrations

from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("core", "0003_job")]
    operations = [Wall("Job")]
