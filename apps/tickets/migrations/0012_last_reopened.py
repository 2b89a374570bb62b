import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.core.fields
from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0011_due_countdowns_and_missing_terms"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField("ticket", "last_reopened_at", models.DateTimeField(editable=False, null=True)),
        migrations.AddField(
            "ticket",
            "last_reopened_by",
            apps.core.fields.TenantForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        Wall("Ticket"),
    ]
