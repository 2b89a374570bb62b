"""Who can be reached: presence as people set it, and planned absences with a delegate."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from apps.core.authorization import Reach, ReachColumns
from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.users.models.people import User


class PresenceStatus(models.TextChoices):
    AVAILABLE = "available"
    AWAY = "away"
    OFFLINE = "offline"


class Presence(TenantModel):
    """What somebody last said of themselves. Whoever has no live session counts as offline, whatever stands here."""

    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="presence_rows")
    status = models.CharField(max_length=10, choices=PresenceStatus, default=PresenceStatus.OFFLINE)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "user"], name="presence_one"),
            models.CheckConstraint(condition=Q(status__in=PresenceStatus.values), name="presence_status"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.status}"


class Absence(VersionedModel):
    """Out of office from `starts_at` until before `ends_at`. `delegate` stands in, or whoever stands in for the delegate.

    Two absences of one person do not overlap; the service sees to it under a lock on the person's row.
    """

    reach_columns: ClassVar[ReachColumns] = {Reach.OWN: ("user_id",)}

    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="absences")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    delegate = TenantForeignKey["User | None", "User | None"](
        User, models.PROTECT, null=True, blank=True, related_name="delegations"
    )
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="absence_period",
                violation_error_message="ends_at is after starts_at.",
            ),
            models.CheckConstraint(
                condition=Q(delegate=None) | ~Q(delegate=F("user")),
                name="absence_delegate",
                violation_error_message="The delegate is somebody else.",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "user", "starts_at"], name="absence_of_user"),
            models.Index(fields=["organization_id", "-starts_at", "-id"], name="absence_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.user} from {self.starts_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d}"
