"""What people do to a timer themselves."""

from datetime import datetime

from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, FieldError, Invalid
from apps.sla import recording, situation
from apps.sla.clock import Cause, whole
from apps.sla.events import DEADLINE_SET
from apps.sla.models import Timer
from apps.tickets import services

RESOURCE = "sla"


def set_deadline(
    timer: Timer, *, actor: Actor, at: datetime, due_at: datetime, reason: str, is_floating: bool = False
) -> Timer:
    """Promise another deadline by hand. Pauses do not move it unless it is floating; a breach until now stays.

    Raises Denied, Invalid without a reason or for a time that has passed, Conflict for a timer that has ended.
    """
    require(actor, Action.CONFIGURE, RESOURCE)
    errors = []
    if not reason.strip():
        errors.append(FieldError("/reason", "required", "Say why."))
    if whole(due_at) <= whole(at):
        errors.append(FieldError("/due_at", "out_of_range", "It has passed; accepted: a later instant."))
    if errors:
        raise Invalid(errors=errors)
    ticket = services.lock(timer.ticket_id, actor=actor)
    now = situation.read(actor.organization_id, ticket.pk)
    held = next((each for each in now.held() if each.id == timer.pk), None)
    if held is None or not held.is_live:
        raise Conflict("It has ended; accepted: a timer that runs or is paused.", code="ended", stage=timer.stage)
    before = held.clock.state.due_at
    fact = events.record(
        DEADLINE_SET,
        ticket,
        actor=actor,
        at=at,
        changes={"sla_due_at": (before, due_at)},
        timer=str(timer.pk),
        metric=timer.metric,
        agreement=timer.agreement,
        due_at=due_at,
        reason=reason,
        is_floating=is_floating,
    )
    cause = Cause("deadline_set", fact.id, now.facts["team"], now.owner_id)
    held.clock.set_deadline(due_at, at, cause, is_floating=is_floating)
    held.set_by_id, held.set_because = actor.local_id, reason
    writing = recording.Writing(actor.organization_id)
    writing.take(held, ticket.pk, recording.tell(held, ticket, at=at, is_historic=False))
    others = [each for each in now.held() if each.id != held.id]
    nearest = recording.nearest([held, *others])
    if nearest != now.due_at:
        writing.due(ticket.pk, nearest)
    writing.send()
    changed: Timer = Timer.objects.get(pk=timer.pk)
    return changed
