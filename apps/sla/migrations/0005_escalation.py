import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.core.fields
import apps.core.models
import apps.sla.models.policies
from apps.audit.capture import CaptureRows
from apps.core.wall.operations import ShowToSystem, Wall


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0005_capture_by_statement"),
        ("organizations", "0010_wall_holiday_proposals"),
        ("sla", "0004_warnings_and_ends"),
        ("tickets", "0004_every_deadline"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="level",
            name="applies",
            field=models.JSONField(default=apps.sla.models.policies.always),
        ),
        migrations.AddField(
            model_name="level",
            name="is_until_acknowledged",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="EscalationPolicy",
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
                ("name", models.CharField(max_length=120)),
                ("description", models.TextField(blank=True, max_length=2000)),
                (
                    "chain",
                    models.CharField(
                        choices=[("functional", "Functional"), ("hierarchical", "Hierarchical")], max_length=12
                    ),
                ),
                (
                    "begins",
                    models.CharField(
                        choices=[("unattended", "Unattended"), ("on_demand", "On Demand")],
                        default="unattended",
                        max_length=10,
                    ),
                ),
                ("position", models.PositiveIntegerField(default=100)),
                ("match", models.JSONField(default=list)),
                ("steps", models.JSONField(default=list)),
                ("is_active", models.BooleanField(default=True)),
                (
                    "calendar",
                    apps.core.fields.TenantForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="escalation_policies",
                        to="organizations.businesscalendar",
                    ),
                ),
            ],
            options={
                "verbose_name": "escalation policy",
                "verbose_name_plural": "escalation policies",
            },
        ),
        migrations.CreateModel(
            name="EscalationRun",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("sequence", models.PositiveIntegerField()),
                (
                    "because",
                    models.CharField(
                        choices=[
                            ("matched", "Matched"),
                            ("level", "Level"),
                            ("step", "Step"),
                            ("somebody", "Somebody"),
                        ],
                        max_length=8,
                    ),
                ),
                ("steps", models.JSONField(default=list)),
                ("began_at", models.DateTimeField()),
                ("next_step", models.PositiveSmallIntegerField(default=0)),
                ("next_round", models.PositiveSmallIntegerField(default=0)),
                ("next_due_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "end_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "None"),
                            ("acknowledged", "Acknowledged"),
                            ("finished", "Finished"),
                            ("unmatched", "Unmatched"),
                            ("exhausted", "Exhausted"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "calendar_version",
                    apps.core.fields.TenantForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="organizations.calendarversion",
                    ),
                ),
                (
                    "policy",
                    apps.core.fields.TenantForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="sla.escalationpolicy",
                    ),
                ),
                (
                    "ticket",
                    apps.core.fields.TenantForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="escalations",
                        to="tickets.ticket",
                    ),
                ),
            ],
            options={
                "verbose_name": "escalation run",
            },
        ),
        migrations.CreateModel(
            name="EscalationFiring",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("step", models.PositiveSmallIntegerField()),
                ("round", models.PositiveSmallIntegerField()),
                ("due_at", models.DateTimeField()),
                ("fired_at", models.DateTimeField()),
                ("event_id", models.UUIDField()),
                (
                    "run",
                    apps.core.fields.TenantForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="firings",
                        to="sla.escalationrun",
                    ),
                ),
            ],
            options={
                "verbose_name": "escalation firing",
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("told_at", models.DateTimeField(null=True)),
                ("held", models.JSONField(default=list)),
                ("next_at", models.DateTimeField(null=True)),
                (
                    "ticket",
                    apps.core.fields.TenantForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="tickets.ticket",
                    ),
                ),
                (
                    "user",
                    apps.core.fields.TenantForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("at", models.DateTimeField()),
                ("because", models.CharField(max_length=20)),
                (
                    "ticket",
                    apps.core.fields.TenantForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="acknowledgements",
                        to="tickets.ticket",
                    ),
                ),
                (
                    "user",
                    apps.core.fields.TenantForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "ticket"), name="acknowledgement_one")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="escalationpolicy",
            index=models.Index(fields=["organization_id", "calendar"], name="escalation_policy_calendar"),
        ),
        migrations.AddConstraint(
            model_name="escalationpolicy",
            constraint=models.UniqueConstraint(fields=("organization_id", "name"), name="escalation_policy_name"),
        ),
        migrations.AddConstraint(
            model_name="escalationpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("begins__in", ["unattended", "on_demand"]), ("chain__in", ["functional", "hierarchical"])
                ),
                name="escalation_policy_words",
            ),
        ),
        migrations.AddIndex(
            model_name="escalationrun",
            index=models.Index(
                condition=models.Q(("next_due_at__isnull", False)), fields=["next_due_at"], name="escalation_run_due"
            ),
        ),
        migrations.AddIndex(
            model_name="escalationrun",
            index=models.Index(
                condition=models.Q(("next_due_at__isnull", False)),
                fields=["organization_id", "next_due_at"],
                name="escalation_run_due_here",
            ),
        ),
        migrations.AddIndex(
            model_name="escalationrun",
            index=models.Index(fields=["organization_id", "policy"], name="escalation_run_policy"),
        ),
        migrations.AddIndex(
            model_name="escalationrun",
            index=models.Index(fields=["organization_id", "-began_at", "-id"], name="escalation_run_newest"),
        ),
        migrations.AddConstraint(
            model_name="escalationrun",
            constraint=models.UniqueConstraint(
                fields=("organization_id", "ticket", "policy", "sequence"), name="escalation_run_sequence"
            ),
        ),
        migrations.AddConstraint(
            model_name="escalationrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("organization_id", "ticket", "policy"),
                name="escalation_run_one_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="escalationrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("end_reason", ""), ("ended_at", None), ("next_due_at__isnull", False)),
                    models.Q(
                        ("ended_at__isnull", False), ("next_due_at", None), models.Q(("end_reason", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="escalation_run_due_until_it_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="escalationrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("because__in", ["matched", "level", "step", "somebody"]),
                    ("end_reason__in", ["", "acknowledged", "finished", "unmatched", "exhausted", "withdrawn"]),
                ),
                name="escalation_run_words",
            ),
        ),
        migrations.AddConstraint(
            model_name="escalationfiring",
            constraint=models.UniqueConstraint(
                fields=("organization_id", "run", "step", "round"), name="escalation_firing_once"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)), fields=["next_at"], name="sla_notice_due"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)),
                fields=["organization_id", "next_at"],
                name="sla_notice_due_here",
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.UniqueConstraint(fields=("organization_id", "ticket", "user"), name="sla_notice_once"),
        ),
        Wall("EscalationPolicy", "EscalationRun", "EscalationFiring", "Acknowledgement", "Notice"),
        CaptureRows("EscalationPolicy"),
        ShowToSystem("EscalationRun", ["organization_id", "id", "next_due_at"]),
        ShowToSystem("Notice", ["organization_id", "id", "next_at"]),
    ]
