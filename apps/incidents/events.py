"""What this app records beside the facts of every ticket."""

from apps.core.events import declare
from apps.core.records import declare_events
from apps.incidents.models import MajorRule
from apps.tickets.choices import Kind
from apps.tickets.events import declare_for

declare_for(Kind.INCIDENT)
MAJOR_PROPOSED = declare("incident.major_proposed", "Incident: proposed as a major one.")
MAJOR_ACCEPTED = declare("incident.major_accepted", "Incident: accepted as a major one; it has a commander.")
MAJOR_REJECTED = declare("incident.major_rejected", "Incident: not a major one.")
MAJOR_DEMOTED = declare("incident.major_demoted", "Incident: no major one any more.")
UPDATE_OVERDUE = declare(
    "incident.update_overdue",
    "Incident: a public update of a major one is overdue; told once for each interval that begins.",
)
PACED = declare("incident.major_paced", "Incident: updates of a major one are due by another interval.")
BRIDGED = declare(
    "incident.major_bridged", "Incident: those who work on a major one meet at another address, or at none."
)
HANDOVER_OFFERED = declare(
    "incident.handover_offered", "Incident: somebody is asked to lead a major one, or to speak for it."
)
HANDOVER_REFUSED = declare("incident.handover_refused", "Incident: a handover was declined, or withdrawn.")
HANDED_OVER = declare("incident.handed_over", "Incident: somebody else leads a major one, or speaks for it.")
declare_events(MajorRule)
