"""People, their sessions, their teams, their times and their rights, by noun."""

from apps.users.models.access import Grant, Role, RoleAssignment
from apps.users.models.availability import Absence, Presence, PresenceStatus
from apps.users.models.membership import CostCentreOwner, DepartmentHead, MemberSkill, Skill, TeamMember
from apps.users.models.on_call import OnCallOverride, OnCallRota, RotaMember, RotaVersion
from apps.users.models.people import Session, User, UserType, normalise_email

__all__ = [
    "Absence",
    "CostCentreOwner",
    "DepartmentHead",
    "Grant",
    "MemberSkill",
    "OnCallOverride",
    "OnCallRota",
    "Presence",
    "PresenceStatus",
    "Role",
    "RoleAssignment",
    "RotaMember",
    "RotaVersion",
    "Session",
    "Skill",
    "TeamMember",
    "User",
    "UserType",
    "normalise_email",
]
