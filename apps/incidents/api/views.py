"""Incidents over HTTP."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone

from apps.core.api.serializers import RecordSerializer
from apps.incidents import services
from apps.incidents.api.serializers import IncidentRowSerializer, IncidentSerializer
from apps.incidents.lifecycle import RESOURCE
from apps.incidents.models import Incident
from apps.tickets.api.views import TicketActions
from apps.tickets.choices import Kind


class IncidentViewSet(TicketActions):
    """Incidents, by id or number."""

    model: ClassVar[type[Any]] = Incident
    resource = RESOURCE
    kind = Kind.INCIDENT
    serializer_class = IncidentSerializer
    number_prefixes = frozenset({"INC"})

    def reader(self) -> type[RecordSerializer]:
        return IncidentRowSerializer if getattr(self, "action", "") == "list" else IncidentSerializer

    def reread(self, ticket: Any) -> Any:
        return ticket if isinstance(ticket, Incident) else Incident.objects.visible_to(self.actor).get(pk=ticket.pk)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return services.create(actor=self.actor, at=timezone.now(), values=values)

    def change_fields(self, ticket: Any, values: Mapping[str, Any], *, at: Any) -> Any:
        return services.change(self.reread(ticket), actor=self.actor, at=at, values=values)
