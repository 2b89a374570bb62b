"""People, their sessions, their teams and their rights, by noun."""

from apps.users.models.access import Grant, Role, RoleAssignment
from apps.users.models.credentials import PasswordHistory, RecoveryCode, SignInCounter, TotpDevice
from apps.users.models.links import LinkPurpose, PasswordLink
from apps.users.models.membership import MemberSkill, Skill, TeamMember
from apps.users.models.people import Session, User, UserType, normalise_email, normalise_name

__all__ = [
    "Grant",
    "LinkPurpose",
    "MemberSkill",
    "PasswordHistory",
    "PasswordLink",
    "RecoveryCode",
    "Role",
    "RoleAssignment",
    "Session",
    "SignInCounter",
    "Skill",
    "TeamMember",
    "TotpDevice",
    "User",
    "UserType",
    "normalise_email",
    "normalise_name",
]
