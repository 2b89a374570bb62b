from django.db import migrations, models

import apps.core.models


class Migration(migrations.Migration):
    dependencies = [("users", "0016_link_spent_from")]
    operations = [
        migrations.CreateModel(
            name="OperatorVisit",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("session_key", models.UUIDField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "session_key"), name="operator_visit_once")
                ],
            },
        ),
    ]
