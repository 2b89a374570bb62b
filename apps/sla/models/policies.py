"""What an organization promises: policies in order, their immutable versions, targets and levels."""

from typing import Any

from django.db import models
from django.db.models import Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel, new_id
from apps.organizations.models import BusinessCalendar
from apps.sla.choices import Agreement, Metric, Selection, VersionState


class Settings(VersionedModel):
    """How an organization chooses among its policies. `stamp` changes with anything that a new timer is chosen by."""

    selection = models.CharField(max_length=12, choices=Selection, default=Selection.FIRST_MATCH)
    # Never a number: one that was rolled back would come again with other policies behind it.
    stamp = models.UUIDField(default=new_id, editable=False)

    class Meta:
        verbose_name = "sla settings"
        verbose_name_plural = "sla settings"
        constraints = [
            models.UniqueConstraint(fields=["organization_id"], name="sla_settings_once"),
            models.CheckConstraint(condition=Q(selection__in=Selection.values), name="sla_settings_selection"),
        ]


class Policy(VersionedModel):
    """One promise under one name; what it says is its published version's. Lower positions are asked first."""

    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=2000)
    agreement = models.CharField(max_length=3, choices=Agreement, default=Agreement.SLA)
    position = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name = "sla policy"
        verbose_name_plural = "sla policies"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="sla_policy_name"),
            # Two at one place would leave the choice to chance.
            models.UniqueConstraint(
                fields=["organization_id", "position"],
                name="sla_policy_position",
                deferrable=models.Deferrable.IMMEDIATE,
            ),
            models.CheckConstraint(condition=Q(agreement__in=Agreement.values), name="sla_policy_agreement"),
        ]

    def __str__(self) -> str:
        return self.name


class PolicyVersion(TenantModel):
    """What a policy says from one publication to the next. Never changed once it is published: timers are pinned to it.

    `match`: a condition (apps.sla.conditions) that chooses tickets. `rules`: by metric, what differs from the usual
    (apps.sla.rules).
    """

    policy = TenantForeignKey["Policy", "Policy"](Policy, models.PROTECT, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=VersionState, default=VersionState.DRAFT)
    match: Any = models.JSONField(default=list)
    rules: Any = models.JSONField(default=dict)
    note = models.TextField(blank=True, max_length=2000)
    # What was allowed and probably not meant, as it was found when the draft was written.
    warnings: Any = models.JSONField(default=list)
    created_at = models.DateTimeField(editable=False)
    published_at = models.DateTimeField(null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "sla policy version"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "policy", "number"], name="sla_version_number"),
            models.UniqueConstraint(
                fields=["organization_id", "policy"], condition=Q(state="published"), name="sla_version_one_published"
            ),
            models.CheckConstraint(
                condition=Q(state=VersionState.DRAFT, published_at=None)
                | Q(state__in=(VersionState.PUBLISHED, VersionState.RETIRED), published_at__isnull=False),
                name="sla_version_state",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"


class Target(TenantModel):
    """How long one metric may take: the first of its metric, in order, whose condition `applies` counts.

    `business_days` in place of seconds: so many open days later at the same local time, at closing time at the latest. Without
    a calendar it is always open.
    """

    version = TenantForeignKey["PolicyVersion", "PolicyVersion"](
        PolicyVersion, models.CASCADE, related_name="targets", db_index=False
    )
    metric = models.CharField(max_length=16, choices=Metric)
    position = models.PositiveSmallIntegerField()
    applies: Any = models.JSONField(default=list)
    target_seconds = models.PositiveIntegerField(null=True)
    business_days = models.PositiveSmallIntegerField(null=True)
    calendar = TenantForeignKey["BusinessCalendar | None", "BusinessCalendar | None"](
        BusinessCalendar, models.PROTECT, null=True, related_name="sla_targets", db_index=False
    )

    class Meta:
        verbose_name = "sla target"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "version", "metric", "position"], name="sla_target_position"
            ),
            models.CheckConstraint(condition=Q(metric__in=Metric.values), name="sla_target_metric"),
            # Up to three years, which leaves a calendar's horizon room for pauses.
            models.CheckConstraint(
                condition=Q(target_seconds__range=(1, 94_608_000), business_days=None)
                | Q(target_seconds=None, business_days__range=(1, 1_095)),
                name="sla_target_seconds_or_days",
            ),
        ]
        indexes = [models.Index(fields=["organization_id", "calendar"], name="sla_target_calendar")]


def always() -> list[dict[str, Any]]:
    """The condition that every ticket meets."""
    return [{}]


class Level(TenantModel):
    """When a timer of one metric tells somebody: at a percentage of its target, or so many seconds before or after its deadline.

    Business seconds of the target's calendar. `actions`: [{"do": "notify" …}], carried out after the commit (apps.sla.acting) if
    `applies`, a condition, holds then.
    """

    version = TenantForeignKey["PolicyVersion", "PolicyVersion"](
        PolicyVersion, models.CASCADE, related_name="levels", db_index=False
    )
    metric = models.CharField(max_length=16, choices=Metric)
    position = models.PositiveSmallIntegerField()
    percent = models.PositiveSmallIntegerField(null=True)
    offset_seconds = models.IntegerField(null=True)
    actions: Any = models.JSONField(default=list)
    applies: Any = models.JSONField(default=always)
    # Somebody who has the ticket in hand need not be called to it.
    is_until_acknowledged = models.BooleanField(default=False)
    # What people are told, they are told while the calendar is open, unless this says otherwise.
    is_around_the_clock = models.BooleanField(default=False)

    class Meta:
        verbose_name = "sla level"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "version", "metric", "position"], name="sla_level_position"
            ),
            models.CheckConstraint(condition=Q(metric__in=Metric.values), name="sla_level_metric"),
            models.CheckConstraint(
                condition=Q(percent__isnull=False, offset_seconds=None) | Q(percent=None, offset_seconds__isnull=False),
                name="sla_level_percent_or_offset",
            ),
        ]

    @property
    def words(self) -> str:
        """As people say it: `75 %`, `3600 s before`."""
        if self.percent is not None:
            return f"{self.percent} %"
        seconds = self.offset_seconds or 0
        return f"{abs(seconds)} s {'before' if seconds < 0 else 'after'}"
