from django.db import migrations

from apps.core.wall.operations import GrantWrites, Wall


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]
    operations = [
        Wall("IdempotencyKey"),
        GrantWrites("JobTick", "INSERT, UPDATE, DELETE"),
    ]
