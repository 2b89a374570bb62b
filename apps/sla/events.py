"""What service levels record. Facts about a ticket's timers have the ticket as subject, so that its timeline tells them."""

from apps.core.events import declare
from apps.core.records import declare_events
from apps.organizations.models import BusinessCalendar
from apps.sla.models import EscalationPolicy, Policy

WARNED = declare("sla.warned", "A timer reached a level before its deadline.")
BREACHED = declare("sla.breached", "A timer missed its deadline, or was attached when it had been missed already.")
ESCALATED = declare("sla.escalated", "A timer reached a level after its deadline.")
ACTION_DUE = declare("sla.action_due", "A level that fired has something to do to its ticket.")
ACTION_REFUSED = declare("sla.action_refused", "A level could not do what it says: what it names is gone.")
DEADLINE_SET = declare("sla.deadline_set", "Somebody set a timer's deadline by hand.")
MIGRATED = declare("sla.migrated", "A ticket's timers were carried over to a new version of their policy.")
CALENDAR_CHANGED = declare("sla.calendar_changed", "A ticket's timers go on by their calendar's new hours.")
WITHDRAWN = declare("sla.withdrawn", "A ticket's timers were ended with their policy, which was withdrawn.")
REPAIRED = declare("sla.repaired", "A ticket's timers were built anew from its history.")
SETTINGS_CHANGED = declare("sla_settings.updated", "How policies are chosen was changed.")
declare_events(Policy, "created", "updated", "drafted", "published", "migrated", "withdrawn")
declare_events(EscalationPolicy)
declare_events(BusinessCalendar, "migrated")
# Facts about a ticket's chains, with the ticket as subject as well.
CHAIN_BEGUN = declare("escalation.begun", "A chain began on a ticket: if nobody comes, its steps are taken.")
CLIMBED = declare("escalation.climbed", "A step of a chain was taken, because nobody had come.")
CHAIN_ENDED = declare("escalation.ended", "A chain ended: somebody came, the ticket is over, or nobody is left.")
ACKNOWLEDGED = declare("escalation.acknowledged", "Somebody said that they have the ticket in hand.")
NOTIFIED = declare("escalation.notified", "People are to be told of a ticket, by their usual channels.")
PAGED = declare("escalation.paged", "People on call are to be called to a ticket at once.")
