"""Who can be reached at an instant: presence, absence, and who stands in. Read in two queries for any number of people."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef

from apps.core import events, tenancy
from apps.core.actors import Actor
from apps.users.events import PRESENCE_CHANGED
from apps.users.models import Presence, PresenceStatus, Session


@dataclass(frozen=True, slots=True)
class Absent:
    """Somebody's absence in force: until when, whom they named, and whether that one still works here."""

    until: datetime
    delegate_id: UUID | None
    is_delegate_active: bool = True


@dataclass(frozen=True, slots=True)
class Availability:
    """How somebody can be reached. `delegate_id` is who effectively stands in, at the end of the chain."""

    presence: str = PresenceStatus.OFFLINE
    is_out: bool = False
    until: datetime | None = None
    delegate_id: UUID | None = None


def availability_of(user_ids: Collection[UUID], at: datetime) -> Mapping[UUID, Availability]:
    """Each of these users of the tenant in force at `at` (UTC); absences are those of `at`, presence is the last one set."""
    if not user_ids:
        return {}
    presences = _presences(user_ids, at)
    absences = _absences(user_ids, at)
    return {
        user_id: Availability(
            presences.get(user_id, PresenceStatus.OFFLINE),
            user_id in absences,
            absences[user_id].until if user_id in absences else None,
            delegate_of(user_id, absences),
        )
        for user_id in user_ids
    }


def delegate_of(user_id: UUID, absences: Mapping[UUID, Absent]) -> UUID | None:
    """Who stands in for somebody absent: the delegate, or whoever stands in for an absent delegate.

    None for somebody who is there, and where the chain ends with nobody, with somebody inactive, or in a circle.
    """
    seen: set[UUID] = set()
    current = user_id
    while current in absences:
        absent = absences[current]
        if current in seen or absent.delegate_id is None or not absent.is_delegate_active:
            return None
        seen.add(current)
        current = absent.delegate_id
    return current if current != user_id else None


def set_presence(*, actor: Actor, at: datetime, status: str) -> Presence:
    """What the actor says of themselves. Saying it again changes nothing and records nothing."""
    key = {"organization_id": actor.organization_id, "user_id": actor.required_id}
    presence, _ = Presence.objects.select_for_update().get_or_create(
        **key, defaults={"status": PresenceStatus.OFFLINE, "since": at}
    )
    if presence.status == status:
        return presence
    before, presence.status, presence.since = presence.status, status, at
    presence.save(update_fields=["status", "since"])
    events.record(PRESENCE_CHANGED, presence.user, actor=actor, at=at, changes={"presence": (before, status)})
    return presence


def _presences(user_ids: Collection[UUID], at: datetime) -> dict[UUID, str]:
    """Nobody without a live session is there, so nothing has to be tidied up when sessions die."""
    live = Session.objects.filter(
        user_id=OuterRef("user_id"), revoked_at=None, idle_until__gt=at, absolute_until__gt=at
    )
    rows = Presence.objects.filter(user_id__in=user_ids).annotate(is_signed_in=Exists(live))
    return {
        user_id: status if is_signed_in else PresenceStatus.OFFLINE
        for user_id, status, is_signed_in in rows.values_list("user_id", "status", "is_signed_in")
    }


# UNION, not UNION ALL: a circle of delegates adds no new row and ends the walk.
CHAIN_SQL = """
WITH RECURSIVE chain AS (
    SELECT user_id, ends_at, delegate_id FROM users_absence
    WHERE organization_id = %(tenant)s AND user_id = ANY (%(users)s) AND starts_at <= %(at)s AND ends_at > %(at)s
    UNION
    SELECT a.user_id, a.ends_at, a.delegate_id FROM chain JOIN users_absence a
    ON a.organization_id = %(tenant)s AND a.user_id = chain.delegate_id AND a.starts_at <= %(at)s AND a.ends_at > %(at)s
)
SELECT chain.user_id, chain.ends_at, chain.delegate_id, u.is_active AND u.deleted_at IS NULL
FROM chain LEFT JOIN users_user u ON u.organization_id = %(tenant)s AND u.id = chain.delegate_id
"""


def _absences(user_ids: Collection[UUID], at: datetime) -> dict[UUID, Absent]:
    """The absences in force of these users, of their delegates, and so on."""
    given: dict[str, Any] = {"tenant": tenancy.required_organization_id(), "users": list(user_ids), "at": at}
    with connection.cursor() as cursor:
        cursor.execute(CHAIN_SQL, given)
        return {user: Absent(until, delegate, bool(active)) for user, until, delegate, active in cursor.fetchall()}
