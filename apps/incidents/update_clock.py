"""The clock of a major incident's public updates: each is promised, given or late, and late ones raise an alarm.

What moves it are facts (subscribers), so it makes no version of the incident. Whoever calls holds the ticket's lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from apps.audit.models import Event
from apps.core import events
from apps.core.actors import Actor
from apps.incidents.choices import LeadRole, UpdateOutcome
from apps.incidents.events import UPDATE_OVERDUE
from apps.incidents.models import Incident, MajorUpdate
from apps.sla.escalation import notices, recipients
from apps.sla.escalation.notices import NOTICE, PAGE, Word

USUAL_INTERVAL_MINUTES = 30
# In time on the very second, late one second later: as every deadline.
GRACE = timedelta(seconds=1)
# Who hears of the first interval without a word, of the second, and of every later one.
NEXT_TO_HEAR: tuple[tuple[str, ...], ...] = ((), ("team_lead",), ("team_lead", "manager"))
PART = "incidents"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a fact is true, and until when alarms of it count as told: those of a past that is told now call nobody."""

    at: datetime
    told_until: datetime

    @classmethod
    def of(cls, event: Event) -> "Moment":
        return cls(event.at, event.recorded_at if event.is_historic else event.at)


def begin(incident: Incident, when: Moment) -> None:
    """Promise the next update one interval from now on; the incident shows until when."""
    interval = timedelta(minutes=incident.update_interval_minutes or USUAL_INTERVAL_MINUTES)
    due_at = when.at + interval
    alarms = begun(due_at, interval, when.told_until)
    MajorUpdate.objects.create(
        organization_id=incident.organization_id,
        incident_id=incident.pk,
        promised_at=when.at,
        due_at=due_at,
        interval_minutes=interval // timedelta(minutes=1),
        alarms=alarms,
        next_alarm_at=due_at + GRACE + alarms * interval,
    )
    _show(incident, due_at)


def give(incident: Incident, when: Moment, *, by: UUID | None) -> None:
    """Everybody was told something; the next update is due one interval later."""
    _end(incident, UpdateOutcome.GIVEN, when.at, by=by)
    begin(incident, when)


def pace(incident: Incident, when: Moment) -> None:
    """Another interval holds from now on."""
    _end(incident, UpdateOutcome.PACED_ANEW, when.at)
    begin(incident, when)


def end(incident: Incident, at: datetime) -> None:
    """Nobody waits for an update of what is over, or is no major incident any more."""
    _end(incident, UpdateOutcome.OVER, at)
    _show(incident, None)


def _end(incident: Incident, outcome: UpdateOutcome, at: datetime, *, by: UUID | None = None) -> None:
    awaited = MajorUpdate.objects.filter(incident_id=incident.pk, ended_at=None)
    awaited.update(ended_at=at, outcome=outcome, given_by_id=by, next_alarm_at=None)


def _show(incident: Incident, due_at: datetime | None) -> None:
    if incident.next_update_due_at != due_at:
        incident.next_update_due_at = due_at
        incident.save(update_fields=["next_update_due_at"])


def begun(due_at: datetime, interval: timedelta, now: datetime) -> int:
    """How many intervals without the update that was due have begun: one from the first second after `due_at` on."""
    late = now - due_at - GRACE
    return 0 if late < timedelta() else late // interval + 1


# --- alarms


def ring(awaited: MajorUpdate, incident: Incident, now: datetime) -> None:
    """Raise the alarm of an update that is due for one, and tell whoever must see to it.

    After an outage there is one alarm, of the interval that runs; it says how many went by untold.
    """
    interval = timedelta(minutes=awaited.interval_minutes)
    before, number = awaited.alarms, begun(awaited.due_at, interval, now)
    awaited.alarms, awaited.next_alarm_at = number, awaited.due_at + GRACE + number * interval
    awaited.save(update_fields=["alarms", "next_alarm_at"])
    actor = Actor.system(incident.organization_id, PART)
    reached = who_hears(incident, number, at=now)
    events.record(
        UPDATE_OVERDUE,
        incident,
        actor=actor,
        at=now,
        due_at=awaited.due_at,
        number=number,
        untold=number - before - 1,
        interval_minutes=awaited.interval_minutes,
        reached=[str(user_id) for user_id in reached.people],
        because=reached.because,
    )
    why = f"the public update due {awaited.due_at:%Y-%m-%d %H:%M} UTC is overdue"
    how = NOTICE if number == 1 else PAGE
    notices.tell(incident, {user_id: Word(how, why) for user_id in reached.people}, at=now, actor=actor)


def who_hears(incident: Incident, number: int, *, at: datetime) -> recipients.Reached:
    """Of the alarm of this number: who leads it and who speaks, then their team's lead, then the manager."""
    found = recipients.these(leads(incident), at=at)
    more = NEXT_TO_HEAR[min(number, len(NEXT_TO_HEAR)) - 1]
    if not found.people:
        # Whoever led it has left: the next in line at once.
        more = more or NEXT_TO_HEAR[1]
    found.take(recipients.find(more, incident, at=at))
    return found


def leads(incident: Incident) -> Mapping[UUID, str]:
    """Who leads and who speaks, each with the word that means them; the commander alone where that is one person."""
    named = {incident.communications_lead_id: LeadRole.COMMUNICATIONS_LEAD, incident.commander_id: LeadRole.COMMANDER}
    return {user_id: role.value for user_id, role in reversed(named.items()) if user_id is not None}
