from django.db import migrations, models

import apps.core.models
from apps.core.wall.operations import GrantWrites


class Migration(migrations.Migration):
    dependencies = [("sink", "0002_wall")]
    operations = [
        migrations.CreateModel(
            name="Pulse",
            fields=[
                ("id", models.UUIDField(default=apps.core.models.new_id, primary_key=True, serialize=False)),
                ("due_at", models.DateTimeField()),
                ("ran_at", models.DateTimeField()),
            ],
        ),
        GrantWrites("Pulse", "INSERT"),
    ]
