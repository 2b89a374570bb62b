"""Who follows a ticket, and how it hangs together with others."""

from django.db import models
from django.db.models import F, Q

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.tickets.choices import LinkType
from apps.tickets.models.ticket import Ticket
from apps.users.models import User


class Watcher(TenantModel):
    """Somebody who follows a ticket: sees it like its requester, and hears of it."""

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="watchers", db_index=False)
    user = TenantForeignKey["User", "User"](User, models.CASCADE, related_name="watched_tickets", db_index=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "ticket", "user"], name="watcher_once")]
        indexes = [models.Index(fields=["organization_id", "user", "ticket"], name="watcher_of_user")]

    def __str__(self) -> str:
        return f"{self.user_id} watches {self.ticket_id}"


class Link(VersionedModel):
    """This `ticket` <type> the ticket `to`. `parent_of` is also told by the child's own `parent`."""

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="links", db_index=False)
    link_type = models.CharField(max_length=12, choices=LinkType)
    to = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="links_to", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "ticket", "link_type", "to"], name="link_once"),
            models.UniqueConstraint(
                fields=["organization_id", "to"],
                name="link_one_parent",
                condition=Q(link_type=LinkType.PARENT_OF),
                violation_error_message="It has a parent already.",
            ),
            models.CheckConstraint(condition=~Q(ticket=F("to")), name="link_to_another"),
            models.CheckConstraint(condition=Q(link_type__in=LinkType.values), name="link_type_known"),
        ]
        indexes = [models.Index(fields=["organization_id", "to", "link_type"], name="link_backwards")]

    def __str__(self) -> str:
        return f"{self.ticket_id} {self.link_type} {self.to_id}"


class Merge(TenantModel):
    """That `ticket` was merged into another, and what to put back when that is undone."""

    ticket = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="merges", db_index=False)
    into = TenantForeignKey["Ticket", "Ticket"](Ticket, models.CASCADE, related_name="merged_tickets", db_index=False)
    merged_by = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, related_name="+", db_index=False
    )
    merged_at = models.DateTimeField()
    # Status, hold and parent of the absorbed ticket before, and the watchers that the survivor gained.
    before = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "ticket"], name="merge_once", condition=Q(undone_at=None)
            ),
            models.CheckConstraint(condition=~Q(ticket=F("into")), name="merge_into_another"),
        ]
        indexes = [models.Index(fields=["organization_id", "into"], name="merge_of_survivor")]

    def __str__(self) -> str:
        return f"{self.ticket_id} into {self.into_id}"
