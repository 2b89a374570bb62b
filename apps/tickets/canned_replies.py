"""Prepared comments: what may stand in them, and how they are filled in for one ticket."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from apps.core import records
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.organizations.models import Organization
from apps.tickets.models import CannedReply, Ticket

PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
# What would become markup, or a mention, in the comment that a value is put into.
MARKUP = re.compile(r"([\\`*_\[\]<>~|!@#])")


def first_name(name: str) -> str:
    return name.split(maxsplit=1)[0] if name.split() else ""


# All of it is what the requester sees anyway: the words may go to them.
VALUES: Mapping[str, Callable[[Ticket, Actor], str]] = {
    "ticket.number": lambda ticket, actor: ticket.number,
    "ticket.title": lambda ticket, actor: ticket.title,
    "ticket.status": lambda ticket, actor: ticket.status.replace("_", " "),
    "ticket.friendly_status": lambda ticket, actor: ticket.friendly_status,
    "ticket.priority": lambda ticket, actor: str(ticket.priority),
    "requester.name": lambda ticket, actor: ticket.requester.full_name,
    "requester.first_name": lambda ticket, actor: first_name(ticket.requester.full_name),
    "assignee.name": lambda ticket, actor: ticket.assignee.full_name if ticket.assignee else "",
    "team.name": lambda ticket, actor: ticket.team.name if ticket.team else "",
    "agent.name": lambda ticket, actor: actor.label,
    "agent.first_name": lambda ticket, actor: first_name(actor.label),
    "organization.name": lambda ticket, actor: Organization.objects.get(pk=ticket.organization_id).name,
}


def create(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> CannedReply:
    """Raises Invalid for a body with placeholders that mean nothing."""
    _refuse_unknown(values["body"])
    return records.create(CannedReply, actor=actor, at=at, values=values)


def change(reply: CannedReply, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> CannedReply:
    """Change a locked reply. Raises Invalid as `create`."""
    _refuse_unknown(values.get("body", ""))
    return records.change(reply, actor=actor, at=at, values=values)


def _refuse_unknown(body: str) -> None:
    unknown = unknown_placeholders(body)
    if unknown:
        accepted = ", ".join(f"{{{{ {name} }}}}" for name in VALUES)
        detail = f"Unknown: {', '.join(unknown)[:200]}; accepted: {accepted}."
        raise Invalid(errors=[FieldError("/body", "unknown_placeholder", detail)])


def unknown_placeholders(body: str) -> list[str]:
    """What stands between double braces and is nobody's name; a brace pair that is never closed among it."""
    unknown = [name for name in PLACEHOLDER.findall(body) if name not in VALUES]
    rest = PLACEHOLDER.sub("", body)
    return [*dict.fromkeys(unknown), *(braces for braces in ("{{", "}}") if braces in rest)]


def render(reply: CannedReply, ticket: Ticket, *, actor: Actor) -> str:
    """The body for one ticket and the agent who says it. Values are text: none becomes markup or a mention."""
    filled: dict[str, str] = {}

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in filled:
            filled[name] = _plain(VALUES[name](ticket, actor)) if name in VALUES else match[0]
        return filled[name]

    return PLACEHOLDER.sub(value, reply.body)


def _plain(text: str) -> str:
    return MARKUP.sub(r"\\\1", " ".join(text.split()))
