"""Two append-only tables and one that moves: events, row changes, and the delivery of events."""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q

from apps.core.actors import ActorKind
from apps.core.models import TenantModel


class Event(TenantModel):
    """One fact: who did what to which record, when it became true, and what changed.

    Timeline, outbox and audit trail in one row. Holds ids without foreign keys, because it outlives what it tells of.
    The database refuses to change or delete it, whoever asks.
    """

    name = models.CharField(max_length=80)
    subject_type = models.CharField(max_length=60)
    subject_id = models.UUIDField()
    actor_kind = models.CharField(max_length=10, choices=[(kind.value, kind.value) for kind in ActorKind])
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=200)
    # When it became true (imports set it in the past) and when it was written down.
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    request_id = models.CharField(max_length=64, blank=True)
    via = models.CharField(max_length=20)
    is_historic = models.BooleanField(default=False)
    # Of each changed field the value before and after, as a pair.
    changes = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    # The record itself, in the hands of those who are told within the transaction; of an event that was read, None.
    subject: Any = None

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "-at", "-id"], name="event_newest"),
            models.Index(fields=["organization_id", "subject_id", "at"], name="event_subject"),
            models.Index(fields=["organization_id", "name", "-at"], name="event_name"),
            models.Index(fields=["organization_id", "actor_id", "-at"], name="event_actor"),
        ]

    def __str__(self) -> str:
        return self.name


class Dispatch(TenantModel):
    """One event on its way to one consumer: leased, tried, done or dead."""

    event_id = models.UUIDField()
    consumer = models.CharField(max_length=80)
    next_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    # An outward consumer holds no row lock while it runs; this keeps a second message about the same delivery out.
    running_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    dead_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "dispatches"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "event_id", "consumer"], name="dispatch_once"),
            models.CheckConstraint(
                condition=~Q(done_at__isnull=False, dead_at__isnull=False), name="dispatch_done_or_dead"
            ),
        ]
        indexes = [
            # What the relay asks for, all tenants together, oldest due first; small because done rows leave it.
            models.Index(fields=["next_at"], name="dispatch_due", condition=Q(done_at=None, dead_at=None)),
            # What an administrator asks for: their own that have not arrived, dead ones among them.
            models.Index(fields=["organization_id", "next_at"], name="dispatch_undone", condition=Q(done_at=None)),
        ]

    def __str__(self) -> str:
        return f"to {self.consumer}"

    @property
    def state(self) -> str:
        if self.dead_at:
            return "dead"
        return "done" if self.done_at else "waiting"


class RowChange(TenantModel):
    """One changed row beneath the events, written by a trigger that no code path can skip."""

    at = models.DateTimeField()
    actor_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    via = models.CharField(max_length=20, blank=True)
    table_name = models.CharField(max_length=63)
    row_id = models.UUIDField()
    operation = models.CharField(max_length=6)
    # INSERT and DELETE: the row. UPDATE: {"column": [before, after]} of what differs.
    diff: Any = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "table_name", "row_id", "at"], name="rowchange_row"),
            models.Index(fields=["organization_id", "-at"], name="rowchange_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.table_name}"
