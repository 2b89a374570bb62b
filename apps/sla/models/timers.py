"""What runs on a ticket: timers, the stretches they went through, the levels that fired, and what was read of other records."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel
from apps.organizations.models import CalendarVersion, Team
from apps.sla.choices import LIVE, Agreement, EndReason, Metric, Outcome, Stage, Stretch
from apps.sla.models.policies import Level, PolicyVersion, Target
from apps.sla.querysets import BreachObjects, TimerObjects
from apps.tickets.models import Ticket
from apps.users.models import User


class Timer(TenantModel):
    """One metric of one ticket against one pinned target and calendar version. Written by the engine alone.

    Seconds are whole; `elapsed_seconds` (open time) and `wall_seconds` are those of the stretches that are over: what has run
    since `since` is added when somebody asks. Writing a timer changes no ticket: no version, no update time.
    """

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="timers", db_index=False)
    version = TenantForeignKey["PolicyVersion", "PolicyVersion"](
        PolicyVersion, models.PROTECT, related_name="timers", db_index=False
    )
    target = TenantForeignKey["Target", "Target"](Target, models.PROTECT, related_name="timers", db_index=False)
    calendar_version = TenantForeignKey["CalendarVersion | None", "CalendarVersion | None"](
        CalendarVersion, models.PROTECT, null=True, related_name="timers", db_index=False
    )
    agreement = models.CharField(max_length=3, choices=Agreement)
    metric = models.CharField(max_length=16, choices=Metric)
    # Whose segment it measures; of an agreement with a team alone.
    team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, related_name="timers", db_index=False
    )
    # Of its ticket, agreement and metric: which timer it is in order, and which cycle (reopened, replied again) it measures.
    sequence = models.PositiveIntegerField()
    cycle = models.PositiveIntegerField(default=1)
    stage = models.CharField(max_length=9, choices=Stage)
    end_reason = models.CharField(max_length=16, choices=EndReason, blank=True)
    # Of which timer it took over start, pauses and breach.
    replaces = TenantForeignKey["Timer | None", "Timer | None"](
        "self", models.SET_NULL, null=True, related_name="replaced_by", db_index=False
    )
    started_at = models.DateTimeField()
    attached_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    target_seconds = models.PositiveIntegerField()
    original_due_at = models.DateTimeField()
    # None while it is paused.
    due_at = models.DateTimeField(null=True)
    # From when on lists show it as at risk; None while it is paused.
    at_risk_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField(null=True)
    # A deadline set by hand: pauses do not move it.
    fixed_due_at = models.DateTimeField(null=True)
    set_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    set_because = models.TextField(blank=True, max_length=2000)
    # The stretch that is not over: since when, why, and in whose hands.
    since = models.DateTimeField()
    because = models.CharField(max_length=40, blank=True)
    event_id = models.UUIDField(null=True)
    owner_team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, related_name="+", db_index=False
    )
    owner = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    segment_count = models.PositiveIntegerField(default=0)
    elapsed_seconds = models.PositiveIntegerField(default=0)
    wall_seconds = models.PositiveIntegerField(default=0)
    paused_seconds = models.PositiveIntegerField(default=0)
    breach_seconds = models.PositiveIntegerField(null=True)
    breach_wall_seconds = models.PositiveIntegerField(null=True)
    # [[level, its instant, or null while paused], …]: the levels that have not been reached.
    pending: Any = models.JSONField(default=list)
    # The nearest of those instants: the sweep reads nothing else.
    next_due_at = models.DateTimeField(null=True)
    # What was due before is history and is told to nobody.
    live_from = models.DateTimeField()

    objects: ClassVar[Any] = TimerObjects()  # type: ignore[assignment]

    class Meta:
        verbose_name = "sla timer"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "ticket", "agreement", "metric", "sequence"], name="sla_timer_sequence"
            ),
            models.UniqueConstraint(
                fields=["organization_id", "ticket", "agreement", "metric"],
                condition=Q(stage__in=LIVE),
                name="sla_timer_one_live",
            ),
            models.CheckConstraint(
                condition=Q(
                    stage__in=Stage.values,
                    agreement__in=Agreement.values,
                    metric__in=Metric.values,
                    end_reason__in=EndReason.values,
                ),
                name="sla_timer_words",
            ),
            models.CheckConstraint(
                condition=Q(stage__in=LIVE, ended_at=None) | (~Q(stage__in=LIVE) & Q(ended_at__isnull=False)),
                name="sla_timer_ended",
            ),
            models.CheckConstraint(
                condition=~Q(stage=Stage.RUNNING) | Q(due_at__isnull=False), name="sla_timer_running_is_due"
            ),
            models.CheckConstraint(
                condition=~Q(stage=Stage.PAUSED) | Q(due_at=None, at_risk_at=None), name="sla_timer_paused_is_not_due"
            ),
            # Only what runs can be due: nothing fires while paused or after the end.
            models.CheckConstraint(
                condition=Q(next_due_at=None) | Q(stage=Stage.RUNNING), name="sla_timer_due_while_running"
            ),
        ]
        indexes = [
            # What the sweep asks for, tenant by tenant. One by time alone would be walked past all that is due elsewhere.
            models.Index(
                fields=["organization_id", "next_due_at"],
                name="sla_timer_due_here",
                condition=Q(next_due_at__isnull=False),
            ),
            # Lists of tickets by ?sla=, newest first or by deadline: each probes by ticket, or reads the few.
            models.Index(
                fields=["organization_id", "ticket"],
                name="sla_timer_breached",
                condition=Q(breached_at__isnull=False),
            ),
            models.Index(
                fields=["organization_id", "ticket"], name="sla_timer_paused", condition=Q(stage=Stage.PAUSED)
            ),
            models.Index(
                fields=["organization_id", "at_risk_at"], name="sla_timer_at_risk", condition=Q(stage=Stage.RUNNING)
            ),
            models.Index(
                fields=["organization_id", "due_at"], name="sla_timer_by_deadline", condition=Q(stage=Stage.RUNNING)
            ),
            models.Index(fields=["organization_id", "-started_at", "-id"], name="sla_timer_newest"),
            # Breaches, newest first; compliance by the time of the end.
            models.Index(
                fields=["organization_id", "-breached_at", "-id"],
                name="sla_timer_breaches",
                condition=Q(breached_at__isnull=False),
            ),
            models.Index(
                fields=["organization_id", "ended_at"], name="sla_timer_ended_at", condition=Q(ended_at__isnull=False)
            ),
            models.Index(
                fields=["organization_id", "version"], name="sla_timer_of_version", condition=Q(stage__in=LIVE)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.stage}"


class Breach(Timer):
    """A timer that missed its deadline, and stands for that: no other took over from it, and its ticket is there."""

    objects: ClassVar[Any] = BreachObjects()  # type: ignore[assignment]

    class Meta:
        proxy = True
        verbose_name = "sla breach"
        verbose_name_plural = "sla breaches"


class Segment(TenantModel):
    """A stretch of a timer that is over: what it did, by which rule, in whose hands, and what was counted. Never changed."""

    timer = TenantForeignKey["Timer", "Timer"](Timer, models.CASCADE, related_name="segments", db_index=False)
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Stretch)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    # Open and wall time between the two; counted where the kind is running.
    business_seconds = models.PositiveIntegerField()
    wall_seconds = models.PositiveIntegerField()
    because = models.CharField(max_length=40, blank=True)
    event_id = models.UUIDField(null=True)
    calendar_version = TenantForeignKey["CalendarVersion | None", "CalendarVersion | None"](
        CalendarVersion, models.PROTECT, null=True, related_name="+", db_index=False
    )
    team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, related_name="+", db_index=False
    )
    assignee = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = "sla segment"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "timer", "number"], name="sla_segment_number"),
            models.CheckConstraint(condition=Q(kind__in=Stretch.values), name="sla_segment_kind"),
            models.CheckConstraint(condition=Q(ended_at__gte=models.F("began_at")), name="sla_segment_forward"),
        ]


class LevelFiring(TenantModel):
    """One level of one timer's cycle was reached, once for ever: written in the transaction that records the event."""

    timer = TenantForeignKey["Timer", "Timer"](Timer, models.CASCADE, related_name="firings", db_index=False)
    level = TenantForeignKey["Level", "Level"](Level, models.PROTECT, related_name="firings", db_index=False)
    cycle = models.PositiveIntegerField()
    outcome = models.CharField(max_length=9, choices=Outcome)
    due_at = models.DateTimeField()
    fired_at = models.DateTimeField()
    event_id = models.UUIDField(null=True)

    class Meta:
        verbose_name = "sla level firing"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "timer", "level", "cycle"], name="sla_firing_once"),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="sla_firing_outcome"),
        ]
        indexes = [models.Index(fields=["organization_id", "-fired_at", "-id"], name="sla_firing_newest")]


class Reading(TenantModel):
    """What conditions read of other records (the item's criticality, the requester's site) at one event of a ticket.

    Written where it differs from the last one: the log keeps what the ticket itself said, this what the others did, so that
    a timer can be built anew exactly as it was.
    """

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="sla_readings", db_index=False)
    event_id = models.UUIDField()
    at = models.DateTimeField()
    values: Any = models.JSONField(default=dict)

    class Meta:
        verbose_name = "sla reading"
        constraints = [models.UniqueConstraint(fields=["organization_id", "event_id"], name="sla_reading_of_event")]
        indexes = [models.Index(fields=["organization_id", "ticket", "-at", "-id"], name="sla_reading_newest")]
