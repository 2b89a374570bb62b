"""What this app records."""

from apps.core.events import declare
from apps.core.records import declare_events
from apps.users.models import (
    Absence,
    OnCallCoverage,
    OnCallOverride,
    OnCallRota,
    Role,
    RoleAssignment,
    ServiceAccount,
    Skill,
    TeamMember,
    User,
)

for model in (Absence, OnCallCoverage, OnCallOverride, OnCallRota, Role, RoleAssignment, Skill, TeamMember, User):
    declare_events(model)
SIGNED_IN = declare("user.signed_in", "Signed in.")
SIGN_IN_FAILED = declare("user.sign_in_failed", "Sign-in refused: wrong password, or the account may not sign in.")
SIGNED_OUT = declare("user.signed_out", "Session ended by its owner.")
TOKEN_REUSED = declare("user.token_reused", "A used refresh token came back; its session was revoked.")
PASSWORD_CHANGED = declare("user.password_changed", "Password changed; the other sessions ended.")
PASSWORD_REFUSED = declare("user.password_refused", "Somebody signed in gave a wrong current password.")
MFA_ENABLED = declare("user.mfa_enabled", "Second factor turned on; the other sessions ended.")
MFA_DISABLED = declare("user.mfa_disabled", "Second factor turned off; the other sessions ended.")
MFA_RESET = declare("user.mfa_reset", "An administrator removed somebody's second factor; their sessions ended.")
RECOVERY_CODE_USED = declare("user.recovery_code_used", "A recovery code took the place of the authenticator.")
RECOVERY_CODES_RENEWED = declare("user.recovery_codes_renewed", "Ten new recovery codes; the old ones are void.")
SECOND_FACTOR_FAILED = declare("user.second_factor_failed", "A code was wrong, or was used before.")
SESSION_ENDED = declare(
    "user.session_ended", "One session ended, by its owner from another one or by an administrator."
)
USER_SESSIONS_ENDED = declare("user.sessions_ended", "Sessions of a user ended by somebody who may.")
SESSIONS_ENDED = declare("organization.sessions_ended", "Every session ended, because the organization was suspended.")
ROLE_GRANTS_CHANGED = declare("role.grants_changed", "What a custom role grants was changed.")
declare_events(User, "email_changed", "deactivated", "activated", "restored")
USER_INVITED = declare("user.invited", "A user was created who is mailed a link to set a password.")
USER_UNLOCKED = declare("user.unlocked", "An administrator forgave somebody's failed attempts to sign in.")
RESET_REQUESTED = declare("user.password_reset_requested", "Somebody is mailed a link to set a new password.")
PRESENCE_CHANGED = declare("presence.changed", "Somebody set their presence: available, away or offline.")
declare_events(ServiceAccount, "created", "updated", "deleted", "restored")
API_TOKEN_CREATED = declare("api_token.created", "An API token was made; its text is nowhere kept.")
API_TOKEN_REVOKED = declare("api_token.revoked", "An API token was revoked; its next use is refused.")
OPERATOR_ENTERED = declare(
    "organization.operator_entered", "A platform operator began to act here, in the admin or over the API."
)
OPERATOR_LEFT = declare("organization.operator_left", "A platform operator ceased to act here in the admin.")
