"""How incidents look over HTTP."""

from typing import Any, ClassVar

from apps.core.api import strict
from apps.incidents.models import Incident
from apps.tickets.api.serializers import FIELDS, WRITABLE, TicketSerializer

OWN = (
    "workaround",
    "commander",
    "communications_lead",
    "update_interval_minutes",
    "next_update_due_at",
    "major_since",
    "review_due_at",
)
LISTED = (*FIELDS[:-1], "is_major", "major_status", "parent", FIELDS[-1])


class IncidentRowSerializer(TicketSerializer):
    """An incident in a list: its base row alone."""

    major_status = strict.WordField(read_only=True)

    class Meta(TicketSerializer.Meta):
        fields = LISTED
        read_only_fields = tuple(name for name in LISTED if name not in WRITABLE)


class IncidentSerializer(TicketSerializer):
    """An incident on its own page."""

    major_status = strict.WordField(read_only=True)

    # Any: below a serializer, `parent` is also who contains it.
    parent: Any = strict.ReferenceField(queryset=Incident.objects, required=False, allow_null=True)

    class Meta(TicketSerializer.Meta):
        model: ClassVar[type[Any]] = Incident
        fields = (*LISTED, *OWN)
        read_only_fields = tuple(name for name in (*LISTED, *OWN) if name not in {*WRITABLE, "workaround", "parent"})
