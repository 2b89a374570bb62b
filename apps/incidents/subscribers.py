"""What follows from a fact about an incident, in the same transaction: its clocks, and its children."""

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.audit.models import Event
from apps.core.events import after, inside
from apps.incidents import acknowledgement, candidates, cascade, handover, major, update_clock
from apps.incidents.events import MAJOR_DEMOTED
from apps.incidents.models import Incident
from apps.incidents.update_clock import Moment
from apps.tickets.choices import LinkType, Visibility, Voice
from apps.tickets.models import Ticket


@inside("incident.claimed")
@inside("incident.started")
@inside("incident.resumed")
def go_on(event: Event) -> None:
    incident = _subject(event)
    if incident is None:
        return
    acknowledgement.note(incident, event)
    if incident.has_children:
        cascade.move_children_on(incident, event)


@inside("incident.put_on_hold")
def wait(event: Event) -> None:
    incident = _subject(event)
    if incident is None:
        return
    acknowledgement.note(incident, event)
    if incident.has_children:
        cascade.hold_children(incident, event)


@inside("escalation.acknowledged")
def take_notice(event: Event) -> None:
    """Who says that they come has taken notice, of an incident as of anything."""
    incident = Incident.objects.filter(pk=event.subject_id).first()
    if incident is not None:
        acknowledgement.note(incident, event)


@inside("incident.commented")
def hear(event: Event) -> None:
    incident = _subject(event)
    if incident is None:
        return
    if acknowledgement.is_agents_word(incident, event):
        acknowledgement.note(incident, event)
    _perhaps_update(incident, event)


@inside("incident.comment_edited")
def hear_late(event: Event) -> None:
    """A note that becomes public is an update from then on."""
    incident = _subject(event)
    if incident is not None:
        _perhaps_update(incident, event)


def _perhaps_update(incident: Incident, event: Event) -> None:
    """Everybody is told something by the desk, or by who leads it and opened it too; what a machine says is none."""
    voice = event.data.get("voice")
    leads = event.actor_id in {incident.commander_id, incident.communications_lead_id}
    is_told = voice == Voice.DESK or (voice == Voice.REQUESTER and leads)
    if is_told and event.data.get("visibility") == Visibility.PUBLIC and incident.is_major and incident.is_open:
        update_clock.give(incident, Moment.of(event), by=_author(event))


@inside("incident.major_accepted")
def promise(event: Event) -> None:
    incident = _subject(event)
    if incident is not None:
        update_clock.begin(incident, Moment.of(event))


@inside("incident.major_paced")
def pace(event: Event) -> None:
    incident = _subject(event)
    if incident is not None:
        update_clock.pace(incident, Moment.of(event))


@inside("incident.resolved")
def end(event: Event) -> None:
    incident = _subject(event)
    if incident is None:
        return
    acknowledgement.note(incident, event)
    if incident.is_major:
        _no_more(incident, event)
        major.plan_review(incident, at=event.at)
    if incident.has_children:
        cascade.resolve_children(incident, event)


@inside("incident.reopened")
def begin_again(event: Event) -> None:
    incident = _subject(event)
    if incident is None:
        return
    if incident.is_major:
        update_clock.begin(incident, Moment.of(event))
    if incident.parent_id is not None:
        cascade.detach(incident, event)


@inside("incident.unmerged")
@inside("incident.restored")
def come_back(event: Event) -> None:
    """As it was; but whoever waits for a word about it waits from now on."""
    incident = _subject(event)
    if incident is not None and incident.is_major and incident.is_open:
        update_clock.begin(incident, Moment.of(event))


@inside("incident.cancelled")
@inside("incident.merged")
@inside("incident.converted")
@inside("incident.deleted")
@inside("incident.major_demoted")
def stop(event: Event) -> None:
    """A demoted one says itself that it was a major one."""
    incident = _subject(event)
    if incident is not None and (incident.is_major or event.name == MAJOR_DEMOTED):
        _no_more(incident, event)


@after("incident.created", consumer="incidents.candidate_created")
@after("incident.reopened", consumer="incidents.candidate_reopened")
def consider(event: Event) -> None:
    """Whether a rule finds it grave. After the commit: whoever opens it does not wait for that."""
    candidates.consider(event.subject_id, event.organization_id, at=timezone.now())


@after("incident.linked", consumer="incidents.candidate_parent")
def consider_parent(event: Event) -> None:
    """One more hangs below it; a link of another type decides nothing."""
    if event.data.get("link_type") == LinkType.PARENT_OF:
        candidates.consider(event.subject_id, event.organization_id, at=timezone.now())


@inside("incident.updated")
@inside("incident.priority_overridden")
@inside("incident.assigned")
@inside("incident.escalated")
@inside("incident.passed_on")
def consider_anew(event: Event) -> None:
    """In the same transaction, because few changes matter and each delivery has its price."""
    if candidates.may_decide(event):
        candidates.consider(event.subject_id, event.organization_id, at=event.at)


def _no_more(incident: Incident, event: Event) -> None:
    update_clock.end(incident, event.at)
    handover.lapse(incident, event)


def _author(event: Event) -> UUID | None:
    """Who said it; an operator of the platform is nobody of the organization."""
    return None if "operator_of" in event.data else event.actor_id


def _subject(event: Event) -> Any:
    """The incident with everything that these ask of it, in one query; None while an import has only its base row."""
    children = Ticket.objects.filter(parent_id=OuterRef("pk")).alive()
    return Incident.objects.filter(pk=event.subject_id).annotate(has_children=Exists(children)).first()
