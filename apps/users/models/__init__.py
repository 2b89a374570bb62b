"""People, their sessions, their teams and their rights, by noun."""

from apps.users.models.access import Grant, Role, RoleAssignment
from apps.users.models.api_tokens import ApiToken, ApiTokenUse, ServiceAccount
from apps.users.models.membership import MemberSkill, Skill, TeamMember
from apps.users.models.people import Session, User, UserType, normalise_email

__all__ = [
    "ApiToken",
    "ApiTokenUse",
    "Grant",
    "MemberSkill",
    "Role",
    "RoleAssignment",
    "ServiceAccount",
    "Session",
    "Skill",
    "TeamMember",
    "User",
    "UserType",
    "normalise_email",
]
