"""Platform operators in the admin: in which organization they act, and that this is told there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.organizations.models import Organization
from apps.organizations.services import organization_ids
from apps.users.events import OPERATOR_ENTERED, OPERATOR_LEFT
from apps.users.models import User, UserType
from apps.users.rights import operator_in


@dataclass(frozen=True, slots=True)
class Tenant:
    """As much of an organization as an operator needs to choose it."""

    id: UUID
    name: str
    slug: str
    status: str
    is_operator: bool


def is_operator(user: User, home: Organization) -> bool:
    """Only the administrators among the operators; an End User of that organization is one anywhere."""
    return home.is_operator and user.user_type == UserType.ADMIN


def tenants(*, first: int, count: int) -> Iterator[Tenant]:
    """Organizations, oldest first, each read inside its own tenant."""
    for organization_id in organization_ids()[first : first + count]:
        found = tenant(organization_id)
        if found is not None:
            yield found


def tenant(organization_id: UUID) -> Tenant | None:
    """An organization that is not deleted; suspended ones are looked after as well."""
    with tenancy.moved_to(organization_id):
        columns = ("id", "name", "slug", "status", "is_operator")
        row = Organization.objects.alive().filter(pk=organization_id).values_list(*columns).first()
    return Tenant(*row) if row else None


def enter(organization_id: UUID, user: User, *, session_id: UUID, at: datetime) -> None:
    """Tell the organization that an operator begins to act in it."""
    _tell(OPERATOR_ENTERED, organization_id, operator_in(organization_id, user, session_id=session_id), at)


def leave(organization_id: UUID, user: User, *, session_id: UUID, at: datetime) -> None:
    """Tell the organization that the operator has left."""
    _tell(OPERATOR_LEFT, organization_id, operator_in(organization_id, user, session_id=session_id), at)


def _tell(fact: str, organization_id: UUID, actor: Actor, at: datetime) -> None:
    with tenancy.moved_to(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        events.record(fact, organization, actor=actor, at=at, session_id=actor.session_id)
