"""What this app records, beside the created, updated and deleted of its plain records."""

from apps.core.events import declare
from apps.core.records import declare_events
from apps.organizations.models import BusinessCalendar, CostCentre, Department, Organization, Site, Team

for model in (BusinessCalendar, CostCentre, Department, Site):
    declare_events(model)
declare_events(Team, "created", "updated", "deleted", "restored")
declare_events(Organization, "created", "updated")

ORGANIZATION_SUSPENDED = declare("organization.suspended", "Organization suspended: nobody of it can sign in.")
ORGANIZATION_RESUMED = declare("organization.resumed", "Organization active again.")
HOLIDAYS_PROPOSED = declare(
    "calendar.holidays_proposed", "Holidays proposed for a calendar; they count once confirmed."
)
HOLIDAYS_DISMISSED = declare("calendar.holidays_dismissed", "Proposed holidays dismissed.")
