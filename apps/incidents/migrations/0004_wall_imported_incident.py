from django.db import migrations

from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("incidents", "0003_imported_incident")]
    operations = [Wall("ImportedIncident")]
