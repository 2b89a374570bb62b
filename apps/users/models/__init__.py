"""People, their sessions, their teams, their times and their rights, by noun."""

from apps.users.models.access import Grant, Role, RoleAssignment
from apps.users.models.api_tokens import ApiToken, ApiTokenUse, ServiceAccount
from apps.users.models.availability import Absence, Presence, PresenceStatus
from apps.users.models.credentials import PasswordHistory, RecoveryCode, SignInCounter, TotpDevice
from apps.users.models.links import LinkPurpose, PasswordLink
from apps.users.models.membership import CostCentreOwner, DepartmentHead, MemberSkill, Skill, TeamMember
from apps.users.models.on_call import OnCallCoverage, OnCallOverride, OnCallRota, RotaMember, RotaVersion
from apps.users.models.operators import OperatorVisit
from apps.users.models.people import Session, User, UserType, normalise_email, normalise_name

__all__ = [
    "Absence",
    "ApiToken",
    "ApiTokenUse",
    "CostCentreOwner",
    "DepartmentHead",
    "Grant",
    "LinkPurpose",
    "MemberSkill",
    "OnCallCoverage",
    "OnCallOverride",
    "OnCallRota",
    "OperatorVisit",
    "PasswordHistory",
    "PasswordLink",
    "Presence",
    "PresenceStatus",
    "RecoveryCode",
    "Role",
    "RoleAssignment",
    "RotaMember",
    "RotaVersion",
    "ServiceAccount",
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
