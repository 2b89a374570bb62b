"""What happened to a ticket, told to somebody: everything to those who work on it, public facts to everybody else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.audit.models import Event
from apps.core.actors import Actor, ActorKind
from apps.core.authorization import Action, may
from apps.organizations.models import Team
from apps.tickets import attachments, rights
from apps.tickets.assignment import words
from apps.tickets.choices import LinkType, Visibility
from apps.tickets.closing import words as times
from apps.tickets.events import TICKET_FACTS
from apps.tickets.models import Attachment, Comment, Ticket
from apps.users.models import User

# What requesters and watchers are told.
PUBLIC_FACTS = (
    "created", "updated", "claimed", "assigned", "started", "put_on_hold", "resumed", "resolved", "resolution_restated",
    "closed", "closure_restated", "reminded", "closing_announced", "followed_up", "reopened", "cancelled", "merged",
    "unmerged", "converted", "commented",
    "comment_edited", "comment_deleted", "comment_restored", "attached", "attachment_updated", "attachment_deleted",
    "attachment_restored",
)  # fmt: skip
# And of which fields: those that the ticket itself shows them.
PUBLIC_FIELDS = (
    "title", "description", "status", "phase", "impact", "urgency", "priority", "category", "service",
    "configuration_item", "requester", "assignee", "team", "hold_reason", "hold_until", "resolution_code",
    "resolution_notes", "resolved_at", "closed_at",
)  # fmt: skip
# What it takes to hear of the rest.
GUARDED: Mapping[str, tuple[str, ...]] = {
    "work_logs": ("work_logged", "worklog_updated", "worklog_deleted"),
    "tasks": ("task_added", "task_updated", "task_done", "task_reopened", "task_deleted"),
}
# Free words that only those read who work on the ticket.
WITH_REASON = frozenset({"reopened", "cancelled", "escalated"})
SENTENCES: Mapping[str, str] = {
    "created": "opened it",
    "deleted": "deleted it",
    "restored": "restored it",
    "claimed": "took it over",
    "started": "began to work on it",
    "resumed": "resumed it",
    "closed": "closed it",
    "closure_restated": "closed it again",
    "reopened": "reopened it",
    "cancelled": "cancelled it",
    "escalated": "escalated it",
    "merged": "merged it into another ticket",
    "absorbed": "merged another ticket into it",
    "unmerged": "undid its merge",
    "released": "took a merged ticket out of it",
    "split": "made a new ticket from one of its comments",
    "converted": "converted it",
    "attached": "attached a file",
    "attachment_updated": "showed or hid a file",
    "attachment_deleted": "deleted a file",
    "attachment_restored": "restored a file",
    "comment_deleted": "deleted a comment",
    "comment_restored": "restored a comment",
    "work_logged": "logged work",
    "worklog_updated": "changed a work log",
    "worklog_deleted": "deleted a work log",
    "unlinked": "removed a link to another ticket",
    "task_added": "added a task",
    "task_updated": "changed a task",
    "task_done": "did a task",
    "task_reopened": "reopened a task",
    "task_deleted": "deleted a task",
}


# What floors above tell of a ticket, in their own words.
Sentence = Callable[[Event, Mapping[str, str]], str]
_above: dict[str, Sentence] = {}


def put_into_words(name: str, sentence: Sentence) -> None:
    """Let a fact of a floor above have its sentence, made of the event and what the people in its `users` are called."""
    _above[name] = sentence


def facts(ticket: Ticket, actor: Actor) -> QuerySet[Event]:
    """The events of a ticket that `actor` may know of, in no order yet."""
    found: QuerySet[Event] = Event.objects.in_tenant(ticket.organization_id).filter(subject_id=ticket.pk)
    if not rights.sees_internal(actor, ticket):
        found = found.filter(Q(data__visibility__isnull=True) | Q(data__visibility=Visibility.PUBLIC))
        # Public once, and hidden since.
        hidden = Attachment.objects.filter(ticket_id=ticket.pk, visibility=Visibility.INTERNAL)
        keys = [str(pk) for pk in hidden.values_list("pk", flat=True)]
        found = found.filter(Q(data__attachment__isnull=True) | ~Q(data__attachment__in=keys))
    if not rights.works_on(actor, ticket):
        told = [f"{ticket.kind}.{past}" for past in PUBLIC_FACTS if past != "updated"]
        is_updated = Q(name=f"{ticket.kind}.updated", changes__has_any_keys=list(PUBLIC_FIELDS))
        return found.filter(Q(name__in=told) | is_updated)
    for resource, pasts in GUARDED.items():
        if not may(actor, Action.READ, resource):
            found = found.exclude(name__in=[f"{ticket.kind}.{past}" for past in pasts])
    return found


def told(events: Sequence[Event], ticket: Ticket, actor: Actor) -> list[dict[str, Any]]:
    """Each fact as a sentence, with what changed and the words of comments; as many queries for many as for one."""
    return Teller(events, ticket, actor).entries()


class Teller:
    """What the sentences of one page have in common: who reads them, and what the ids in them are called."""

    def __init__(self, events: Sequence[Event], ticket: Ticket, actor: Actor) -> None:
        self.events, self.ticket = events, ticket
        self.sees_all = rights.works_on(actor, ticket)
        self.sees_internal = rights.sees_internal(actor, ticket)
        # Who is told by this very event, or heard of it by another one.
        lists = [event.data.get(key) or () for event in events for key in ("users", "reached")]
        told = {str(each) for people in lists for each in people if _is_id(each)}
        self.names = {**_names(User, self._ids("assignee", "user") | told), **_names(Team, self._ids("team"))}
        self.numbers = self._numbers(actor)
        self.comments = self._said(Comment.objects.alive(), "comment")
        self.files = self._said(attachments.shown(Attachment.objects), "attachment")

    def entries(self) -> list[dict[str, Any]]:
        return [self._entry(event) for event in self.events]

    def _entry(self, event: Event) -> dict[str, Any]:
        comment = self.comments.get(event.data.get("comment"))
        file = self.files.get(event.data.get("attachment"))
        by = _actor(event)
        return {
            "id": event.pk,
            "at": event.at,
            "actor": by,
            "event": event.name,
            "summary": f"{by['name']} {self._sentence(event)}",
            "changes": self._changes(event),
            "assignment": self._assignment(event) or None,
            "comment": comment
            and {"id": comment.pk, "visibility": comment.visibility, "body": comment.body, "html": comment.html},
            "attachment": file and {"id": file.pk, "visibility": file.visibility, "name": file.name},
        }

    def _changes(self, event: Event) -> dict[str, Any]:
        if self.sees_all:
            return dict(event.changes)
        return {name: pair for name, pair in event.changes.items() if name in PUBLIC_FIELDS}

    def _sentence(self, event: Event) -> str:
        if event.name in _above:
            return _above[event.name](event, self.names)
        past = event.name.rpartition(".")[2]
        build = BUILT.get(past)
        sentence = times.sentence(past, event.data)
        if not sentence:
            sentence = build(self, event) if build else SENTENCES.get(past) or TICKET_FACTS.get(past, past)
        reason = event.data.get("reason") if past in WITH_REASON and self.sees_all else None
        sentence = f"{sentence}: {reason}" if reason else sentence
        placed = self._assignment(event)
        why = words.sentence(placed, self.names) if placed and past != "passed_on" else ""
        return f"{sentence}; {why}" if why else sentence

    def _assignment(self, event: Event) -> dict[str, Any]:
        """Who was considered and why not, for those who work on it."""
        return dict(event.data.get("assignment") or {}) if self.sees_all else {}

    # --- sentences with something in them

    def updated(self, event: Event) -> str:
        fields = ", ".join(name.replace("_", " ") for name in self._changes(event))
        return f"changed {fields}" if fields else "changed it"

    def assigned(self, event: Event) -> str:
        after = {name: pair[1] for name, pair in event.changes.items() if name in {"team", "assignee"}}
        to = [self.names.get(str(pk), "somebody") for name in ("team", "assignee") if (pk := after.get(name))]
        if to:
            return f"assigned it to {', '.join(to)}"
        return "took it away from whoever had it" if after else "assigned it as it was"

    def passed_on(self, event: Event) -> str:
        return words.passed_on(event.data.get("assignment") or {}, self.names)

    def put_on_hold(self, event: Event) -> str:
        reason = event.data.get("reason") or event.changes.get("hold_reason", [None, ""])[1]
        return f"put it on hold: {reason}"

    def resolved(self, event: Event) -> str:
        code = event.changes.get("resolution_code", [None, ""])[1]
        return f"resolved it: {code}" if code else "resolved it"

    def followed_up(self, event: Event) -> str:
        said = f"opened {self.numbers.get(event.data.get('other'), 'a new ticket')}, which follows it up"
        return f"{said}: its requester wrote when it was closed for good" if event.data.get("because") else said

    def linked(self, event: Event) -> str:
        if event.data.get("link_type") == LinkType.FOLLOW_UP_OF:
            return f"linked it to {self.numbers.get(event.data.get('other'), 'another ticket')}, which it follows up"
        return "linked it to another ticket"

    def prioritised(self, event: Event) -> str:
        reason = event.changes.get("priority_override_reason", [None, ""])[1]
        priority = event.changes.get("priority", [None, self.ticket.priority])[1]
        return f"set the priority to {priority} by hand: {reason}" if reason else "gave the priority back to the matrix"

    def commented(self, event: Event) -> str:
        is_internal = event.data.get("visibility") == Visibility.INTERNAL
        return "wrote an internal comment" if is_internal else "commented"

    def comment_edited(self, event: Event) -> str:
        return (
            "changed an internal comment"
            if event.data.get("visibility") == Visibility.INTERNAL
            else "changed a comment"
        )

    def watched(self, event: Event) -> str:
        return f"made {self.names.get(str(event.data.get('user')), 'somebody')} a watcher"

    def unwatched(self, event: Event) -> str:
        return f"removed {self.names.get(str(event.data.get('user')), 'somebody')} from the watchers"

    # --- what ids are called

    def _ids(self, *names: str) -> set[str]:
        """Of what the facts name: the values after a change, and what stands beside the changes."""
        after = (event.changes[name][1] for event in self.events for name in names if name in event.changes)
        beside = (event.data.get(name) for event in self.events for name in names)
        placed = (pk for event in self.events for pk in words.ids(event.data.get("assignment") or {}))
        return {str(value) for value in (*after, *beside, *placed) if _is_id(value)}

    def _numbers(self, actor: Actor) -> dict[str, str]:
        """Of the tickets that these follow up or are followed up by: as many as this reader may see themselves."""
        followed = (
            event
            for event in self.events
            if event.name.endswith(".followed_up") or event.data.get("link_type") == LinkType.FOLLOW_UP_OF
        )
        keys = {event.data["other"] for event in followed}
        rows = Ticket.objects.visible_to(actor).filter(pk__in=keys) if keys else ()
        return {str(row.pk): row.number for row in rows}

    def _said(self, shown: Any, key: str) -> dict[str, Any]:
        """Comments or files of the page that this reader may read now; what was deleted says nothing any more."""
        keys = {event.data[key] for event in self.events if _is_id(event.data.get(key))}
        rows = shown.filter(ticket_id=self.ticket.pk, pk__in=keys) if keys else ()
        return {str(row.pk): row for row in rows if self.sees_internal or row.visibility == Visibility.PUBLIC}


BUILT: Mapping[str, Callable[[Teller, Event], str]] = {
    "updated": Teller.updated,
    "assigned": Teller.assigned,
    "passed_on": Teller.passed_on,
    "put_on_hold": Teller.put_on_hold,
    "resolved": Teller.resolved,
    "resolution_restated": Teller.resolved,
    "followed_up": Teller.followed_up,
    "linked": Teller.linked,
    "priority_overridden": Teller.prioritised,
    "commented": Teller.commented,
    "comment_edited": Teller.comment_edited,
    "watched": Teller.watched,
    "unwatched": Teller.unwatched,
}


def _actor(event: Event) -> dict[str, Any]:
    """Somebody by the name they had then; the platform has no id, and an operator none in this organization."""
    if event.actor_kind == ActorKind.SYSTEM:
        return {"id": None, "name": "The platform"}
    return {"id": None if "operator_of" in event.data else event.actor_id, "name": event.actor_label}


def _names(model: Any, keys: Iterable[str]) -> dict[str, str]:
    found = model.objects.filter(pk__in=set(keys)) if keys else ()
    return {str(row.pk): str(row) for row in found}


def _is_id(value: Any) -> bool:
    try:
        return value is not None and UUID(str(value)) is not None
    except ValueError:
        return False
