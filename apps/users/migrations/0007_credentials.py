import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.core.fields
import apps.core.models
from apps.audit.capture import CaptureRows
from apps.core.wall.operations import GrantWrites, Wall


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0006_built_in_roles"),
        ("organizations", "0002_wall"),
    ]

    operations = [
        migrations.AddField(
            model_name="role",
            name="requires_mfa",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="SignInCounter",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("account", models.CharField(blank=True, max_length=64)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("blocked_until", models.DateTimeField()),
                ("full_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["account"], name="sign_in_counter_account")],
            },
        ),
        migrations.CreateModel(
            name="PasswordHistory",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("password", models.CharField(max_length=128)),
                ("created_at", models.DateTimeField()),
                (
                    "user",
                    apps.core.fields.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="earlier_passwords",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "earlier password",
                "verbose_name_plural": "earlier passwords",
                "indexes": [
                    models.Index(fields=["organization_id", "user", "-created_at"], name="password_history_of_user")
                ],
            },
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("position", models.PositiveSmallIntegerField()),
                ("code_hash", models.CharField(max_length=128)),
                (
                    "user",
                    apps.core.fields.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recovery_codes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "recovery code",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "user", "position"), name="recovery_code_position"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TotpDevice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("secret", models.CharField(max_length=300)),
                ("created_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("last_step", models.BigIntegerField(default=0)),
                (
                    "user",
                    apps.core.fields.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="totp_devices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "authenticator",
                "constraints": [models.UniqueConstraint(fields=("organization_id", "user"), name="totp_once")],
            },
        ),
        GrantWrites("SignInCounter", "INSERT, UPDATE, DELETE"),
        Wall("TotpDevice", "RecoveryCode", "PasswordHistory"),
        CaptureRows("TotpDevice", secrets=["secret"]),
        CaptureRows("RecoveryCode", secrets=["code_hash"]),
        CaptureRows("PasswordHistory", secrets=["password"]),
    ]
