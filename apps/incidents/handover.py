"""Handing a major incident over: whoever leads it, or speaks for it, asks somebody; until they take it over nothing changes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, require
from apps.core.errors import Conflict, FieldError, Invalid
from apps.incidents import major
from apps.incidents import services as incidents
from apps.incidents.choices import HandoverOutcome, LeadRole
from apps.incidents.events import HANDED_OVER, HANDOVER_OFFERED, HANDOVER_REFUSED, MAJOR_DEMOTED
from apps.incidents.lifecycle import RESOURCE
from apps.incidents.models import Handover, Incident
from apps.sla.escalation import notices
from apps.sla.escalation.notices import NOTICE, PAGE, Word
from apps.tickets import services

# Why nobody has to take it over any more; else it is over.
_OVER = {"incident.resolved": "it is resolved", MAJOR_DEMOTED: "it is no major incident any more"}


def offer(incident: Incident, *, actor: Actor, at: datetime, role: str, to_id: UUID, reason: str) -> Incident:
    """Ask somebody to take `role` over. For who leads it, speaks for it, or approves; an earlier offer of the role is withdrawn.

    Raises Denied, IllegalTransition, Invalid for somebody who has the role, or does not work on this incident.
    """
    locked = incidents.lock(incident.pk, actor=actor)
    major.require_to_lead(locked, actor=actor)
    if to_id == _holder(locked, role):
        raise Invalid(errors=[FieldError("/to", "holds_it", "They have this role; accepted: somebody else.")])
    if to_id == actor.local_id:
        raise Invalid(errors=[FieldError("/to", "self", "Nobody asks themselves; accepted: to take it over.")])
    major.refuse_unfit(locked, to_id, actor=actor, at=at, pointer="/to")
    _withdraw(locked, role, actor=actor, at=at, but=to_id, reason="somebody else is asked")
    _write(locked, role, to_id, actor=actor, at=at, reason=reason)
    told: dict[str, Any] = {"role": role, "to": str(to_id), "reached": [str(to_id)], "reason": reason}
    services.write(locked, {}, event=HANDOVER_OFFERED, actor=actor, at=at, is_fact=True, **told)
    why = f"you are asked to take over as {_words(role)}: {reason}"
    _tell(locked, to_id, Word(PAGE, why), at=at)
    return locked


def take_over(incident: Incident, *, actor: Actor, at: datetime, role: str, reason: str = "") -> Incident:
    """Have `role` from `at` (UTC) on: whoever was asked; and who approves also unasked, with the reason.

    Raises Denied, IllegalTransition, Conflict `holds_it`, Invalid.
    """
    locked = incidents.lock(incident.pk, actor=actor)
    offered = _offered(locked, role)
    is_asked = offered is not None and offered.to_id == actor.local_id
    if not is_asked:
        require(actor, Action.APPROVE, RESOURCE, locked)
    major.refuse_unled(locked)
    taker = services.somebody_here(actor, f"{RESOURCE}.{Action.APPROVE}")
    before = _holder(locked, role)
    if before == taker:
        raise Conflict(f"You are the {_words(role)} already.", code="holds_it", current_status=locked.major_status)
    if not is_asked and not reason.strip():
        raise Invalid(errors=[FieldError("/reason", "required", "You were not asked; say why you take it over.")])
    major.refuse_unfit(locked, taker, actor=actor, at=at, pointer="/role")
    if offered is not None and is_asked:
        reason = reason.strip() or offered.reason
        _end(locked, role, HandoverOutcome.TAKEN, at=at)
    else:
        _withdraw(locked, role, actor=actor, at=at, but=taker, reason="somebody else took over")
        _write(locked, role, taker, actor=actor, at=at, reason=reason, outcome=HandoverOutcome.TAKEN)
    changes = incidents.differing(locked, {f"{role}_id": taker})
    incidents.save_own(locked, changes)
    told: dict[str, Any] = {
        "role": role,
        "from": None if before is None else str(before),
        "to": str(taker),
        "users": [str(user_id) for user_id in (before, taker) if user_id is not None],
        "reason": reason,
        "is_asked": is_asked,
    }
    services.write(locked, {}, event=HANDED_OVER, actor=actor, at=at, is_fact=True, beside=changes, **told)
    return locked


def refuse(incident: Incident, *, actor: Actor, at: datetime, role: str, reason: str) -> Incident:
    """Decline what one was asked for; or withdraw it, for who asked, who leads and who approves.

    Raises Conflict `not_offered`, Denied, IllegalTransition.
    """
    locked = incidents.lock(incident.pk, actor=actor)
    major.refuse_unled(locked)
    offered = _offered(locked, role)
    if offered is None:
        refusal = f"Nobody is asked to be {_words(role)}."
        raise Conflict(refusal, code="not_offered", current_status=locked.major_status)
    is_asked = offered.to_id == actor.local_id
    if not is_asked and (offered.offered_by_id is None or offered.offered_by_id != actor.local_id):
        major.require_to_lead(locked, actor=actor)
    outcome = HandoverOutcome.DECLINED if is_asked else HandoverOutcome.WITHDRAWN
    _end(locked, role, outcome, at=at, answer=reason)
    if is_asked:
        concerned = offered.offered_by_id or _holder(locked, role)
        word = Word(PAGE, f"{offered.to} does not take over as {_words(role)}: {reason}")
    else:
        concerned, word = offered.to_id, Word(NOTICE, _no_more(role, reason))
    told = _about(offered, outcome, concerned)
    services.write(locked, {}, event=HANDOVER_REFUSED, actor=actor, at=at, is_fact=True, reason=reason, **told)
    if concerned is not None:
        _tell(locked, concerned, word, at=at)
    return locked


def _withdraw(locked: Incident, role: str, *, actor: Actor, at: datetime, but: UUID, reason: str) -> None:
    """End the offer that stands, if one does; whoever was asked hears of it, unless they are `but`, who is concerned anyhow."""
    offered = _offered(locked, role)
    _end(locked, role, HandoverOutcome.WITHDRAWN, at=at)
    if offered is None or offered.to_id == but:
        return
    told = _about(offered, HandoverOutcome.WITHDRAWN, offered.to_id)
    events.record(HANDOVER_REFUSED, locked, actor=actor, at=at, reason=reason, **told)
    _tell(locked, offered.to_id, Word(NOTICE, _no_more(role, reason)), at=at)


def _about(offered: Handover, outcome: HandoverOutcome, concerned: UUID | None) -> dict[str, Any]:
    """A notice tells whom it concerns, so that they are not among the fact's `users`, whom channels would tell once more."""
    reached = [] if concerned is None else [str(concerned)]
    return {"role": offered.role, "to": str(offered.to_id), "reached": reached, "outcome": outcome.value}


