"""The plain resources of this app, one row each."""

from apps.core.api import strict
from apps.core.api.resources import Resource
from apps.core.api.serializers import ObjectList
from apps.core.authorization import Action
from apps.organizations.api.calendars import ExceptionSerializer, WindowSerializer
from apps.organizations.calendars import rules
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
        "windows": ObjectList(child=WindowSerializer(), max_length=rules.MOST_WINDOWS),
        "exceptions": ObjectList(child=ExceptionSerializer(), required=False, max_length=rules.MOST_EXCEPTIONS),
    },
    filters=("name", "time_zone"),
    search=("name",),
    orderings=("name", "created_at"),
    default_ordering="name",
    write_grant=Action.CONFIGURE,
)
RESOURCES = (SITES,)
