"""The life of a tenant."""

from django.db.models import TextChoices

from apps.core.authorization import Action
from apps.core.lifecycle import Lifecycle, Transition


class OrganizationStatus(TextChoices):
    ACTIVE = "active"
    SUSPENDED = "suspended"


S = OrganizationStatus
LIFECYCLE = Lifecycle(
    resource="organizations",
    initial=S.ACTIVE,
    statuses=set(S.values),
    transitions={
        # Nobody of a suspended organization gets past sign-in, from the next request on; its data stays.
        "suspend": Transition(sources={S.ACTIVE}, target=S.SUSPENDED, grant=Action.CONFIGURE, requires=("reason",)),
        "resume": Transition(sources={S.SUSPENDED}, target=S.ACTIVE, grant=Action.CONFIGURE),
    },
)
