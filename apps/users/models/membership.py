"""Who works in which team, how much they can take, what they are good at; who heads a department, who owns a cost centre."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps.core.authorization import Reach, ReachColumns
from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel, VersionedModel
from apps.organizations.models import BusinessCalendar, CostCentre, Department, Team
from apps.users.models.people import User


class Skill(VersionedModel):
    """Something a member can be good at: a technology, a language, a customer."""

    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=1000)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "name"], name="skill_name")]

    def __str__(self) -> str:
        return self.name


class TeamMember(VersionedModel):
    """One person's place in one team. `capacity` is how many open tickets they should hold there at most."""

    reach_columns: ClassVar[ReachColumns] = {Reach.TEAM: ("team_id",), Reach.OWN: ("user_id",)}

    team = TenantForeignKey[Team, Team](Team, models.CASCADE, related_name="members")
    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="memberships")
    is_lead = models.BooleanField(default=False)
    capacity = models.PositiveSmallIntegerField(default=20)
    # When they work here, where that is not whenever the team does.
    calendar = TenantForeignKey["BusinessCalendar | None", "BusinessCalendar | None"](
        BusinessCalendar, models.PROTECT, null=True, blank=True, related_name="members"
    )

    class Meta:
        verbose_name = "team member"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "team", "user"], name="team_member_once"),
            models.CheckConstraint(
                condition=Q(capacity__lte=1000),
                name="team_member_capacity",
                violation_error_message="A capacity is at most 1,000.",
            ),
        ]
        indexes = [models.Index(fields=["organization_id", "user", "team"], name="member_of")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class MemberSkill(TenantModel):
    """How good a member is at a skill: 1 beginner to 5 expert."""

    member = TenantForeignKey[TeamMember, TeamMember](TeamMember, models.CASCADE, related_name="skills")
    skill = TenantForeignKey[Skill, Skill](Skill, models.PROTECT, related_name="holders")
    level = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "member", "skill"], name="member_skill_once"),
            models.CheckConstraint(
                condition=Q(level__gte=1, level__lte=5),
                name="member_skill_level",
                violation_error_message="A level is 1 to 5.",
            ),
        ]

    def __str__(self) -> str:
        return f"level {self.level}"


class DepartmentHead(TenantModel):
    """Who heads a department; at most one at a time. Departments themselves name no people."""

    department = TenantForeignKey[Department, Department](Department, models.CASCADE, related_name="headed_by")
    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="headed_departments")
    since = models.DateTimeField()

    class Meta:
        verbose_name = "department head"
        constraints = [models.UniqueConstraint(fields=["organization_id", "department"], name="department_head_one")]
        indexes = [models.Index(fields=["organization_id", "user"], name="department_head_user")]

    def __str__(self) -> str:
        return f"{self.user} for {self.department}"


class CostCentreOwner(TenantModel):
    """Who answers for a cost centre; at most one at a time."""

    cost_centre = TenantForeignKey[CostCentre, CostCentre](CostCentre, models.CASCADE, related_name="owned_by")
    user = TenantForeignKey[User, User](User, models.CASCADE, related_name="owned_cost_centres")
    since = models.DateTimeField()

    class Meta:
        verbose_name = "cost centre owner"
        constraints = [models.UniqueConstraint(fields=["organization_id", "cost_centre"], name="cost_centre_owner_one")]
        indexes = [models.Index(fields=["organization_id", "user"], name="cost_centre_owner_user")]

    def __str__(self) -> str:
        return f"{self.user} for {self.cost_centre}"
