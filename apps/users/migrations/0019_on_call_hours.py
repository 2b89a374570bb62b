import django.db.models.deletion
from django.db import migrations, models

import apps.core.fields
import apps.core.models
import apps.core.validators
from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0005_capture_by_statement"),
        ("organizations", "0010_wall_holiday_proposals"),
        ("users", "0018_wall_operator_visit"),
    ]

    operations = [
        migrations.CreateModel(
            name="OnCallCoverage",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("time_zone", models.CharField(max_length=63, validators=[apps.core.validators.validate_time_zone])),
                ("hours", models.JSONField(blank=True, default=list)),
                ("covered_from", models.DateTimeField()),
            ],
            options={
                "verbose_name": "on call coverage",
            },
        ),
        migrations.AddField(
            model_name="oncallrota",
            name="layer",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="rotaversion",
            name="hours",
            field=models.JSONField(default=list),
        ),
        migrations.AddConstraint(
            model_name="oncallrota",
            constraint=models.CheckConstraint(
                condition=models.Q(("layer__gte", 1), ("layer__lte", 9)),
                name="on_call_rota_layer",
                violation_error_message="A layer is 1 to 9.",
            ),
        ),
        migrations.AddField(
            model_name="oncallcoverage",
            name="team",
            field=apps.core.fields.TenantForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="on_call_coverages", to="organizations.team"
            ),
        ),
        migrations.AddConstraint(
            model_name="oncallcoverage",
            constraint=models.UniqueConstraint(fields=("organization_id", "team"), name="on_call_coverage_one"),
        ),
        Wall("OnCallCoverage"),
        CaptureRows("OnCallCoverage"),
    ]
