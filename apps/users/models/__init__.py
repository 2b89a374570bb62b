"""People, their sessions, their teams and their rights, by noun."""

from apps.users.models.access import Grant, Role, RoleAssignment
from apps.users.models.links import LinkPurpose, PasswordLink
from apps.users.models.membership import MemberSkill, Skill, TeamMember
from apps.users.models.people import Session, User, UserType, normalise_email, normalise_name

__all__ = [
    "Grant",
    "LinkPurpose",
    "MemberSkill",
    "PasswordLink",
    "Role",
    "RoleAssignment",
    "Session",
    "Skill",
    "TeamMember",
    "User",
    "UserType",
    "normalise_email",
    "normalise_name",
]
