"""The plain resources of this app, one row each."""

from apps.core.api import strict
from apps.core.api.resources import Resource
from apps.core.authorization import Action
from apps.organizations.api.calendars import ExceptionSerializer, ExceptionsField, WindowSerializer, WindowsField
from apps.organizations.models import BusinessCalendar, CostCentre, Site

SITES = Resource(
    "sites",
    Site,
    fields=("name", "time_zone", "address", "is_active"),
    declared={"time_zone": strict.TimeZoneField(max_length=63, required=False)},
    filters=("name", "is_active", "time_zone"),
    search=("name", "address"),
    orderings=("name", "created_at"),
    default_ordering="name",
    has_bulk=True,
)
# Served by the users app, which adds the owner.
COST_CENTRES = Resource(
    "cost-centres",
    CostCentre,
    fields=("code", "name", "is_active"),
    filters=("code", "name", "is_active"),
    search=("code", "name"),
    orderings=("code", "name", "created_at"),
    default_ordering="code",
)
# Registered in urls.py with verbs of its own.
CALENDARS = Resource(
    "sla/calendars",
    BusinessCalendar,
    fields=("name", "time_zone", "windows", "exceptions"),
    declared={
        "time_zone": strict.TimeZoneField(max_length=63),
        "windows": WindowsField(child=WindowSerializer(), max_length=70),
        "exceptions": ExceptionsField(child=ExceptionSerializer(), required=False, max_length=2000),
    },
    filters=("name", "time_zone"),
    search=("name",),
    orderings=("name", "created_at"),
    default_ordering="name",
    write_grant=Action.CONFIGURE,
)
RESOURCES = (SITES,)
