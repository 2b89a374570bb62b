"""What only the page of one incident shows; everything a list shows, filters or sorts by is on the ticket."""

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.incidents.choices import HandoverOutcome, LeadRole, UpdateOutcome
from apps.incidents.querysets import IncidentObjects
from apps.tickets.addresses import MAX_ADDRESS
from apps.tickets.models import Ticket
from apps.users.models import User

MIN_INTERVAL_MINUTES, MAX_INTERVAL_MINUTES = 5, 24 * 60
MOST_CHILDREN = 10_000


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
    # Where those who work on a major incident talk: whoever knows it can listen, so it is shown to nobody else.
    bridge_url = models.CharField(max_length=MAX_ADDRESS, blank=True, editable=False)
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
            models.CheckConstraint(
                condition=Q(bridge_url="") | Q(bridge_url__istartswith="https://"), name="incident_bridge_is_https"
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


class MajorUpdate(TenantModel):
    """One public update that everybody was promised of a major incident: until when, and what became of it.

    While it is awaited, and late, an alarm is raised once for each interval that begins: `alarms` counts those that have begun,
    `next_alarm_at` is when the next one does.
    """

    incident = TenantForeignKey["Ticket", "Ticket"](
        Ticket, models.CASCADE, related_name="major_updates", db_index=False
    )
    promised_at = models.DateTimeField()
    due_at = models.DateTimeField()
    interval_minutes = models.PositiveIntegerField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=UpdateOutcome, default=UpdateOutcome.AWAITED)
    given_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    alarms = models.PositiveIntegerField(default=0)
    next_alarm_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "update of a major incident"
        verbose_name_plural = "updates of major incidents"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "incident"], condition=Q(ended_at=None), name="major_update_one_awaited"
            ),
            models.CheckConstraint(
                condition=Q(outcome=UpdateOutcome.AWAITED, ended_at=None, next_alarm_at__isnull=False)
                | (Q(ended_at__isnull=False, next_alarm_at=None) & ~Q(outcome=UpdateOutcome.AWAITED)),
                name="major_update_alarms_while_awaited",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=UpdateOutcome.values, due_at__gt=F("promised_at"), interval_minutes__gte=1),
                name="major_update_words",
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization_id", "next_alarm_at"],
                name="major_update_due_here",
                condition=Q(next_alarm_at__isnull=False),
            ),
            models.Index(fields=["organization_id", "incident", "promised_at"], name="major_update_history"),
            models.Index(fields=["organization_id", "-promised_at", "-id"], name="major_update_newest"),
        ]

    def __str__(self) -> str:
        return f"update of {self.incident_id} due {self.due_at:%Y-%m-%d %H:%M} UTC"

    @property
    def is_awaited(self) -> bool:
        return self.ended_at is None


class Handover(TenantModel):
    """That somebody is asked to lead a major incident, or to speak for it, from now on; until they take it over nothing changes.

    Who takes a role over without being asked leaves a row too: what was offered and taken at one instant.
    """

    incident = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="handovers", db_index=False)
    role = models.CharField(max_length=20, choices=LeadRole)
    holder = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    to = TenantForeignKey["User", "User"](User, models.PROTECT, related_name="+", db_index=False)
    # None: an operator of the platform, who is nobody of the organization.
    offered_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    reason = models.TextField(max_length=2000)
    offered_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=HandoverOutcome, default=HandoverOutcome.OFFERED)
    # Why it was not taken.
    answer = models.TextField(blank=True, max_length=2000)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "incident", "role"], condition=Q(ended_at=None), name="handover_one_offered"
            ),
            models.CheckConstraint(
                condition=Q(outcome=HandoverOutcome.OFFERED, ended_at=None)
                | (Q(ended_at__isnull=False) & ~Q(outcome=HandoverOutcome.OFFERED)),
                name="handover_ends_somehow",
            ),
            models.CheckConstraint(
                condition=Q(role__in=LeadRole.values, outcome__in=HandoverOutcome.values), name="handover_words"
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "incident", "offered_at"], name="handover_history"),
            models.Index(fields=["organization_id", "-offered_at", "-id"], name="handover_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} of {self.incident_id} to {self.to_id}"


class MajorRule(VersionedModel):
    """Which incidents become candidates by themselves, and who would lead them. The first rule by position that holds decides.

    `match`: a condition (apps.sla.conditions). One that does not propose keeps those after it from doing so.
    """

    name = models.CharField(max_length=120)
    position = models.PositiveIntegerField()
    is_active = models.BooleanField(default=False)
    match: Any = models.JSONField(default=list)
    # None: whatever hangs below it.
    more_children_than = models.PositiveIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(MOST_CHILDREN)]
    )
    proposes = models.BooleanField(default=True)
    commander = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    communications_lead = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    update_interval_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(MIN_INTERVAL_MINUTES), MaxValueValidator(MAX_INTERVAL_MINUTES)],
    )

    class Meta:
        verbose_name = "major incident rule"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="major_rule_name"),
            models.UniqueConstraint(fields=["organization_id", "position"], name="major_rule_position"),
        ]

    def __str__(self) -> str:
        return self.name
