"""What this app records."""

from apps.core.events import declare
from apps.core.records import declare_events
from apps.users.models import Role, RoleAssignment, Skill, TeamMember, User

for model in (Role, RoleAssignment, Skill, TeamMember, User):
    declare_events(model)
SIGNED_IN = declare("user.signed_in", "Signed in with password.")
SIGN_IN_FAILED = declare("user.sign_in_failed", "Sign-in refused: wrong password, or the account may not sign in.")
SIGNED_OUT = declare("user.signed_out", "Session ended by its owner.")
TOKEN_REUSED = declare("user.token_reused", "A used refresh token came back; its session was revoked.")
PASSWORD_CHANGED = declare("user.password_changed", "Password changed by its owner; their other sessions ended.")
SESSIONS_ENDED = declare("organization.sessions_ended", "Every session ended, because the organization was suspended.")
ROLE_GRANTS_CHANGED = declare("role.grants_changed", "What a custom role grants was changed.")
SESSION_ENDED = declare("user.session_ended", "A session was ended by an administrator.")
OPERATOR_ENTERED = declare("organization.operator_entered", "A platform operator began to act here in the admin.")
OPERATOR_LEFT = declare("organization.operator_left", "A platform operator ceased to act here in the admin.")
