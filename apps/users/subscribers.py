"""What users do about facts from below."""

from apps.audit.models import Event
from apps.core import jobs
from apps.core.events import after, inside
from apps.organizations.events import ORGANIZATION_SUSPENDED
from apps.users import imports
from apps.users.access import create_built_in_roles
from apps.users.events import PASSWORD_CHANGED
from apps.users.links import spend_all
from apps.users.services import end_all_sessions


@after(ORGANIZATION_SUSPENDED, consumer="users.end_sessions")
def end_sessions(event: Event) -> None:
    """A suspended organization's sessions are refused at once; ended here, they stay dead when it is resumed."""
    end_all_sessions(event.organization_id, at=event.recorded_at)


@inside("organization.created")
def give_built_in_roles(event: Event) -> None:
    """A new organization has its four roles from its first moment."""
    create_built_in_roles(event.organization_id, at=event.at)


@inside(PASSWORD_CHANGED)
@inside("user.email_changed")
@inside("user.deactivated")
@inside("user.deleted")
def spend_links(event: Event) -> None:
    """What was mailed before opens nothing any more."""
    spend_all(event.subject_id, at=event.at)


@inside(jobs.FINISHED)
def forget_imported_text(event: Event) -> None:
    """The people in an imported file are in their own rows now, or are nobody's business."""
    if event.data["kind"] == imports.KIND:
        imports.forget_text(event.subject_id)
