"""Who is told next when nobody comes: chains, where each stands on a ticket, who has taken notice, and who was told when."""

from typing import Any

from django.db import models
from django.db.models import Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.organizations.models import BusinessCalendar, CalendarVersion
from apps.sla.choices import Begins, Chain, RunCause, RunEnd
from apps.tickets.models import Ticket
from apps.users.models import User


class EscalationPolicy(VersionedModel):
    """A chain: for which tickets (`match`, apps.sla.conditions) it begins, and what happens step by step until somebody comes.

    `steps`: [{"after_minutes", "actions", "repeats"?, "repeat_minutes"?}] (apps.sla.escalation.checking). Minutes are counted in the
    calendar's open time, around the clock without one. Lower positions are asked first.
    """

    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=2000)
    chain = models.CharField(max_length=12, choices=Chain)
    begins = models.CharField(max_length=10, choices=Begins, default=Begins.UNATTENDED)
    position = models.PositiveIntegerField(default=100)
    match: Any = models.JSONField(default=list)
    steps: Any = models.JSONField(default=list)
    calendar = TenantForeignKey["BusinessCalendar | None", "BusinessCalendar | None"](
        BusinessCalendar, models.PROTECT, null=True, blank=True, related_name="escalation_policies", db_index=False
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name = "escalation policy"
        verbose_name_plural = "escalation policies"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="escalation_policy_name"),
            models.CheckConstraint(
                condition=Q(chain__in=Chain.values, begins__in=Begins.values), name="escalation_policy_words"
            ),
        ]
        indexes = [models.Index(fields=["organization_id", "calendar"], name="escalation_policy_calendar")]

    def __str__(self) -> str:
        return self.name


class EscalationRun(TenantModel):
    """One chain on one ticket, from its beginning until somebody came or nobody is left. It keeps the steps it began with."""

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="escalations", db_index=False)
    policy = TenantForeignKey["EscalationPolicy", "EscalationPolicy"](
        EscalationPolicy, models.PROTECT, related_name="runs", db_index=False
    )
    sequence = models.PositiveIntegerField()
    because = models.CharField(max_length=8, choices=RunCause)
    steps: Any = models.JSONField(default=list)
    calendar_version = TenantForeignKey["CalendarVersion | None", "CalendarVersion | None"](
        CalendarVersion, models.PROTECT, null=True, related_name="+", db_index=False
    )
    began_at = models.DateTimeField()
    # What comes next: which step, and which repetition of it, both from 0; and when.
    next_step = models.PositiveSmallIntegerField(default=0)
    next_round = models.PositiveSmallIntegerField(default=0)
    next_due_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=12, choices=RunEnd, blank=True)

    class Meta:
        verbose_name = "escalation run"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "ticket", "policy", "sequence"], name="escalation_run_sequence"
            ),
            models.UniqueConstraint(
                fields=["organization_id", "ticket", "policy"],
                condition=Q(ended_at=None),
                name="escalation_run_one_live",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, next_due_at__isnull=False, end_reason="")
                | (Q(ended_at__isnull=False, next_due_at=None) & ~Q(end_reason="")),
                name="escalation_run_due_until_it_ends",
            ),
            models.CheckConstraint(
                condition=Q(because__in=RunCause.values, end_reason__in=RunEnd.values), name="escalation_run_words"
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization_id", "next_due_at"],
                name="escalation_run_due_here",
                condition=Q(next_due_at__isnull=False),
            ),
            models.Index(fields=["organization_id", "policy"], name="escalation_run_policy"),
            models.Index(fields=["organization_id", "-began_at", "-id"], name="escalation_run_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.policy_id} on {self.ticket_id}"


class EscalationFiring(TenantModel):
    """One step of one run was taken, once for ever: written in the transaction that does what the step says."""

    run = TenantForeignKey["EscalationRun", "EscalationRun"](
        EscalationRun, models.CASCADE, related_name="firings", db_index=False
    )
    step = models.PositiveSmallIntegerField()
    round = models.PositiveSmallIntegerField()
    due_at = models.DateTimeField()
    fired_at = models.DateTimeField()
    event_id = models.UUIDField()

    class Meta:
        verbose_name = "escalation firing"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "run", "step", "round"], name="escalation_firing_once")
        ]


class Acknowledgement(TenantModel):
    """Somebody has the ticket in hand: no chain begins on it, until it is reopened, taken from them, or goes to another team."""

    ticket = TenantForeignKey["Ticket", "Ticket"](
        Ticket, models.CASCADE, related_name="acknowledgements", db_index=False
    )
    user = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    # The fact that showed it: acknowledged, claimed, commented …
    because = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "ticket"], name="acknowledgement_one")]


class Notice(TenantModel):
    """When one person was last told of one ticket, and what is kept for them until they may be told again.

    `held`: [{"how", "why", "is_of_chain", "not_before", "is_of_end"}], of which at `next_at` is told what may be told then.
    """

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="notices", db_index=False)
    user = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="+", db_index=False)
    told_at = models.DateTimeField(null=True)
    held: Any = models.JSONField(default=list)
    next_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "ticket", "user"], name="sla_notice_once")]
        indexes = [
            models.Index(
                fields=["organization_id", "next_at"], name="sla_notice_due_here", condition=Q(next_at__isnull=False)
            ),
        ]
