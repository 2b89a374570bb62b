from django.db import migrations

from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("core", "0006_denial_count")]
    operations = [Wall("DenialCount")]
