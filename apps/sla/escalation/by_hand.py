"""Those who answer for a ticket are told at once: somebody escalates it by hand, or nobody accepts it."""

from apps.audit.models import Event
from apps.core.actors import ActorKind
from apps.sla import situation
from apps.sla.escalation import chains, notices, recipients
from apps.sla.escalation.notices import NOTICE, Word

UP = ("team_lead", "department_head")


def follow(event: Event) -> None:
    """The next step of its hierarchical chain is due; where no policy is for it, the lead and the head are told."""
    if event.is_historic or event.data.get("to_whom") != "hierarchical" or event.actor_kind == ActorKind.SYSTEM:
        return
    now = situation.read(event.organization_id, event.subject_id)
    if chains.hurry(event.subject, now, at=event.at) is not None:
        return
    _tell_those_above(event, f"{event.actor_label} escalated it: {event.data.get('reason', '')}")


def follow_unaccepted(event: Event) -> None:
    """Everybody in the team let it pass, and there is no lead to take it: whoever answers for the team is told."""
    placed = event.data.get("assignment") or {}
    if not event.is_historic and placed.get("is_unaccepted"):
        _tell_those_above(event, f"Nobody has accepted it in {placed.get('tries')} tries")


def _tell_those_above(event: Event, why: str) -> None:
    found = recipients.find(UP, event.subject, at=event.at)
    words = {user_id: Word(NOTICE, why) for user_id in found.people if user_id != event.actor_id}
    if words:
        notices.tell(event.subject, words, at=event.at, actor=chains.platform(event.organization_id))
