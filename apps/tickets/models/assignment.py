"""Whose work a ticket becomes by itself: rules that find the team, the team's queue, and where each ticket stands in it."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.organizations.models import Team
from apps.tickets.choices import AssignmentMethod, Destination, HandsBack
from apps.tickets.models.ticket import Ticket
from apps.users.models import User

MOST_TRIES = 10


def usual_accept_minutes() -> dict[str, int]:
    """Of the first two priorities by the clock on the wall, of the third in open time; nothing hurries the others."""
    return {"1": 5, "2": 15, "3": 60}


class AssignmentRule(VersionedModel):
    """Which tickets go to which team. The first rule by position whose `match` holds decides.

    `match`: {"category": [ids], "priority": [1, 2], …}: every field named must hold, by one of its values; {} matches
    everything. `skills`: [{"skill": id, "level": 1 to 5, "is_required": bool}], what whoever gets it should be good at.
    """

    name = models.CharField(max_length=120)
    position = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)
    match = models.JSONField(default=dict, blank=True)
    destination = models.CharField(max_length=20, choices=Destination, default=Destination.TEAM)
    team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, blank=True, related_name="assignment_rules"
    )
    skills = models.JSONField(default=list, blank=True)

    class Meta:
        verbose_name = "assignment rule"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="assignment_rule_name"),
            models.UniqueConstraint(fields=["organization_id", "position"], name="assignment_rule_position"),
            models.CheckConstraint(condition=Q(destination__in=Destination.values), name="assignment_rule_destination"),
            models.CheckConstraint(
                condition=Q(destination=Destination.TEAM, team__isnull=False)
                | (~Q(destination=Destination.TEAM) & Q(team=None)),
                name="assignment_rule_has_a_team",
                violation_error_message="A rule names a team, or whose support team it is.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AssignmentQueue(VersionedModel):
    """How one team's tickets find their person. A team without one, or with an inactive one, gives its work out by hand.

    The row is the lock under which somebody is chosen. `accept_minutes`: {"1": 5, …}, by priority, how long somebody may
    take to accept; from priority 3 on in the team's open time. A priority that is not named waits without end.
    """

    team = TenantForeignKey[Team, Team](Team, models.CASCADE, related_name="assignment_queues", db_index=False)
    is_active = models.BooleanField(default=True)
    method = models.CharField(max_length=12, choices=AssignmentMethod, default=AssignmentMethod.LEAST_LOADED)
    # Whether only those get work who say that they are available, and are signed in.
    needs_presence = models.BooleanField(default=True)
    # Whether only while the team's calendar, or the member's own, is open.
    needs_shift = models.BooleanField(default=True)
    # Whether what is on hold fills somebody's capacity.
    counts_on_hold = models.BooleanField(default=True)
    accept_minutes = models.JSONField(default=usual_accept_minutes, blank=True)
    # So many let it pass before it goes to the lead.
    most_tries = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1), MaxValueValidator(MOST_TRIES)]
    )
    hands_back = models.CharField(max_length=12, choices=HandsBack, default=HandsBack.UNACCEPTED)

    class Meta:
        verbose_name = "assignment queue"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "team"], name="assignment_queue_of_team"),
            models.CheckConstraint(
                condition=Q(method__in=AssignmentMethod.values, hands_back__in=HandsBack.values),
                name="assignment_queue_words",
            ),
            models.CheckConstraint(
                condition=Q(most_tries__gte=1, most_tries__lte=MOST_TRIES),
                name="assignment_queue_tries",
                violation_error_message=f"Accepted: 1 to {MOST_TRIES} tries.",
            ),
        ]

    def __str__(self) -> str:
        return f"the queue of {self.team}"


class AssignmentTurn(TenantModel):
    """When somebody last got work from a team's queue: whose turn it is next."""

    team = TenantForeignKey[Team, Team](Team, models.CASCADE, related_name="assignment_turns", db_index=False)
    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="assignment_turns", db_index=False)
    last_assigned_at = models.DateTimeField()

    class Meta:
        verbose_name = "assignment turn"
        constraints = [models.UniqueConstraint(fields=["organization_id", "team", "user"], name="assignment_turn_one")]

    def __str__(self) -> str:
        return f"{self.user} at {self.last_assigned_at:%Y-%m-%d %H:%M:%S}"


class Placement(TenantModel):
    """Where a ticket stands with its team's queue: offered to somebody who has not accepted yet, waiting, or neither.

    `passed` are those who let it pass or refused it since it came to the team: they are not asked again.
    """

    ticket = TenantForeignKey[Ticket, Ticket](Ticket, models.CASCADE, related_name="placements", db_index=False)
    skills = models.JSONField(default=list)
    passed = ArrayField(models.UUIDField(), default=list)
    offered_to = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="offers", db_index=False
    )
    offered_at = models.DateTimeField(null=True)
    # None: without end, as for the lead, behind whom there is nobody.
    accept_by = models.DateTimeField(null=True)
    waiting_since = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "ticket"], name="placement_of_ticket"),
            models.CheckConstraint(
                condition=Q(offered_to__isnull=False, offered_at__isnull=False, waiting_since=None)
                | Q(offered_to=None, offered_at=None, accept_by=None),
                name="placement_offered_or_waiting",
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization_id", "accept_by"], name="placement_due", condition=Q(accept_by__isnull=False)
            ),
            models.Index(
                fields=["organization_id", "offered_to"], name="placement_offers", condition=Q(offered_to__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        state: Any = self.offered_to or ("waiting" if self.waiting_since else "settled")
        return f"{self.ticket}: {state}"
