"""Rights: a role is a set of grants, an assignment gives it to a person or a team, for a time and perhaps for one team only."""

from django.db import models
from django.db.models import F, Q

from apps.core.authorization import Action, Reach
from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.organizations.models import Team
from apps.users.models.people import User


class Role(VersionedModel):
    """A named set of grants. The four built-in ones carry a `key` and grant what they grant; custom ones are copies of them.

    A role without a name is anonymous: it holds the direct grants of one person.
    """

    name = models.CharField(max_length=120, blank=True)
    key = models.CharField(max_length=20, blank=True, editable=False)
    description = models.TextField(blank=True, max_length=1000)
    # Whoever holds it signs in with a second factor; also a built-in role may demand that.
    requires_mfa = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="role_name", condition=~Q(name="")),
            models.UniqueConstraint(fields=["organization_id", "key"], name="role_key", condition=~Q(key="")),
        ]

    def __str__(self) -> str:
        return self.name or "direct grants"

    @property
    def is_built_in(self) -> bool:
        return bool(self.key)

    @property
    def is_anonymous(self) -> bool:
        return not self.name


class Grant(TenantModel):
    """A role may do `action` on `resource`, as far as `reach` goes. What is not granted is denied."""

    role = TenantForeignKey[Role, Role](Role, models.CASCADE, related_name="grants")
    resource = models.CharField(max_length=40)
    action = models.CharField(max_length=12, choices=[(action.value, action.value) for action in Action])
    reach = models.CharField(max_length=12, choices=[(reach.value, reach.value) for reach in Reach])

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "role", "resource", "action"], name="grant_once"),
            models.CheckConstraint(condition=Q(action__in=[a.value for a in Action]), name="grant_action"),
            models.CheckConstraint(condition=Q(reach__in=[r.value for r in Reach]), name="grant_reach"),
        ]

    def __str__(self) -> str:
        return f"{self.resource}.{self.action} ({self.reach})"


class RoleAssignment(VersionedModel):
    """One role for one person or one team's members, from `valid_from` until before `valid_until` (UTC).

    With `limited_to_team` no grant of it reaches further than that team.
    """

    role = TenantForeignKey[Role, Role](Role, models.CASCADE, related_name="assignments")
    user = TenantForeignKey["User | None", "User | None"](
        User, models.CASCADE, null=True, blank=True, related_name="role_assignments"
    )
    team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.CASCADE, null=True, blank=True, related_name="role_assignments"
    )
    limited_to_team = TenantForeignKey["Team | None", "Team | None"](
        Team, models.CASCADE, null=True, blank=True, related_name="limited_assignments"
    )
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "role assignment"
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None) ^ Q(team=None),
                name="assignment_to_one",
                violation_error_message="Give either a user or a team.",
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gt=F("valid_from")),
                name="assignment_period",
                violation_error_message="valid_until is after valid_from.",
            ),
        ]
        indexes = [
            models.Index(fields=["organization_id", "user"], name="assignment_of_user"),
            models.Index(fields=["organization_id", "team"], name="assignment_of_team"),
        ]

    def __str__(self) -> str:
        return f"{self.role} for {self.user or self.team}"

    @property
    def grants(self) -> list[Grant]:
        """The direct grants; none where the assignment is of a role with a name, which lists its own."""
        return list(self.role.grants.all()) if self.role.is_anonymous else []
