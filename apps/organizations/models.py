"""The tenant and its structure. The database keeps names unique within an organization and references inside it."""

from typing import Any, ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from apps.core.authorization import Reach, ReachColumns
from apps.core.fields import TenantForeignKey
from apps.core.models import SoftDeleteModel, TenantModel, VersionedModel, new_id
from apps.core.querysets import SoftDeleteObjects
from apps.core.validators import validate_language, validate_time_zone
from apps.organizations.lifecycle import OrganizationStatus

SLUG = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$", "Lower-case letters, digits and inner hyphens, at most 50."
)


class Organization(models.Model):
    """A tenant. Walled on its own id: an organization sees itself and no other."""

    tenant_field: ClassVar[str] = "id"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    slug = models.CharField(max_length=50, validators=[SLUG])
    domain_names = models.JSONField(default=list, blank=True)
    time_zone = models.CharField(max_length=63, default="UTC", validators=[validate_time_zone])
    language = models.CharField(max_length=10, default="en", validators=[validate_language])
    status = models.CharField(
        max_length=12, choices=OrganizationStatus, default=OrganizationStatus.ACTIVE, editable=False
    )
    # Platform operators live in such an organization and act elsewhere with X-Organization.
    is_operator = models.BooleanField(default=False, editable=False)
    # Made by load_demo, with published passwords; production refuses to serve beside it.
    is_demo = models.BooleanField(default=False, editable=False)
    requires_if_match = models.BooleanField(default=False)
    requires_mfa = models.BooleanField(default=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[Any] = SoftDeleteObjects()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="organization_slug"),
            models.CheckConstraint(condition=Q(status__in=OrganizationStatus.values), name="organization_status"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def organization_id(self) -> Any:
        """Its own id, so that an organization is a subject like any other record."""
        return self.pk


class BusinessCalendar(VersionedModel):
    """When an organization works: weekly windows in one time zone, and the days that differ.

    `windows`: [{"weekday": 0 Monday to 6, "start": "07:30", "end": "18:00" or "24:00"}], wall clock of `time_zone`; an end
    before the start belongs to the next day.
    `exceptions`: [{"date": "2026-12-24", "kind": "closed" or "open", "start", "end"}]; without times the whole day.
    Kept as they were typed. Each change of the three writes a CalendarVersion, and only versions are counted with.
    """

    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=63, validators=[validate_time_zone])
    windows = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    exceptions = models.JSONField(default=list, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = "calendar"
        constraints = [models.UniqueConstraint(fields=["organization_id", "name"], name="calendar_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def current(self) -> "CalendarVersion":
        """The hours that count now. One query."""
        newest: CalendarVersion = self.versions.latest("number")
        return newest


class CalendarVersion(TenantModel):
    """What a calendar's hours were from `created_at` on. Never changed: what was counted by it can be counted again."""

    calendar = TenantForeignKey["BusinessCalendar", "BusinessCalendar"](
        BusinessCalendar, models.PROTECT, related_name="versions"
    )
    number = models.PositiveIntegerField()
    time_zone = models.CharField(max_length=63, validators=[validate_time_zone])
    windows = models.JSONField(encoder=DjangoJSONEncoder)
    exceptions = models.JSONField(default=list, blank=True, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "calendar version"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "calendar", "number"], name="calendar_version_number")
        ]

    def __str__(self) -> str:
        return f"{self.calendar} {self.number}"


class ProposalState(models.TextChoices):
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class HolidayProposal(VersionedModel):
    """A day, or with "HH:MM" times a part of one, on which a calendar may be closed. Counts for nothing until confirmed."""

    calendar = TenantForeignKey["BusinessCalendar", "BusinessCalendar"](
        BusinessCalendar, models.CASCADE, related_name="holiday_proposals"
    )
    date = models.DateField()
    start = models.CharField(max_length=5, blank=True)
    end = models.CharField(max_length=5, blank=True)
    name = models.CharField(max_length=200, blank=True)
    # Who said so: "holidays DE-BY", or a file.
    source = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=ProposalState, default=ProposalState.PROPOSED)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "holiday proposal"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "calendar", "date", "start", "end"], name="holiday_proposed_once"
            ),
            models.CheckConstraint(condition=Q(state__in=ProposalState.values), name="holiday_proposal_state"),
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.name}"


class Site(VersionedModel):
    """A place with its own time zone."""

    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=63, default="UTC", validators=[validate_time_zone])
    address = models.TextField(blank=True, max_length=1000)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "name"], name="site_name")]

    def __str__(self) -> str:
        return self.name


class CostCentre(VersionedModel):
    """What work is charged to."""

    code = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name = "cost centre"
        constraints = [models.UniqueConstraint(fields=["organization_id", "code"], name="cost_centre_code")]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Department(VersionedModel):
    """A node of the organization chart."""

    name = models.CharField(max_length=120)
    parent = TenantForeignKey["Department | None", "Department | None"](
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    cost_centre = TenantForeignKey["CostCentre | None", "CostCentre | None"](
        CostCentre, models.PROTECT, null=True, blank=True, related_name="departments"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "parent", "name"], name="department_name", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(parent=None) | ~Q(parent=F("id")),
                name="department_not_its_own_parent",
                violation_error_message="A department cannot be its own parent.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class NumberSeries(TenantModel):
    """The last number given under one prefix. Its row is the lock: whoever takes the next one waits here for the other."""

    prefix = models.CharField(max_length=4)
    last = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = "number series"
        verbose_name_plural = "number series"
        constraints = [models.UniqueConstraint(fields=["organization_id", "prefix"], name="number_series_prefix")]

    def __str__(self) -> str:
        return f"{self.prefix} {self.last}"


class Team(SoftDeleteModel):
    """A group that work is given to. Its members, lead and skills are the users app's."""

    reach_columns: ClassVar[ReachColumns] = {Reach.TEAM: ("id",)}

    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=2000)
    email = models.EmailField(blank=True)
    calendar = TenantForeignKey["BusinessCalendar | None", "BusinessCalendar | None"](
        BusinessCalendar, models.PROTECT, null=True, blank=True, related_name="teams"
    )

    class Meta:
        constraints = [
            # A deleted team's name is free again; its restoration is refused while another has it.
            models.UniqueConstraint(fields=["organization_id", "name"], name="team_name", condition=Q(deleted_at=None))
        ]

    def __str__(self) -> str:
        return self.name
