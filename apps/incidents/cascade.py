"""What happens to a parent happens to its children, as far as it concerns them: ServiceNow's rules.

They wait with it for a change, a problem or a vendor, go on when it goes on, and are resolved with it. They do not wait for
its requester, are not reopened, closed or cancelled with it, and what waits for a reason of its own goes on waiting.
The platform does it, in the name of whoever moved the parent: they may not be allowed to see every child.
"""

from typing import Any
from uuid import UUID

from apps.audit.models import Event
from apps.core.actors import Actor
from apps.incidents.lifecycle import Status
from apps.incidents.models import Incident
from apps.tickets import relations, services
from apps.tickets.choices import HoldReason, Kind
from apps.tickets.models import Ticket

SHARED_HOLDS = frozenset({HoldReason.AWAITING_CHANGE, HoldReason.AWAITING_PROBLEM, HoldReason.AWAITING_VENDOR})
# Told by the child's fact; also how a hold is known to be the parent's.
BECAUSE = "parent"


def hold_children(parent: Incident, cause: Event) -> None:
    """Let them wait for what the parent waits for."""
    if parent.hold_reason not in SHARED_HOLDS:
        return
    children = _open_children(parent)
    following = _held_by(parent, children)
    values = {"hold_reason": parent.hold_reason, "hold_until": parent.hold_until}
    for child in children:
        is_free = child.status != Status.ON_HOLD or child.pk in following
        if is_free and (child.hold_reason, child.hold_until) != (parent.hold_reason, parent.hold_until):
            told = {"reason": parent.hold_reason}
            _follow(child, "hold", parent, cause, past="put_on_hold", given=told, values=values, **told)


def move_children_on(parent: Incident, cause: Event) -> None:
    """Begin with what is new, and go on with what waited only because the parent did."""
    if parent.status != Status.IN_PROGRESS:
        return
    children = _open_children(parent)
    following = _held_by(parent, children)
    for child in children:
        if child.status == Status.NEW:
            _follow(child, "start", parent, cause, past="started")
        elif child.pk in following:
            _follow(child, "resume", parent, cause, past="resumed")


def resolve_children(parent: Incident, cause: Event) -> None:
    """With the parent's code, and notes that say whose they are."""
    for child in _open_children(parent):
        values = {
            "resolution_code": parent.resolution_code,
            "resolution_notes": f"Resolved with {parent.number}: {parent.resolution_notes}",
            "resolved_at": cause.at,
        }
        _follow(child, "resolve", parent, cause, past="resolved", given=values, values=values)


def detach(child: Incident, cause: Event) -> None:
    """What was not solved with the parent goes its own way."""
    relations.set_parent(child, parent_id=None, actor=_platform(child), at=cause.at)


def _open_children(parent: Incident) -> list[Ticket]:
    """Locked in the order of their ids, after the parent, as every lock on several tickets is."""
    children = Ticket.objects.of_kind(Kind.INCIDENT).alive().open().filter(parent_id=parent.pk)
    return list(children.select_for_update(of=("self",)).order_by("pk"))


def _held_by(parent: Incident, children: list[Ticket]) -> frozenset[UUID]:
    """Those that wait because this parent did, and not one they had before: the fact of their last hold says so."""
    waiting = [child.pk for child in children if child.status == Status.ON_HOLD]
    if not waiting:
        return frozenset()
    holds = Event.objects.filter(subject_id__in=waiting, name=f"{Kind.INCIDENT}.put_on_hold")
    last = holds.order_by("subject_id", "-at", "-id").distinct("subject_id")
    theirs = {"because": BECAUSE, "parent": str(parent.pk)}
    return frozenset(hold.subject_id for hold in last if theirs.items() <= hold.data.items())


def _follow(
    child: Ticket,
    verb: str,
    parent: Incident,
    cause: Event,
    *,
    past: str,
    given: Any = None,
    values: Any = None,
    **data: Any,
) -> None:
    platform = _platform(child)
    step = services.check(child, verb, actor=platform, at=cause.at, given=given or {})
    data |= {"because": BECAUSE, "parent": str(parent.pk), "in_the_name_of": cause.actor_label}
    services.move(child, step, event=past, actor=platform, at=cause.at, values=values or {}, **data)


def _platform(incident: Ticket) -> Actor:
    return Actor.system(incident.organization_id, "incidents")
