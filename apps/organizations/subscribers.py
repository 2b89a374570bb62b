"""What structure does about facts of its own floor."""

from apps.audit.models import Event
from apps.core.events import inside
from apps.organizations.models import Organization
from apps.organizations.services import create_default_calendars


@inside("organization.created")
def give_calendars(event: Event) -> None:
    """A new organization has its two calendars from its first moment."""
    create_default_calendars(Organization.objects.get(pk=event.organization_id), at=event.at)
