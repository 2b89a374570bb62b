"""What this app records."""

from apps.core.events import declare
from apps.core.records import declare_events
from apps.users.models import Role, RoleAssignment, ServiceAccount, Skill, TeamMember, User

for model in (Role, RoleAssignment, Skill, TeamMember, User):
    declare_events(model)
SIGNED_IN = declare("user.signed_in", "Signed in with password.")
SIGN_IN_FAILED = declare("user.sign_in_failed", "Sign-in refused: wrong password, or the account may not sign in.")
SIGNED_OUT = declare("user.signed_out", "Session ended by its owner.")
TOKEN_REUSED = declare("user.token_reused", "A used refresh token came back; its session was revoked.")
PASSWORD_CHANGED = declare("user.password_changed", "Password changed by its owner; their other sessions ended.")
SESSIONS_ENDED = declare("organization.sessions_ended", "Every session ended, because the organization was suspended.")
ROLE_GRANTS_CHANGED = declare("role.grants_changed", "What a custom role grants was changed.")
declare_events(ServiceAccount, "created", "updated", "deleted", "restored")
API_TOKEN_CREATED = declare("api_token.created", "An API token was made; its text is nowhere kept.")
API_TOKEN_REVOKED = declare("api_token.revoked", "An API token was revoked; its next use is refused.")