def _no_more(role: str, reason: str) -> str:
    return f"you are not asked any more to take over as {_words(role)}: {reason}"


def _tell(locked: Incident, user_id: UUID, word: Word, *, at: datetime) -> None:
    platform = Actor.system(locked.organization_id, "incidents")
    notices.tell(locked, {user_id: word}, at=at, actor=platform)


def lapse(incident: Incident, event: Event) -> None:
    """Nobody needs to take over what is over by `event`; whoever was asked hears of it, unless they did it themselves."""
    open_ones = Handover.objects.filter(incident_id=incident.pk, ended_at=None)
    asked = list(open_ones.order_by("role").values_list("role", "to_id"))
    open_ones.update(ended_at=event.at, outcome=HandoverOutcome.LAPSED)
    if event.is_historic:
        return
    for role, to_id in asked:
        if to_id != event.actor_id:
            word = Word(NOTICE, _no_more(role, _OVER.get(event.name, "it is over")), is_of_end=True)
            _tell(incident, to_id, word, at=event.at)


def _holder(locked: Incident, role: str) -> UUID | None:
    held: UUID | None = getattr(locked, f"{LeadRole(role).value}_id")
    return held


def _offered(locked: Incident, role: str) -> Handover | None:
    return Handover.objects.select_related("to").filter(incident_id=locked.pk, role=role, ended_at=None).first()


def _end(locked: Incident, role: str, outcome: HandoverOutcome, *, at: datetime, answer: str = "") -> None:
    offered = Handover.objects.filter(incident_id=locked.pk, role=role, ended_at=None)
    offered.update(ended_at=at, outcome=outcome, answer=answer)


def _write(
    locked: Incident,
    role: str,
    to_id: UUID,
    *,
    actor: Actor,
    at: datetime,
    reason: str,
    outcome: HandoverOutcome = HandoverOutcome.OFFERED,
) -> None:
    Handover.objects.create(
        organization_id=locked.organization_id,
        incident_id=locked.pk,
        role=role,
        holder_id=_holder(locked, role),
        to_id=to_id,
        offered_by_id=actor.local_id,
        reason=reason,
        offered_at=at,
        ended_at=None if outcome == HandoverOutcome.OFFERED else at,
        outcome=outcome,
    )


def _words(role: str) -> str:
    return role.replace("_", " ")
