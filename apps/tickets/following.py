"""A new ticket for what comes back after its ticket was closed for good."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.lifecycle import Phase
from apps.organizations.models import Team
from apps.tickets import custom_fields, merging, relations, rights, services
from apps.tickets.choices import LinkType
from apps.tickets.models import Link, Ticket


def follow_up(ticket: Ticket, *, actor: Actor, at: datetime, title: str = "", description: str = "") -> Any:
    """Open a ticket of the same kind with what the closed one was about, linked to it; the new row is returned.

    It is for the same requester, unless a mere watcher asks: then for them. Raises Denied, and Conflict `not_closed` for what
    can still be reopened by whoever has it in hand.
    """
    locked = services.lock(ticket.pk, actor=actor)
    if locked.phase != Phase.CLOSED:
        refusal = f"It is {locked.status}; only what is closed is followed up."
        raise Conflict(refusal, code="not_closed", current_status=locked.status)
    words: dict[str, Any] = {"title": title or locked.title, "description": description or locked.description}
    if actor.local_id != locked.requester_id and not rights.works_on(actor, locked):
        words["requester_id"] = actor.local_id
    return _open(locked, words, actor=actor, at=at)


def answer(locked: Ticket, *, actor: Actor, at: datetime, description: str, because: str) -> Any:
    """Open a ticket for what the requester said when the locked one was closed for good; `because` is the id of what they said."""
    told = {"because": because, "users": [str(locked.requester_id)]}
    return _open(locked, {"title": locked.title, "description": description}, actor=actor, at=at, **told)


def open_one(locked: Ticket) -> Ticket | None:
    """The newest ticket of the same requester that follows the locked one up and is not over."""
    links = Link.objects.filter(to_id=locked.pk, link_type=LinkType.FOLLOW_UP_OF)
    found = Ticket.objects.of_kind(locked.kind).alive().exclude(phase__in=services.FINISHED)
    rows = found.filter(pk__in=links.values("ticket_id"), requester_id=locked.requester_id)
    newest: Ticket | None = rows.order_by("-opened_at", "-id").first()
    return newest


def _open(locked: Ticket, words: Mapping[str, Any], *, actor: Actor, at: datetime, **told: Any) -> Any:
    values = {**merging.taken_over(locked, locked.kind, actor=actor), **words}
    team_id = values.pop("team_id", None)
    if team_id is not None and Team.objects.alive().filter(pk=team_id).exists():
        # A team that is not there any more has no queue.
        values["team_id"] = team_id
    made = services.create(
        locked.kind, actor=actor, at=at, values=values, carried=custom_fields.carried(locked, locked.kind)
    )
    row = relations.tie(made, LinkType.FOLLOW_UP_OF, locked, at=at)
    relations.tell(made, "linked", row.link_type, locked, actor=actor, at=at)
    about = {"other": str(made.pk), "other_number": made.number}
    events.record(f"{locked.kind}.followed_up", locked, actor=actor, at=at, **about, **told)
    return made
