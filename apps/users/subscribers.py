"""What users do about facts from below."""

from apps.audit.models import Event
from apps.core.events import after, inside
from apps.organizations.events import ORGANIZATION_SUSPENDED
from apps.users.access import create_built_in_roles
from apps.users.services import end_all_sessions


@after(ORGANIZATION_SUSPENDED, consumer="users.end_sessions")
def end_sessions(event: Event) -> None:
    """A suspended organization's sessions are refused at once; ended here, they stay dead when it is resumed."""
    end_all_sessions(event.organization_id, at=event.recorded_at)


@inside("organization.created")
def give_built_in_roles(event: Event) -> None:
    """A new organization has its four roles from its first moment."""
    create_built_in_roles(event.organization_id, at=event.at)
