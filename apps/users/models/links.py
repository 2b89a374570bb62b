"""One-time links: whoever opens one may set the password of the account it was mailed to."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel
from apps.users.models.people import User


class LinkPurpose(models.TextChoices):
    """Why somebody got a link; it decides how long the link lives."""

    INVITE = "invite"
    RESET = "reset"


class PasswordLink(TenantModel):
    """A link as it was mailed. Of its token only SHA-256 is kept; `spent_at` says since when it opens nothing any more.

    Where the one that set a password was opened (`spent_from`) is a place of its owner.
    """

    secret_columns: ClassVar[tuple[str, ...]] = ("token_hash",)

    user = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="password_links")
    purpose = models.CharField(max_length=10, choices=LinkPurpose)
    token_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    spent_at = models.DateTimeField(null=True)
    spent_from = models.GenericIPAddressField(null=True)

    class Meta:
        verbose_name = "password link"
        constraints = [
            models.CheckConstraint(condition=Q(purpose__in=LinkPurpose.values), name="password_link_purpose")
        ]
        indexes = [models.Index(fields=["organization_id", "user", "-created_at"], name="password_link_of_user")]
