"""The life of an incident, and that of a major one within it."""

from datetime import datetime
from typing import Any

from django.db.models import TextChoices

from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, may
from apps.core.lifecycle import Lifecycle, Phase, Transition
from apps.tickets.choices import MajorStatus
from apps.tickets.closing import terms

RESOURCE = "incidents"


class Status(TextChoices):
    NEW = "new"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


def not_merged(incident: Any, actor: Actor, at: datetime) -> str | None:
    return "It was merged into another; unmerge it first." if incident.merged_into_id is not None else None


def is_merged(incident: Any, actor: Actor, at: datetime) -> str | None:
    return None if incident.merged_into_id is not None else "It is not merged into another."


def not_by_self_service(incident: Any, actor: Actor, at: datetime) -> str | None:
    """Requesters neither end nor reopen a major incident: too many others depend on it."""
    if incident.is_major and not may(actor, Action.RESOLVE, RESOURCE, incident):
        return "This is a major incident; only those who resolve incidents may do this."
    return None


def within_reopen_window(incident: Any, actor: Actor, at: datetime) -> str | None:
    if incident.status == Status.CLOSED and not events.is_lacking("reopen_window"):
        refusal = terms.current().why_closed_for_good(incident.closed_at, at, "incident")
        if refusal is not None:
            return refusal
    return not_by_self_service(incident, actor, at)


S, A = Status, Action
OPEN = frozenset({S.NEW, S.IN_PROGRESS, S.ON_HOLD})
NOT_OVER = OPEN | {S.RESOLVED}

LIFECYCLE = Lifecycle(
    resource=RESOURCE,
    initial=S.NEW,
    statuses=set(S.values),
    phases={
        S.NEW: Phase.NEW,
        S.IN_PROGRESS: Phase.OPEN,
        S.ON_HOLD: Phase.PENDING,
        S.RESOLVED: Phase.RESOLVED,
        S.CLOSED: Phase.CLOSED,
        S.CANCELLED: Phase.CANCELLED,
    },
    transitions={
        # Work begins with a claim; what waits goes on waiting, under its new owner.
        "claim": Transition(
            sources=OPEN,
            target={S.NEW: S.IN_PROGRESS, S.IN_PROGRESS: S.IN_PROGRESS, S.ON_HOLD: S.ON_HOLD},
            grant=A.ASSIGN,
        ),
        "assign": Transition(sources=OPEN, target=None, grant=A.ASSIGN),
        # By a team that names nobody.
        "start": Transition(sources={S.NEW}, target=S.IN_PROGRESS, grant=A.UPDATE),
        # Also from on_hold: what waited for the requester waits for a vendor now.
        "hold": Transition(sources=OPEN, target=S.ON_HOLD, grant=A.UPDATE, requires=("reason",)),
        "resume": Transition(sources={S.ON_HOLD}, target=S.IN_PROGRESS, grant=A.UPDATE),
        # A quarter of real incidents are solved on the phone and never pass through in_progress.
        "resolve": Transition(
            sources=OPEN, target=S.RESOLVED, grant=A.RESOLVE, requires=("resolution_code", "resolution_notes")
        ),
        "close": Transition(
            sources={S.RESOLVED},
            target=S.CLOSED,
            grant=A.RESOLVE,
            also={A.PARTICIPATE: {S.RESOLVED}},
            guard=not_by_self_service,
        ),
        "reopen": Transition(
            sources={S.RESOLVED, S.CLOSED},
            target=S.IN_PROGRESS,
            grant=A.RESOLVE,
            requires=("reason",),
            also={A.PARTICIPATE: {S.RESOLVED}},
            guard=within_reopen_window,
        ),
        "cancel": Transition(
            sources=OPEN,
            target=S.CANCELLED,
            grant=A.UPDATE,
            requires=("reason",),
            also={A.PARTICIPATE: {S.NEW}},
            guard=not_by_self_service,
        ),
        "escalate": Transition(sources=OPEN, target=None, grant=A.UPDATE, requires=("to", "reason")),
        "override-priority": Transition(sources=NOT_OVER, target=None, grant=A.UPDATE),
        "merge": Transition(sources=OPEN, target=S.CANCELLED, grant=A.UPDATE, requires=("into",), guard=not_merged),
        # Where it comes back to, the merge has kept; the service puts it there.
        "unmerge": Transition(sources={S.CANCELLED}, target=S.IN_PROGRESS, grant=A.UPDATE, guard=is_merged),
        "split": Transition(sources=NOT_OVER, target=None, grant=A.UPDATE, requires=("comment", "title")),
        "convert": Transition(sources=OPEN, target=S.CANCELLED, grant=A.UPDATE, requires=("to",)),
    },
)


def may_become_major(incident: Any, actor: Actor, at: datetime) -> str | None:
    if incident.parent_id is not None:
        return "It has a parent; propose the parent."
    return None if incident.status in OPEN else f"It is {incident.status}; reopen it first."


M = MajorStatus
# A second life within the first, in a column of its own. What is resolved can still be demoted: it should not have been one.
MAJOR = Lifecycle(
    resource=RESOURCE,
    column="major_status",
    initial=M.NONE,
    statuses=set(M.values),
    transitions={
        "propose": Transition(
            sources={M.NONE, M.REJECTED, M.DEMOTED},
            target=M.CANDIDATE,
            grant=A.UPDATE,
            requires=("reason",),
            guard=may_become_major,
        ),
        "accept": Transition(
            sources={M.CANDIDATE}, target=M.ACCEPTED, grant=A.APPROVE, requires=("reason",), guard=may_become_major
        ),
        "reject": Transition(sources={M.CANDIDATE}, target=M.REJECTED, grant=A.APPROVE, requires=("reason",)),
        "demote": Transition(sources={M.ACCEPTED}, target=M.DEMOTED, grant=A.APPROVE, requires=("reason",)),
    },
)
