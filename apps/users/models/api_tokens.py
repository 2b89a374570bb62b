"""API tokens, when each was last used, and the accounts of machines that hold them."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F

from apps.core.authorization import Reach, ReachColumns
from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.core.querysets import SoftDeleteQuerySet, TenantManager, TenantQuerySet
from apps.users.models.people import User


class ServiceAccountManager(TenantManager["ServiceAccount"]):
    """Of the users only the service accounts."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(is_service_account=True)


ServiceAccountObjects = ServiceAccountManager.from_queryset(SoftDeleteQuerySet)


class ServiceAccount(User):
    """An integration's account: it holds roles and API tokens, has no password and no mail, and never signs in."""

    objects: ClassVar[Any] = ServiceAccountObjects()  # type: ignore[assignment]

    class Meta:
        proxy = True


class ApiTokenQuerySet(TenantQuerySet["ApiToken"]):
    """API tokens."""

    def unrevoked(self) -> Self:
        return self.filter(revoked_at=None)

    def with_last_use(self) -> Self:
        return self.annotate(last_used_at=F("uses__at"), last_used_address=F("uses__address"))


# Named, so that the type checker can follow it into the model.
ApiTokenObjects = TenantManager.from_queryset(ApiTokenQuerySet)


class ApiToken(VersionedModel):
    """A credential for programs. It acts as its owner, with those of the owner's rights that its scopes name.

    Only SHA-256 of the token is kept; `prefix` is the part of it that finds this row before the tenant is known.
    """

    secret_columns: ClassVar[tuple[str, ...]] = ("secret_hash",)
    reach_columns: ClassVar[ReachColumns] = {Reach.OWN: ("user_id",)}
    # Filled by with_last_use(); a token just made has none.
    last_used_at: datetime | None = None
    last_used_address: str | None = None

    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=8, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    # Addresses and networks that may use it; none means any.
    allowed_addresses = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField()
    # Kept, so that somebody who goes on using a revoked token is noticed.
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[Any] = ApiTokenObjects()  # type: ignore[assignment]

    class Meta:
        verbose_name = "api token"
        constraints = [models.UniqueConstraint(fields=["prefix"], name="api_token_prefix")]
        indexes = [
            models.Index(fields=["organization_id", "user"], name="api_token_of_user"),
            models.Index(fields=["organization_id", "-created_at", "-id"], name="api_token_newest"),
        ]

    def __str__(self) -> str:
        return self.name


class ApiTokenUse(TenantModel):
    """When and from where a token was last used, to the minute. Not captured: no person writes it."""

    credential = TenantForeignKey[ApiToken, ApiToken](ApiToken, models.CASCADE, related_name="uses")
    at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "credential"], name="api_token_use_once")]
