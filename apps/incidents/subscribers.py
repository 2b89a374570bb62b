"""What follows from a fact about an incident, in the same transaction: its clocks, and its children."""

from typing import Any

from django.db.models import Exists, OuterRef

from apps.audit.models import Event
from apps.core.events import inside
from apps.incidents import acknowledgement, cascade, major
from apps.incidents.models import Incident
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
    if incident is None or not acknowledgement.is_agents_word(incident, event):
        return
    acknowledgement.note(incident, event)
    major.note_update(incident, event)


@inside("incident.resolved")
def end(event: Event) -> None:
    incident = _subject(event)
    if incident is None:
        return
    acknowledgement.note(incident, event)
    if incident.is_major:
        major.plan_review(incident, at=event.at)
    if incident.has_children:
        cascade.resolve_children(incident, event)


@inside("incident.reopened")
def begin_again(event: Event) -> None:
    incident = _subject(event)
    if incident is None:
        return
    if incident.is_major:
        major.start_clock(incident, at=event.at)
    if incident.parent_id is not None:
        cascade.detach(incident, event)


@inside("incident.unmerged")
def come_back(event: Event) -> None:
    """As it was; but whoever waits for a word about it waits from now on."""
    incident = _subject(event)
    if incident is not None and incident.is_major and incident.is_open:
        major.start_clock(incident, at=event.at)


@inside("incident.cancelled")
@inside("incident.merged")
@inside("incident.converted")
def stop(event: Event) -> None:
    incident = _subject(event)
    if incident is not None and incident.is_major:
        major.stop_clock(incident)


def _subject(event: Event) -> Any:
    """The incident with everything that these ask of it, in one query; None while an import has only its base row."""
    children = Ticket.objects.filter(parent_id=OuterRef("pk")).alive()
    return Incident.objects.filter(pk=event.subject_id).annotate(has_children=Exists(children)).first()
