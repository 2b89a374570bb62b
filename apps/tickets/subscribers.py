"""What tickets do about facts from below."""

from apps.audit.models import Event
from apps.core.events import inside
from apps.tickets.priorities import create_default_matrix


@inside("organization.created")
def give_matrix(event: Event) -> None:
    """A new organization has its priority matrix from its first moment."""
    create_default_matrix(event.organization_id, at=event.at)
