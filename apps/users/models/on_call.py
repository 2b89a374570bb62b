"""On-call rotas: what a rota said from which instant on, its people in order, and overrides."""

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from apps.core.authorization import Reach, ReachColumns
from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.core.validators import validate_time_zone
from apps.organizations.models import Team
from apps.users.models.people import User

CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class OnCallRota(VersionedModel):
    """Who is called for a team, week by week. Everything that time is counted by stands in its versions."""

    reach_columns: ClassVar[ReachColumns] = {Reach.TEAM: ("team_id",)}

    name = models.CharField(max_length=120)
    team = TenantForeignKey[Team, Team](Team, models.PROTECT, related_name="on_call_rotas")
    # Of a team's rotas the first layer is called first; the next where it names nobody, or nobody answers.
    layer = models.PositiveSmallIntegerField(default=1)

    class Meta:
        verbose_name = "on call rota"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="on_call_rota_name"),
            models.CheckConstraint(
                condition=Q(layer__gte=1, layer__lte=9),
                name="on_call_rota_layer",
                violation_error_message="A layer is 1 to 9.",
            ),
        ]
        indexes = [models.Index(fields=["organization_id", "team"], name="on_call_rota_team")]

    def __str__(self) -> str:
        return self.name


class RotaVersion(TenantModel):
    """What a rota says from `effective_at` until the next version: past versions stay, so the past stays true.

    The rota starts on `starts_on`. It hands over each `weeks_per_turn` weeks on `handover_weekday` (0 Monday) at
    `handover_time`, wall clock of `time_zone`. Turn number n is that of member (n + offset), counted around. Outside of `hours`
    (windows as a calendar has them, in the same zone; none: always) it names nobody.
    """

    rota = TenantForeignKey[OnCallRota, OnCallRota](OnCallRota, models.CASCADE, related_name="versions")
    effective_at = models.DateTimeField()
    is_active = models.BooleanField(default=True)
    time_zone = models.CharField(max_length=63, validators=[validate_time_zone])
    starts_on = models.DateField()
    handover_weekday = models.PositiveSmallIntegerField()
    handover_time = models.CharField(max_length=5, validators=[RegexValidator(CLOCK)])
    weeks_per_turn = models.PositiveSmallIntegerField(default=1)
    offset = models.PositiveSmallIntegerField(default=0)
    hours: Any = models.JSONField(default=list)

    class Meta:
        verbose_name = "rota version"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "rota", "effective_at"], name="rota_version_once"),
            models.CheckConstraint(condition=Q(handover_weekday__lte=6), name="rota_version_weekday"),
            models.CheckConstraint(condition=Q(handover_time__regex=CLOCK), name="rota_version_time"),
            models.CheckConstraint(
                condition=Q(weeks_per_turn__gte=1, weeks_per_turn__lte=52), name="rota_version_turn"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rota} from {self.effective_at:%Y-%m-%d %H:%M}"


class RotaMember(TenantModel):
    """Somebody's place in the order of a version, from 0."""

    rota_version = TenantForeignKey[RotaVersion, RotaVersion](RotaVersion, models.CASCADE, related_name="members")
    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="rota_places")
    position = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = "rota member"
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "rota_version", "position"], name="rota_member_position"
            ),
            models.UniqueConstraint(fields=["organization_id", "rota_version", "user"], name="rota_member_once"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.user}"


class OnCallOverride(VersionedModel):
    """Somebody is called instead from `starts_at` until before `ends_at`. Where two overlap, the newer one holds."""

    rota = TenantForeignKey[OnCallRota, OnCallRota](OnCallRota, models.CASCADE, related_name="overrides")
    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="on_call_overrides")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "on call override"
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="on_call_override_period",
                violation_error_message="ends_at is after starts_at.",
            ),
        ]
        indexes = [models.Index(fields=["organization_id", "rota", "ends_at"], name="on_call_override_end")]

    def __str__(self) -> str:
        return f"{self.user} on {self.rota}"


class OnCallCoverage(VersionedModel):
    """When somebody of a team must be on call: `hours` by the wall clock of `time_zone` (none: always), from `covered_from` on.

    What would leave a gap in them is refused.
    """

    reach_columns: ClassVar[ReachColumns] = {Reach.TEAM: ("team_id",)}

    team = TenantForeignKey[Team, Team](Team, models.CASCADE, related_name="on_call_coverages")
    time_zone = models.CharField(max_length=63, validators=[validate_time_zone])
    hours: Any = models.JSONField(default=list, blank=True)
    covered_from = models.DateTimeField()

    class Meta:
        verbose_name = "on call coverage"
        constraints = [models.UniqueConstraint(fields=["organization_id", "team"], name="on_call_coverage_one")]

    def __str__(self) -> str:
        return f"{self.team} covered"
