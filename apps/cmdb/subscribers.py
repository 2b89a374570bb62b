"""What this app does about facts from below."""

from apps.audit.models import Event
from apps.cmdb.services import create_default_classes
from apps.core.events import inside


@inside("organization.created")
def give_classes(event: Event) -> None:
    """A new organization has its tree of classes from its first moment."""
    create_default_classes(event.organization_id, at=event.at)
