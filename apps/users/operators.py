"""Platform operators in the admin: in which organization they act, and that this is told there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.core.models import new_id
from apps.organizations.models import Organization
from apps.organizations.rounds import organization_ids
from apps.users.events import OPERATOR_ENTERED, OPERATOR_LEFT
from apps.users.models import OperatorVisit, User
from apps.users.rights import operator_in


@dataclass(frozen=True, slots=True)
class Tenant:
    """As much of an organization as an operator needs to choose it."""

    id: UUID
    name: str
    slug: str
    status: str
    is_operator: bool


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


def has_entered(session_id: UUID) -> bool:
    """Whether the organization in force knows that this session acts in it over the API."""
    return bool(OperatorVisit.objects.filter(session_key=session_id).exists())


def enter_once(organization_id: UUID, user: User, *, session_id: UUID, at: datetime) -> None:
    """As `enter`, for the API, where nobody enters or leaves: of all the requests of a session one is told."""
    with tenancy.moved_to(organization_id), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO users_operatorvisit (id, organization_id, session_key, at) VALUES (%s, %s, %s, %s)
            ON CONFLICT (organization_id, session_key) DO NOTHING
            """,
            [new_id(), organization_id, session_id, at],
        )
        is_first = cursor.rowcount == 1
    if is_first:
        enter(organization_id, user, session_id=session_id, at=at)


def leave(organization_id: UUID, user: User, *, session_id: UUID, at: datetime) -> None:
    """Tell the organization that the operator has left."""
    _tell(OPERATOR_LEFT, organization_id, operator_in(organization_id, user, session_id=session_id), at)


def _tell(fact: str, organization_id: UUID, actor: Actor, at: datetime) -> None:
    with tenancy.moved_to(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        events.record(fact, organization, actor=actor, at=at, session_id=actor.session_id)
