"""What proves who somebody is, beside the password: TOTP and recovery codes, earlier passwords; and how often somebody tried."""

from typing import ClassVar

from django.db import models

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel
from apps.users.models.people import User


class TotpDevice(TenantModel):
    """One authenticator (RFC 6238: SHA-1, 6 digits, 30 s) per user; it counts only once confirmed.

    `last_step` is the time step of the last accepted code: a code is accepted once, and none older than it.
    """

    secret_columns: ClassVar[tuple[str, ...]] = ("secret",)

    user = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="totp_devices")
    secret = models.CharField(max_length=300)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "authenticator"
        constraints = [models.UniqueConstraint(fields=["organization_id", "user"], name="totp_once")]


class RecoveryCode(TenantModel):
    """One of ten single-use codes, found by its first digit and kept as an Argon2 hash; using it deletes it."""

    secret_columns: ClassVar[tuple[str, ...]] = ("code_hash",)

    user = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="recovery_codes")
    position = models.PositiveSmallIntegerField()
    code_hash = models.CharField(max_length=128)

    class Meta:
        verbose_name = "recovery code"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "user", "position"], name="recovery_code_position")
        ]


class PasswordHistory(TenantModel):
    """A hash that a user's password had before, so that it is not taken again. Never verified at sign-in."""

    secret_columns: ClassVar[tuple[str, ...]] = ("password",)

    user = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="earlier_passwords")
    password = models.CharField(max_length=128)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "earlier password"
        verbose_name_plural = "earlier passwords"
        indexes = [models.Index(fields=["organization_id", "user", "-created_at"], name="password_history_of_user")]


class SignInCounter(models.Model):
    """What was tried under one key: a network, an account, or an account from one place. Not a tenant's row.

    Before sign-in there is no tenant. Keys are keyed hashes, so the table names nobody. The database's clock decides.
    """

    key = models.CharField(max_length=64, primary_key=True)
    # The account that the key is about, so that an administrator can forgive all of it; empty for a network.
    account = models.CharField(max_length=64, blank=True)
    failures = models.PositiveIntegerField(default=0)
    # Until then the key is refused (growing delay); and when its allowance is full again (GCRA).
    blocked_until = models.DateTimeField()
    full_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account"], name="sign_in_counter_account")]
