"""Work on a ticket: time spent, and its checklist."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.core.authorization import Reach, ReachColumns, Through
from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.organizations.models import Team
from apps.tickets.models.ticket import Ticket
from apps.users.models import User

MAX_MINUTES = 24 * 60


class Worklog(VersionedModel):
    """Minutes that somebody worked on a ticket, from `started_at` (UTC) on."""

    # Its ticket's team: who works for that one reads what the ticket took.
    reach_columns: ClassVar[ReachColumns] = {
        Reach.OWN: ("author_id",),
        Reach.TEAM: (Through("tickets.Worklog", "id", "ticket__team_id"),),
    }

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="worklogs", db_index=False)
    author = TenantForeignKey["User", "User"](
        User, models.PROTECT, editable=False, related_name="worklogs", db_index=False
    )
    minutes = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(MAX_MINUTES)])
    started_at = models.DateTimeField(blank=True)
    note = models.TextField(blank=True, max_length=5000)
    is_billable = models.BooleanField(default=False)

    class Meta:
        verbose_name = "work log"
        constraints = [
            models.CheckConstraint(condition=Q(minutes__gte=1, minutes__lte=MAX_MINUTES), name="worklog_minutes")
        ]
        indexes = [models.Index(fields=["organization_id", "ticket", "started_at", "id"], name="worklog_of_ticket")]

    def __str__(self) -> str:
        return f"{self.minutes} minutes"


class Task(VersionedModel):
    """An item of a ticket's checklist; it waits until those it depends on are done."""

    reach_columns: ClassVar[ReachColumns] = {
        Reach.OWN: ("assignee_id", "created_by_id"),
        Reach.TEAM: ("team_id", Through("tickets.Task", "id", "ticket__team_id")),
    }

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="tasks", db_index=False)
    title = models.CharField(max_length=255)
    team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.PROTECT, null=True, blank=True, related_name="tasks", db_index=False
    )
    assignee = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, blank=True, related_name="tasks", db_index=False
    )
    created_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, editable=False, related_name="+", db_index=False
    )
    order = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True, editable=False)
    done_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, editable=False, related_name="+", db_index=False
    )

    class Meta:
        indexes = [models.Index(fields=["organization_id", "ticket", "order", "id"], name="task_of_ticket")]

    def __str__(self) -> str:
        return self.title


class TaskDependency(TenantModel):
    """`task` waits for `depends_on`, of the same ticket."""

    task = TenantForeignKey["Task", "Task"](Task, models.CASCADE, related_name="dependencies", db_index=False)
    depends_on = TenantForeignKey["Task", "Task"](Task, models.CASCADE, related_name="dependents", db_index=False)

    class Meta:
        verbose_name_plural = "task dependencies"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "task", "depends_on"], name="task_dependency_once"),
            models.CheckConstraint(condition=~Q(task=F("depends_on")), name="task_not_waiting_for_itself"),
        ]
        indexes = [models.Index(fields=["organization_id", "depends_on"], name="task_dependents")]

    def __str__(self) -> str:
        return f"{self.task_id} after {self.depends_on_id}"
