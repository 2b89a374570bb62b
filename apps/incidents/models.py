"""What only the page of one incident shows; everything a list shows, filters or sorts by is on the ticket."""

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel
from apps.incidents.querysets import IncidentObjects
from apps.tickets.models import Ticket
from apps.users.models import User

MIN_INTERVAL_MINUTES, MAX_INTERVAL_MINUTES = 5, 24 * 60


class Incident(Ticket):
    """An unplanned interruption of a service, or a loss of its quality (ITIL 4)."""

    tenant_field: ClassVar[str] = "tenant"

    # The base row's organization again: a child cannot redeclare that column, and needs a wall of its own.
    tenant = models.UUIDField(editable=False)
    workaround = models.TextField(blank=True, max_length=20_000)
    # First taken over by somebody, or first worked on: what MTTA measures.
    acknowledged_at = models.DateTimeField(null=True, editable=False)
    commander = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, editable=False, related_name="commanded_incidents", db_index=False
    )
    communications_lead = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, editable=False, related_name="communicated_incidents", db_index=False
    )
    # Between two public updates of a major incident.
    update_interval_minutes = models.PositiveIntegerField(
        null=True,
        editable=False,
        validators=[MinValueValidator(MIN_INTERVAL_MINUTES), MaxValueValidator(MAX_INTERVAL_MINUTES)],
    )
    next_update_due_at = models.DateTimeField(null=True, editable=False)
    major_since = models.DateTimeField(null=True, editable=False)
    review_due_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[Any] = IncidentObjects()  # type: ignore[assignment]

    class Meta:
        constraints = [
            # What makes it a major one is on the base row; while it is, and is open, this clock runs.
            models.CheckConstraint(
                condition=Q(next_update_due_at=None)
                | Q(
                    commander__isnull=False,
                    communications_lead__isnull=False,
                    update_interval_minutes__isnull=False,
                    major_since__isnull=False,
                ),
                name="incident_major_is_led",
            ),
        ]


class DuplicateSuspicion(TenantModel):
    """That an incident looks like an earlier one that is still open, and how much (percent)."""

    incident = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="suspicions", db_index=False)
    other = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="suspected_by", db_index=False)
    percent = models.PositiveSmallIntegerField()
    is_same_item = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "duplicate suspicions"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "incident", "other"], name="duplicate_suspicion_once"),
            models.CheckConstraint(condition=~Q(incident=F("other")), name="duplicate_of_another"),
            models.CheckConstraint(condition=Q(percent__gte=0, percent__lte=100), name="duplicate_percent"),
        ]

    def __str__(self) -> str:
        return f"{self.incident_id} looks like {self.other_id}"


class ImportedIncident(TenantModel):
    """That the incident of this number came from another system, and a digest of the history that was read.

    A second import knows by it what is here already, and what the source has changed since.
    """

    number = models.CharField(max_length=20)
    # SHA-256 of its lines.
    fingerprint = models.CharField(max_length=64)
    # The mapping's name.
    source = models.CharField(max_length=60, blank=True)
    imported_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "number"], name="imported_incident_once")]

    def __str__(self) -> str:
        return f"{self.number} from {self.source}"
