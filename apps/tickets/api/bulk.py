"""What may be done to many tickets at once: each row by the same service as the single action."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from apps.core.api.bulk import DELETE, UPDATE, BulkAction, reading
from apps.core.api.serializers import StrictInput
from apps.tickets import services, verbs
from apps.tickets.api.serializers import (
    AssignInput,
    CommentInput,
    EscalateInput,
    HoldInput,
    MergeInput,
    NoInput,
    OverrideInput,
    ReasonInput,
    ResolveInput,
    TagsInput,
)
from apps.tickets.models import Ticket

Params = Mapping[str, Any]


def _verb(name: str, reader: type[StrictInput]) -> BulkAction:
    def run(view: Any, ticket: Ticket, params: Params) -> object:
        return verbs.do(ticket, name, actor=view.actor, at=timezone.now(), **params)

    return BulkAction(name.replace("-", "_"), run, read=reading(reader))


def _tag(view: Any, ticket: Ticket, params: Params) -> object:
    return _retag(view, ticket, [*ticket.tags, *params["tags"]])


def _untag(view: Any, ticket: Ticket, params: Params) -> object:
    gone = {tag.strip().lower() for tag in params["tags"]}
    return _retag(view, ticket, [tag for tag in ticket.tags if tag not in gone])


def _retag(view: Any, ticket: Ticket, tags: list[str]) -> object:
    return services.change(ticket, actor=view.actor, at=timezone.now(), values={"tags": tags})


ACTIONS: Mapping[str, BulkAction] = {
    "update": UPDATE,
    "delete": DELETE,
    "claim": _verb("claim", NoInput),
    "assign": _verb("assign", AssignInput),
    "start": _verb("start", NoInput),
    "hold": _verb("hold", HoldInput),
    "resume": _verb("resume", CommentInput),
    "resolve": _verb("resolve", ResolveInput),
    "close": _verb("close", CommentInput),
    "reopen": _verb("reopen", ReasonInput),
    "cancel": _verb("cancel", ReasonInput),
    "escalate": _verb("escalate", EscalateInput),
    "override-priority": _verb("override-priority", OverrideInput),
    "merge": _verb("merge", MergeInput),
    "tag": BulkAction("partial_update", _tag, read=reading(TagsInput)),
    "untag": BulkAction("partial_update", _untag, read=reading(TagsInput)),
}
