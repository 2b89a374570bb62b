"""How incidents look over HTTP."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field

from apps.core.api import strict
from apps.core.api.schema import NULLABLE_LINK
from apps.core.api.serializers import ComputedField
from apps.incidents import major
from apps.incidents.models import Incident
from apps.tickets.api.serializers import FIELDS, WRITABLE, TicketSerializer

OWN = (
    "workaround",
    "commander",
    "communications_lead",
    "update_interval_minutes",
    "next_update_due_at",
    "major_since",
    "bridge_url",
    "review_due_at",
)
LISTED = (*FIELDS[:-1], "is_major", "major_status", "parent", FIELDS[-1])


@extend_schema_field(NULLABLE_LINK)
class BridgeField(ComputedField):
    """Where those who work on a major incident meet; null for everybody else, as where they meet nowhere."""

    def computed(self, instance: Any, context: Mapping[str, Any]) -> str | None:
        return major.bridge_shown(instance, actor=context["actor"])


class IncidentRowSerializer(TicketSerializer):
    """An incident in a list: its base row alone."""

    major_status = strict.WordField(read_only=True)

    class Meta(TicketSerializer.Meta):
        fields = LISTED
        read_only_fields = tuple(name for name in LISTED if name not in WRITABLE)


class IncidentSerializer(TicketSerializer):
    """An incident on its own page."""

    major_status = strict.WordField(read_only=True)

    bridge_url = BridgeField(read_only=True)
    # Any: below a serializer, `parent` is also who contains it.
    parent: Any = strict.ReferenceField(queryset=Incident.objects, required=False, allow_null=True)

    class Meta(TicketSerializer.Meta):
        model: ClassVar[type[Any]] = Incident
        fields = (*LISTED, *OWN)
        read_only_fields = tuple(name for name in (*LISTED, *OWN) if name not in {*WRITABLE, "workaround", "parent"})
