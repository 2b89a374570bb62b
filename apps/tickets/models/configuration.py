"""What an organization sets up for its tickets: categories, tags, custom fields, the matrix, views, canned replies."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from apps.core.authorization import Reach, ReachColumns
from apps.core.fields import TenantForeignKey
from apps.core.models import VersionedModel
from apps.organizations.models import Team
from apps.tickets.choices import Audience, FieldType, Kind, Level, Priority, Visibility
from apps.users.models import User

KEY = RegexValidator(
    r"^[a-z][a-z0-9_]{0,49}$", "A lower-case letter, then letters, digits and underscores, at most 50."
)
TAG = RegexValidator(
    r"^[a-z0-9][a-z0-9._-]{0,49}$", "Lower-case letters, digits, dots, hyphens, underscores; at most 50."
)


class Category(VersionedModel):
    """A node of the tree that says what a ticket is about; a subcategory is a category with a parent."""

    name = models.CharField(max_length=120)
    parent = TenantForeignKey["Category | None", "Category | None"](
        "self", models.PROTECT, null=True, blank=True, related_name="children", db_index=False
    )
    description = models.TextField(blank=True, max_length=1000)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "categories"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "parent", "name"], name="category_name", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(parent=None) | ~Q(parent=F("id")),
                name="category_not_its_own_parent",
                violation_error_message="A category cannot be its own parent.",
            ),
        ]
        indexes = [models.Index(fields=["organization_id", "parent"], name="category_children")]

    def __str__(self) -> str:
        return self.name


class Tag(VersionedModel):
    """A word of the organization's vocabulary. Tickets hold the name itself, so it never changes."""

    name = models.CharField(max_length=50, validators=[TAG])
    colour = models.CharField(
        max_length=7, blank=True, validators=[RegexValidator(r"^#[0-9a-f]{6}$", "Such as #1f77b4.")]
    )
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "name"], name="tag_name")]

    def __str__(self) -> str:
        return self.name


class CustomField(VersionedModel):
    """One field more on tickets of one kind. `key` and `field_type` never change: values are stored by them."""

    kind = models.CharField(max_length=20, choices=Kind)
    key = models.CharField(max_length=50, validators=[KEY])
    label = models.CharField(max_length=120)
    field_type = models.CharField(max_length=10, choices=FieldType)
    # Of a choice: what may be chosen.
    choices = models.JSONField(default=list, blank=True)
    is_required = models.BooleanField(default=False)
    # Whether requesters see it and may fill it in.
    is_public = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "kind", "key"], name="custom_field_key"),
            models.CheckConstraint(condition=Q(field_type__in=FieldType.values), name="custom_field_type"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="custom_field_kind"),
        ]

    def __str__(self) -> str:
        return self.label


class PriorityCell(VersionedModel):
    """One cell of the matrix that gives a ticket of one kind its priority."""

    kind = models.CharField(max_length=20, choices=Kind, editable=False)
    impact = models.PositiveSmallIntegerField(choices=Level, editable=False)
    urgency = models.PositiveSmallIntegerField(choices=Level, editable=False)
    priority = models.PositiveSmallIntegerField(
        choices=Priority, validators=[MinValueValidator(1), MaxValueValidator(5)]
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "kind", "impact", "urgency"], name="priority_cell_once"),
            models.CheckConstraint(
                condition=Q(impact__in=Level.values, urgency__in=Level.values, priority__in=Priority.values),
                name="priority_cell_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: impact {self.impact}, urgency {self.urgency}"


class SavedView(VersionedModel):
    """A queue: filters of the ticket list under a name, for oneself, a team or everybody who reads tickets."""

    reach_columns: ClassVar[ReachColumns] = {Reach.OWN: ("owner_id",), Reach.TEAM: ("team_id",)}

    name = models.CharField(max_length=120)
    owner = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="saved_views", db_index=False)
    # As the list's query parameters: {"phase__in": "new,open", "assignee": "me"}.
    filters = models.JSONField(default=dict, blank=True)
    ordering = models.CharField(max_length=40, blank=True)
    shared_with = models.CharField(max_length=12, choices=Audience, default=Audience.ME)
    team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, blank=True, related_name="saved_views", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "owner", "name"], name="saved_view_name"),
            models.CheckConstraint(condition=Q(shared_with__in=Audience.values), name="saved_view_audience"),
            models.CheckConstraint(
                condition=Q(shared_with=Audience.TEAM, team__isnull=False)
                | (~Q(shared_with=Audience.TEAM) & Q(team=None)),
                name="saved_view_team",
                violation_error_message="A view that is shared with a team names it, and no other does.",
            ),
        ]
        indexes = [models.Index(fields=["organization_id", "name", "id"], name="saved_view_by_name")]

    def __str__(self) -> str:
        return self.name


class CannedReply(VersionedModel):
    """A prepared comment; `{{ ticket.number }}` and the like are filled in when it is used."""

    name = models.CharField(max_length=120)
    body = models.TextField(max_length=20_000)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PUBLIC)
    # Null: for every team.
    team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, blank=True, related_name="canned_replies", db_index=False
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "canned replies"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="canned_reply_name"),
            models.CheckConstraint(condition=Q(visibility__in=Visibility.values), name="canned_reply_visibility"),
        ]

    def __str__(self) -> str:
        return self.name
