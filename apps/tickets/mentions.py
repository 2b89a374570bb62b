"""Whom a comment calls by name: `@[Ada Lovelace](user:0199…)`, where the id counts and the name is what people read."""

import re
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from apps.core.authorization import Action, may
from apps.tickets import kinds, rights
from apps.tickets.choices import Visibility
from apps.tickets.models import Ticket
from apps.users.models import User
from apps.users.rights import actor_for

MENTION = re.compile(r"@\[[^\[\]\n]{1,200}\]\(user:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\)")
# Each costs a look at somebody's rights; whoever calls more people than this calls nobody in particular.
MOST = 20


def mentioned(ticket: Ticket, body: str, visibility: str, *, at: datetime) -> list[str]:
    """Ids of the people whom `body` calls and who may see the comment at `at` (UTC), in the order of the text.

    Whoever is no person of the organization, may not sign in or may not see it is left out; beyond MOST nobody is looked at.
    """
    named = list(dict.fromkeys(UUID(found) for found in MENTION.findall(body)))[:MOST]
    people = User.objects.in_tenant(ticket.organization_id).in_bulk(named) if named else {}
    return [str(pk) for pk in named if pk in people and _may_see(people[pk], ticket, visibility, at=at)]


def newly_mentioned(before: Iterable[str], after: Iterable[str]) -> list[str]:
    known = set(before)
    return [pk for pk in after if pk not in known]


def _may_see(person: User, ticket: Ticket, visibility: str, *, at: datetime) -> bool:
    if not person.may_sign_in:
        return False
    reader = actor_for(person, at=at)
    sees_ticket = may(reader, Action.READ, kinds.get(ticket.kind).resource, ticket)
    return sees_ticket and (visibility == Visibility.PUBLIC or rights.sees_internal(reader, ticket))
