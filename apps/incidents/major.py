"""Major incidents: so grave that one person leads, another speaks to everybody, and a clock says when to speak again."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core import events
from apps.core.actors import Actor
from apps.core.authorization import Action, may, require
from apps.core.errors import FieldError, IllegalTransition, Invalid
from apps.incidents import services as incidents
from apps.incidents.events import BRIDGED, PACED
from apps.incidents.lifecycle import MAJOR, RESOURCE
from apps.incidents.models import Incident
from apps.incidents.update_clock import USUAL_INTERVAL_MINUTES
from apps.tickets import rights, services, work
from apps.tickets.addresses import MAX_ADDRESS, is_https
from apps.tickets.choices import Days, Priority
from apps.tickets.closing import terms
from apps.users.models import User
from apps.users.rights import actor_for

REVIEW_BUSINESS_DAYS = 5
REVIEW = "Major incident review"
LEAD = ("commander_id", "communications_lead_id", "update_interval_minutes")
BRIDGE = "bridge_url"


def propose(incident: Incident, *, actor: Actor, at: datetime, reason: str, **lead: Any) -> Incident:
    """Ask those who approve to make it a major one; who would lead it, and where they meet, may be named already.

    Raises Denied, IllegalTransition (also for a child, and for what is over), Invalid.
    """
    locked = incidents.lock(incident.pk, actor=actor)
    named = {name: lead.get(name) for name in LEAD} | {BRIDGE: _address(lead.get(BRIDGE) or "")}
    return move(locked, "propose", past="major_proposed", actor=actor, at=at, reason=reason, own=named)


def accept(incident: Incident, *, actor: Actor, at: datetime, reason: str, **lead: Any) -> Incident:
    """Make a candidate a major incident: led, critical, with the next public update due one interval after `at` (UTC).

    Who is not named here was named with the proposal, or is the caller. Raises Denied, IllegalTransition, Invalid.
    """
    locked = incidents.lock(incident.pk, actor=actor)
    named = {name: lead.get(name) or getattr(locked, name) for name in LEAD}
    commander_id = named["commander_id"] or _caller(actor)
    minutes = named["update_interval_minutes"] or USUAL_INTERVAL_MINUTES
    own = {
        "commander_id": commander_id,
        "communications_lead_id": named["communications_lead_id"] or commander_id,
        "update_interval_minutes": minutes,
        "next_update_due_at": at + timedelta(minutes=minutes),
        "major_since": at,
        BRIDGE: _address(lead.get(BRIDGE) or "") or locked.bridge_url,
    }
    shared = {"is_major": True, **_critical(locked, reason)}
    return move(locked, "accept", past="major_accepted", actor=actor, at=at, reason=reason, own=own, shared=shared)


def reject(incident: Incident, *, actor: Actor, at: datetime, reason: str) -> Incident:
    """It stays an incident like others. Raises Denied, IllegalTransition."""
    locked = incidents.lock(incident.pk, actor=actor)
    return move(locked, "reject", past="major_rejected", actor=actor, at=at, reason=reason)


def demote(incident: Incident, *, actor: Actor, at: datetime, reason: str) -> Incident:
    """It is no major incident any more. Who led it stays written, and its priority: that is for people to give back."""
    locked = incidents.lock(incident.pk, actor=actor)
    own, shared = {"next_update_due_at": None}, {"is_major": False}
    return move(locked, "demote", past="major_demoted", actor=actor, at=at, reason=reason, own=own, shared=shared)


def pace(incident: Incident, *, actor: Actor, at: datetime, reason: str, update_interval_minutes: int) -> Incident:
    """Let updates be due by another interval; the next one is counted from `at` (UTC). For who leads it, and who approves.

    Raises Denied, IllegalTransition.
    """
    locked = incidents.lock(incident.pk, actor=actor)
    require_to_lead(locked, actor=actor)
    changes = incidents.differing(locked, {"update_interval_minutes": update_interval_minutes})
    incidents.save_own(locked, changes)
    services.write(locked, {}, event=PACED, actor=actor, at=at, is_fact=True, beside=changes, reason=reason)
    return locked


def bridge(incident: Incident, *, actor: Actor, at: datetime, bridge_url: str) -> Incident:
    """Let those who work on it meet at another address, or at none where it is empty. For who leads it, and who approves.

    Raises Denied, IllegalTransition, Invalid.
    """
    locked = incidents.lock(incident.pk, actor=actor)
    require_to_lead(locked, actor=actor)
    changes = incidents.differing(locked, {BRIDGE: _address(bridge_url)})
    incidents.save_own(locked, changes)
    services.write(locked, {}, event=BRIDGED, actor=actor, at=at, beside=changes)
    return locked


def bridge_shown(incident: Incident, *, actor: Actor) -> str | None:
    """Where they meet, for those who work on it; None where there is no such place, and for everybody else."""
    return (incident.bridge_url or None) if rights.works_on(actor, incident) else None


def require_to_lead(locked: Incident, *, actor: Actor) -> None:
    """For its commander, whoever speaks for it, and who approves. Raises Denied, and IllegalTransition where nobody leads."""
    leads = {locked.commander_id, locked.communications_lead_id} - {None}
    if actor.local_id not in leads:
        require(actor, Action.APPROVE, RESOURCE, locked)
    refuse_unled(locked)


def refuse_unled(locked: Incident) -> None:
    """Raises IllegalTransition for what is no major incident, or is over."""
    if not locked.is_major:
        refusal = "It is no major incident; accepted: one that was accepted as such."
        raise IllegalTransition(refusal, current_status=locked.major_status or "none")
    if not locked.is_open:
        raise IllegalTransition(f"It is {locked.status}; reopen it first.", current_status=locked.status)


def refuse_unfit(locked: Incident, user_id: UUID, *, actor: Actor, at: datetime, pointer: str) -> None:
    """Raises Invalid for who does not work on tickets, or not on this one: they could not see what they lead (history aside)."""
    services.refuse_unassignable(user_id, pointer=pointer)
    if events.is_historic():
        return
    asked = actor if user_id == actor.local_id else actor_for(User.objects.get(pk=user_id), at=at)
    if not may(asked, Action.UPDATE, RESOURCE, locked):
        detail = "They may not work on this incident; accepted: somebody who may."
        raise Invalid(errors=[FieldError(pointer, "not_assignable", detail)])


def move(
    locked: Incident,
    verb: str,
    *,
    past: str,
    actor: Actor,
    at: datetime,
    reason: str,
    own: Mapping[str, Any] | None = None,
    shared: Mapping[str, Any] | None = None,
    **told: Any,
) -> Incident:
    """One step of the second life: columns of both rows, one version, one fact."""
    given = dict(own or {})
    step = MAJOR.check(locked, verb, actor=actor, at=at, given={"reason": reason})
    for name in ("commander_id", "communications_lead_id"):
        if given.get(name) is not None:
            refuse_unfit(locked, given[name], actor=actor, at=at, pointer=f"/{name.removesuffix('_id')}")
    changes = incidents.differing(locked, given)
    incidents.save_own(locked, changes)
    event, moved = f"{locked.kind}.{past}", {"major_status": step.target_from(locked.major_status), **(shared or {})}
    services.write(locked, moved, event=event, actor=actor, at=at, is_fact=True, beside=changes, reason=reason, **told)
    return locked


def _address(text: str) -> str:
    """Raises Invalid for what is no address that can be met at safely; empty is none."""
    if text and not is_https(text):
        detail = (
            f"Not such an address; accepted: https://…, at most {MAX_ADDRESS} characters, without a name or password."
        )
        raise Invalid(errors=[FieldError(f"/{BRIDGE}", "invalid_address", detail)])
    return text


def _caller(actor: Actor) -> UUID:
    if actor.local_id is None:
        refusal = "Say who leads it; the caller is nobody of this organization."
        raise Invalid(errors=[FieldError("/commander", "required", refusal)])
    return actor.local_id


def _critical(incident: Incident, reason: str) -> dict[str, Any]:
    """The highest priority, set by hand so that no change of impact or urgency takes it away."""
    if incident.priority == Priority.CRITICAL and incident.is_overridden:
        return {}
    return {"priority": Priority.CRITICAL.value, "priority_override_reason": f"Major incident: {reason}"}


# --- the review; planned by a fact (subscribers), so it makes no version


def plan_review(incident: Incident, *, at: datetime) -> None:
    """Five business days after its resolution at `at` (UTC) it has been looked back at; the commander's task says so, once."""
    incident.review_due_at = review_due(at)
    incident.save(update_fields=["review_due_at"])
    if not incident.tasks.filter(title=REVIEW).exists():
        platform = Actor.system(incident.organization_id, "incidents")
        work.add_task(incident, actor=platform, at=at, title=REVIEW, assignee_id=_reviewer(incident))


def _reviewer(incident: Incident) -> UUID | None:
    """Its commander, unless they have left meanwhile: that must not keep anybody from resolving it."""
    try:
        services.refuse_unassignable(incident.commander_id)
    except Invalid:
        return None
    return incident.commander_id


def review_due(at: datetime) -> datetime:
    """Five days later (UTC) by the calendar that the organization counts business days by; plain days where it never opens."""
    days = REVIEW_BUSINESS_DAYS
    return terms.current().later(at, days, Days.BUSINESS) or at + timedelta(days=days)
