"""What time does to a ticket that nobody touches: an organization's terms, and when which ticket's turn is."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.organizations.models import BusinessCalendar
from apps.tickets.choices import Days, Purpose
from apps.tickets.models.ticket import Ticket

MOST_DAYS, MOST_REMINDERS = 365, 10
UP_TO_A_YEAR = [MaxValueValidator(MOST_DAYS)]


def usual_reminders() -> list[int]:
    return [2, 4]


class ClosingSettings(VersionedModel):
    """How long an organization waits: for an answer, for an objection to a resolution, for a reopening. 0 days: off.

    Business days are those of `calendar`, or from Monday to Friday in the organization's own zone without one.
    """

    calendar = TenantForeignKey["BusinessCalendar | None", "BusinessCalendar | None"](
        BusinessCalendar, models.PROTECT, null=True, blank=True, related_name="closing_settings"
    )
    answer_days = models.CharField(max_length=8, choices=Days, default=Days.BUSINESS)
    # So many days after the question, one reminder each.
    remind_after = ArrayField(models.PositiveSmallIntegerField(), default=usual_reminders, blank=True)
    resolve_after = models.PositiveSmallIntegerField(default=7, validators=UP_TO_A_YEAR)
    close_days = models.CharField(max_length=8, choices=Days, default=Days.BUSINESS)
    warn_after = models.PositiveSmallIntegerField(default=3, validators=UP_TO_A_YEAR)
    close_after = models.PositiveSmallIntegerField(default=5, validators=UP_TO_A_YEAR)
    reopen_days = models.CharField(max_length=8, choices=Days, default=Days.CALENDAR)
    # After closing, by those who resolve; the requester of what is merely resolved always may.
    reopen_within = models.PositiveSmallIntegerField(default=14, validators=UP_TO_A_YEAR)
    # Whether the requester's own words reopen what is resolved.
    reply_reopens = models.BooleanField(default=True)
    # Whether not those that are nothing but thanks.
    ignores_thanks = models.BooleanField(default=False)

    class Meta:
        verbose_name = "closing settings"
        verbose_name_plural = "closing settings"
        constraints = [
            models.UniqueConstraint(fields=["organization_id"], name="closing_settings_once"),
            models.CheckConstraint(
                condition=Q(
                    answer_days__in=Days.values,
                    close_days__in=Days.values,
                    reopen_days__in=Days.values,
                    resolve_after__lte=MOST_DAYS,
                    warn_after__lte=MOST_DAYS,
                    close_after__lte=MOST_DAYS,
                    reopen_within__lte=MOST_DAYS,
                ),
                name="closing_settings_ranges",
            ),
            models.CheckConstraint(
                condition=Q(warn_after=0) | Q(warn_after__lt=models.F("close_after")),
                name="closing_settings_warns_before",
                violation_error_message="Whoever is warned is warned before it closes.",
            ),
        ]

    def __str__(self) -> str:
        return "What time does to tickets"


class Countdown(TenantModel):
    """That time will do something to a ticket, since when it counts, and what has been done. Whoever locks the ticket owns it.

    `due_at` is when to look: counted by the terms that `counted_by` names, and counted anew when they are others. None: it is
    nobody's turn (a major incident, a deleted ticket, switched off).
    """

    ticket = TenantForeignKey[Ticket, Ticket](Ticket, models.CASCADE, related_name="countdowns", db_index=False)
    purpose = models.CharField(max_length=8, choices=Purpose)
    since = models.DateTimeField()
    # Reminders or warnings, and the last one's instant: nothing is ended right behind one.
    given = models.PositiveSmallIntegerField(default=0, validators=[MinValueValidator(0)])
    last_given_at = models.DateTimeField(null=True)
    # Its owner was told that the time has come until which it was to wait for its requester.
    recalled_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    counted_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "ticket"], name="countdown_of_ticket"),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="countdown_purpose"),
            models.CheckConstraint(
                condition=Q(given=0, last_given_at=None) | Q(given__gt=0, last_given_at__isnull=False),
                name="countdown_given_at_some_time",
            ),
        ]
        indexes = [
            # What is due, and nothing else.
            models.Index(
                fields=["organization_id", "purpose", "due_at"], name="countdown_due", condition=Q(due_at__isnull=False)
            ),
            # What other terms counted.
            models.Index(
                fields=["organization_id", "counted_by"], name="countdown_stale", condition=~Q(purpose=Purpose.UNTIL)
            ),
        ]

    def __str__(self) -> str:
        due: Any = self.due_at or "never"
        return f"{self.ticket}: {self.purpose}, {due}"
