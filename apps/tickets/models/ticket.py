"""The base row of every kind: whatever a queue lists, filters or sorts by, and whatever a clock or a report reads."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import F, Q

from apps.cmdb.models import ConfigurationItem, Service
from apps.core.authorization import Reach, ReachColumns, Through
from apps.core.fields import TenantForeignKey
from apps.core.lifecycle import Phase
from apps.core.models import SoftDeleteModel
from apps.organizations.models import Team
from apps.tickets.choices import HoldReason, Kind, Level, MajorStatus, Priority, ResolutionCode, Source
from apps.tickets.friendly import friendly_status
from apps.tickets.models.configuration import Category
from apps.tickets.querysets import TicketObjects
from apps.users.models import User

OPEN_PHASES = (Phase.NEW, Phase.OPEN, Phase.PENDING)


class Ticket(SoftDeleteModel):
    """One piece of work of some kind. `status` is the kind's own word, `phase` what all kinds have in common.

    Rows of practices hang from this one (`tickets.kinds`); verbs lock and change this row, never theirs.
    """

    reach_columns: ClassVar[ReachColumns] = {
        Reach.OWN: ("requester_id", Through("tickets.Watcher", "ticket_id", "user_id")),
        Reach.TEAM: ("team_id",),
    }

    number = models.CharField(max_length=20, editable=False)
    kind = models.CharField(max_length=20, choices=Kind, editable=False)
    title = models.CharField(max_length=255)
    description = models.TextField(blank=True, max_length=100_000)
    status = models.CharField(max_length=24, editable=False)
    phase = models.CharField(max_length=10, choices=Phase, editable=False)
    impact = models.PositiveSmallIntegerField(choices=Level, default=Level.LOW)
    urgency = models.PositiveSmallIntegerField(choices=Level, default=Level.LOW)
    priority = models.PositiveSmallIntegerField(choices=Priority, editable=False)
    # Not empty: somebody set the priority by hand, and the matrix has no say.
    priority_override_reason = models.TextField(blank=True, max_length=2000, editable=False)
    category = TenantForeignKey["Category | None", "Category | None"](
        Category, models.PROTECT, null=True, blank=True, related_name="tickets", db_index=False
    )
    service = TenantForeignKey["Service | None", "Service | None"](
        Service, models.PROTECT, null=True, blank=True, related_name="tickets", db_index=False
    )
    configuration_item = TenantForeignKey["ConfigurationItem | None", "ConfigurationItem | None"](
        ConfigurationItem, models.PROTECT, null=True, blank=True, related_name="tickets", db_index=False
    )
    requester = TenantForeignKey["User", "User"](User, models.PROTECT, related_name="requested_tickets", db_index=False)
    opened_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, editable=False, related_name="opened_tickets", db_index=False
    )
    assignee = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, blank=True, related_name="assigned_tickets", db_index=False
    )
    team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, blank=True, related_name="tickets", db_index=False
    )
    source = models.CharField(max_length=12, choices=Source, default=Source.API)
    # Names of the vocabulary (Tag); in the row itself, so that a list needs no second query.
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True, size=50)
    custom_fields = models.JSONField(default=dict, blank=True)
    hold_reason = models.CharField(max_length=20, choices=HoldReason, blank=True, editable=False)
    hold_until = models.DateTimeField(null=True, editable=False)
    opened_at = models.DateTimeField(editable=False)
    responded_at = models.DateTimeField(null=True, editable=False)
    resolved_at = models.DateTimeField(null=True, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)
    # Of the nearest running timer; kept by the sla floor.
    sla_due_at = models.DateTimeField(null=True, editable=False)
    resolution_code = models.CharField(max_length=24, choices=ResolutionCode, blank=True, editable=False)
    resolution_notes = models.TextField(blank=True, max_length=20_000, editable=False)
    reopen_count = models.PositiveIntegerField(default=0, editable=False)
    last_reopened_at = models.DateTimeField(null=True, editable=False)
    # None: the platform did it, or an operator, who is nobody of the organization.
    last_reopened_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, editable=False, related_name="+", db_index=False
    )
    reassignment_count = models.PositiveIntegerField(default=0, editable=False)
    parent = TenantForeignKey["Ticket | None", "Ticket | None"](
        "self", models.PROTECT, null=True, editable=False, related_name="children", db_index=False
    )
    merged_into = TenantForeignKey["Ticket | None", "Ticket | None"](
        "self", models.PROTECT, null=True, editable=False, related_name="absorbed", db_index=False
    )
    is_major = models.BooleanField(default=False, editable=False)
    major_status = models.CharField(max_length=10, choices=MajorStatus, blank=True, editable=False)

    objects: ClassVar[Any] = TicketObjects()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "number"], name="ticket_number"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="ticket_kind"),
            models.CheckConstraint(condition=Q(phase__in=Phase.values), name="ticket_phase"),
            models.CheckConstraint(
                condition=Q(
                    impact__in=Level.values,
                    urgency__in=Level.values,
                    priority__in=Priority.values,
                    source__in=Source.values,
                ),
                name="ticket_ranges",
            ),
            models.CheckConstraint(
                condition=Q(phase=Phase.PENDING, hold_reason__in=HoldReason.values)
                | (~Q(phase=Phase.PENDING) & Q(hold_reason="", hold_until=None)),
                name="ticket_hold_has_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(phase=Phase.RESOLVED)
                | Q(resolved_at__isnull=False, resolution_code__in=ResolutionCode.values),
                name="ticket_resolved_how_and_when",
            ),
            models.CheckConstraint(
                condition=~Q(phase=Phase.CLOSED) | Q(closed_at__isnull=False), name="ticket_closed_when"
            ),
            models.CheckConstraint(
                condition=Q(merged_into=None) | Q(phase=Phase.CANCELLED), name="ticket_merged_is_cancelled"
            ),
            models.CheckConstraint(
                condition=(Q(parent=None) | ~Q(parent=F("id"))) & (Q(merged_into=None) | ~Q(merged_into=F("id"))),
                name="ticket_not_its_own_parent",
            ),
            models.CheckConstraint(condition=Q(major_status__in=MajorStatus.values), name="ticket_major_status"),
            models.CheckConstraint(
                condition=Q(is_major=True, major_status=MajorStatus.ACCEPTED)
                | (Q(is_major=False) & ~Q(major_status=MajorStatus.ACCEPTED)),
                name="ticket_major_is_accepted",
            ),
        ]
        indexes = [
            # Queues, newest first: all kinds, one kind, one phase. The id breaks ties, as every keyset page does.
            models.Index(fields=["organization_id", "-opened_at", "-id"], name="ticket_newest"),
            models.Index(fields=["organization_id", "kind", "-opened_at", "-id"], name="ticket_kind_newest"),
            models.Index(fields=["organization_id", "phase", "-opened_at", "-id"], name="ticket_phase_newest"),
            models.Index(fields=["organization_id", "-updated_at", "-id"], name="ticket_updated"),
            models.Index(fields=["organization_id", "-created_at", "-id"], name="ticket_created"),
            models.Index(
                fields=["organization_id", "priority", "id"], name="ticket_urgent", condition=Q(phase__in=OPEN_PHASES)
            ),
            # All of them: a page by deadline has those without one last, so an index of the others could not give it.
            models.Index(fields=["organization_id", "sla_due_at", "id"], name="ticket_due"),
            # Whose work it is: open work is little, whatever lies in the archive.
            models.Index(
                fields=["organization_id", "assignee", "priority"],
                name="ticket_of_assignee",
                condition=Q(phase__in=OPEN_PHASES),
            ),
            models.Index(
                fields=["organization_id", "team", "priority"],
                name="ticket_of_team",
                condition=Q(phase__in=OPEN_PHASES),
            ),
            # What waits for somebody: the most urgent first, then the oldest (tickets.assignment).
            models.Index(
                fields=["organization_id", "team", "priority", "opened_at", "id"],
                name="ticket_waiting",
                condition=Q(assignee=None, deleted_at=None, phase__in=(Phase.NEW, Phase.OPEN)),
            ),
            models.Index(fields=["organization_id", "requester", "-opened_at"], name="ticket_of_requester"),
            models.Index(fields=["organization_id", "assignee", "-opened_at", "-id"], name="ticket_assigned_newest"),
            models.Index(fields=["organization_id", "team", "-opened_at", "-id"], name="ticket_team_newest"),
            models.Index(
                fields=["organization_id", "configuration_item", "-opened_at"],
                name="ticket_of_item",
                condition=Q(configuration_item__isnull=False),
            ),
            models.Index(
                fields=["organization_id", "service", "-opened_at"],
                name="ticket_of_service",
                condition=Q(service__isnull=False),
            ),
            models.Index(fields=["organization_id", "category", "-opened_at"], name="ticket_of_category"),
            models.Index(
                fields=["organization_id", "parent"], name="ticket_children", condition=Q(parent__isnull=False)
            ),
            models.Index(
                fields=["organization_id", "merged_into"],
                name="ticket_absorbed",
                condition=Q(merged_into__isnull=False),
            ),
            # Few ever were proposed.
            models.Index(
                fields=["organization_id", "major_status", "-opened_at", "-id"],
                name="ticket_major_newest",
                condition=~Q(major_status=MajorStatus.NONE),
            ),
            # The hourly sweep that closes what was resolved long enough ago.
            models.Index(
                fields=["organization_id", "resolved_at"], name="ticket_resolved", condition=Q(phase=Phase.RESOLVED)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.title}"

    @property
    def event_noun(self) -> str:
        """Facts about it are named by its kind: `incident.resolved`."""
        return str(self.kind)

    def save_base_row(self, names: Iterable[str]) -> None:
        """Write these columns of the base table alone, whichever class the instance has (G3)."""
        fields: list[Any] = [Ticket._meta.get_field(name) for name in names]
        columns = ", ".join(f'"{field.column}" = %s' for field in fields)
        values = [field.get_db_prep_save(getattr(self, field.attname), connection) for field in fields]
        # What update() arrives at, at a third of its price; every verb pays it.
        with connection.cursor() as cursor:
            cursor.execute(
                f'UPDATE "{Ticket._meta.db_table}" SET {columns} WHERE organization_id = %s AND id = %s',  # noqa: S608 - our columns
                [*values, self.organization_id, self.pk],
            )

    @property
    def is_open(self) -> bool:
        return self.phase in OPEN_PHASES

    @property
    def is_overridden(self) -> bool:
        """Whether somebody set the priority by hand."""
        return bool(self.priority_override_reason)

    @property
    def friendly_status(self) -> str:
        """In the words of whoever waits for it."""
        return friendly_status(self.phase, self.hold_reason)
