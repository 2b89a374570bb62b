"""Incidents in the admin."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.views import ChangeList

from apps.core.actors import Actor
from apps.core.admin import actor_of
from apps.core.authorization import Action, within_reach
from apps.incidents import services
from apps.incidents.lifecycle import RESOURCE
from apps.incidents.models import Incident
from apps.tickets.admin.queue import TicketPages
from apps.tickets.choices import Kind
from apps.tickets.models import Ticket


class BaseRows(ChangeList):
    """A list of base rows that lead to the pages of incidents."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Base rows have no key of the child.
        self.to_field = "id"

    def url_for_result(self, result: Any) -> str:
        return reverse("admin:incidents_incident_change", args=[result.pk])


@admin.register(Incident)
class IncidentAdmin(TicketPages):
    resource = RESOURCE
    kind: ClassVar[str] = Kind.INCIDENT
    readonly_fields: ClassVar[Any] = (
        *TicketPages.readonly_fields, "major_status", "commander", "communications_lead", "update_interval_minutes",
        "next_update_due_at",
    )  # fmt: skip
    fieldsets: ClassVar[Any] = (
        *TicketPages.fieldsets[:-2],
        (
            "Major incident",
            {
                "fields": (
                    "workaround",
                    ("major_status", "commander", "communications_lead"),
                    ("update_interval_minutes", "next_update_due_at"),
                ),
                "classes": ("collapse",),
            },
        ),
        *TicketPages.fieldsets[-2:],
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Base rows alone (G4); one incident's page asks for its child by get_object."""
        actor = actor_of(request)
        rows = Ticket.objects.visible_to(actor).of_kind(Kind.INCIDENT).alive()
        return within_reach(rows, actor, Action.READ, self.resource).order_by(*self.ordering)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return BaseRows

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        incident = Incident.objects.filter(pk=row.pk).first() if row is not None else None
        if incident is not None:
            incident.read_by = row.read_by
        return incident

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.create(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.change(Incident.objects.get(pk=record.pk), actor=actor, at=at, values=values)
