"""What this app records beside the facts of every ticket."""

from apps.core.events import declare
from apps.tickets.choices import Kind
from apps.tickets.events import declare_for

declare_for(Kind.INCIDENT)
MAJOR_PROPOSED = declare("incident.major_proposed", "Incident: proposed as a major one.")
MAJOR_ACCEPTED = declare("incident.major_accepted", "Incident: accepted as a major one; it has a commander.")
MAJOR_REJECTED = declare("incident.major_rejected", "Incident: not a major one.")
MAJOR_DEMOTED = declare("incident.major_demoted", "Incident: no major one any more.")
