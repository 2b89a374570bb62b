"""When somebody who works on incidents first took notice of one: what MTTA measures."""

from apps.audit.models import Event
from apps.incidents.models import Incident
from apps.users.models import User, UserType


def note(incident: Incident, event: Event) -> None:
    """The first act of an agent, or of the platform in an agent's name. No change by a person, so no new version."""
    if incident.acknowledged_at is None:
        incident.acknowledged_at = event.at
        incident.save(update_fields=["acknowledged_at"])


def is_agents_word(incident: Incident, event: Event) -> bool:
    """Whether a comment is of somebody who works on it: neither its requester, nor a watcher, nor the platform.

    Who is nobody of the organization is an operator of the platform.
    """
    if event.actor_id in {None, incident.requester_id}:
        return False
    return not User.objects.filter(pk=event.actor_id, user_type=UserType.END_USER).exists()
