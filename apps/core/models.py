"""Base models of every app, and the platform's own tables: idempotency keys and job ticks."""

from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from uuid_utils.compat import uuid7

from apps.core.authorization import ReachColumns
from apps.core.querysets import SoftDeleteObjects, TenantObjects


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): random enough not to be guessed, ordered enough to be a good key."""
    return uuid7()


class TenantModel(models.Model):
    """A row of one organization.

    The tenant is a coordinate, not a relation: core cannot name the floor above. The Wall operation gives the column its
    policy, and a foreign key to the organization where that table exists.
    """

    tenant_field: ClassVar[str] = "organization_id"
    # Whose a row is, for grants that reach less than the organization.
    reach_columns: ClassVar[ReachColumns] = {}
    # Columns whose values no log may hold; row capture writes "***" in their place.
    secret_columns: ClassVar[tuple[str, ...]] = ()

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(editable=False)

    objects: ClassVar[Any] = TenantObjects()

    class Meta:
        abstract = True


class VersionedModel(TenantModel):
    """A row that people change: `version` is its ETag and grows by one with every accepted change."""

    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        abstract = True


class SoftDeleteModel(VersionedModel):
    """A row that can be deleted and restored; it keeps its place in history and its number."""

    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[Any] = SoftDeleteObjects()  # type: ignore[assignment]

    class Meta:
        abstract = True

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


class IdempotencyKey(TenantModel):
    """The answer that one `Idempotency-Key` got, kept for a day so that a retry gets it again.

    Only 2xx answers are kept. `body` is null where the answer showed a secret once: such a replay is 409 naming `location`.
    """

    actor_id = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField(null=True)  # noqa: DJ001 - null says "was shown once", empty says "had no body"
    etag = models.CharField(max_length=64, blank=True)
    location = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "actor_id", "key"], name="idempotency_once")]
        indexes = [models.Index(fields=["organization_id", "created_at"], name="idempotency_age")]


class JobTick(models.Model):
    """One due time of one scheduled job, taken by exactly one worker; not a tenant's row.

    A tick whose worker died is free again after `lease_until`. The database's clock decides every time here.
    """

    pk = models.CompositePrimaryKey("name", "due_at")
    name = models.CharField(max_length=60)
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=1)
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
