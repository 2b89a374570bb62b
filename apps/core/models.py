"""Base models of every app, and the platform's own tables: idempotency keys, jobs and job ticks."""

from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
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


class DenialCount(TenantModel):
    """How often one actor was refused in the minute that began at `minute`: what keeps a flood out of the log.

    `untold` counts the refusals that no event tells of yet; the next event does.
    """

    actor_id = models.UUIDField()
    minute = models.DateTimeField()
    seen = models.PositiveIntegerField(default=0)
    untold = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "actor_id"], name="denial_count_once")]


class JobState(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(TenantModel):
    """Long work that somebody asked for: an import, an export. Its row is what `/jobs/{id}/` shows.

    `errors` lists what was wrong with which row: [{"row": 3, "code", "detail"}]. `result` says what came of it.
    """

    kind = models.CharField(max_length=60)
    state = models.CharField(max_length=10, choices=JobState, default=JobState.QUEUED)
    requested_by_id = models.UUIDField(null=True)
    # Where an operator who acts here is at home; null for the organization's own people.
    requested_from_id = models.UUIDField(null=True)
    # The API token by which it was asked for: the work may do no more than that token may.
    requested_by_token_id = models.UUIDField(null=True)
    parameters = models.JSONField(default=dict)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    # Grows with each run; what a run that was given up still writes is dropped.
    fence = models.PositiveIntegerField(default=0)
    errors = models.JSONField(default=list)
    result = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state")]
        indexes = [
            models.Index(fields=["organization_id", "requested_by_id", "-created_at"], name="job_of_requester"),
            models.Index(fields=["organization_id", "-created_at", "-id"], name="job_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def progress(self) -> int:
        """Percent, 0 to 100; 100 only once it is done."""
        if self.state == JobState.DONE:
            return 100
        return min(99, self.done * 100 // self.total) if self.total else 0


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
