"""Incidents in the admin."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from apps.core.actors import Actor
from apps.core.admin import actor_of
from apps.core.authorization import Action, within_reach
from apps.incidents import major, services
from apps.incidents.lifecycle import MAJOR, RESOURCE
from apps.incidents.models import MAX_INTERVAL_MINUTES, MIN_INTERVAL_MINUTES, Incident
from apps.sla.admin import timers
from apps.tickets.admin.forms import ReasonForm, VerbForm, searched, workers
from apps.tickets.admin.queue import TicketPages
from apps.tickets.choices import Kind
from apps.tickets.models import Ticket


class LeadForm(ReasonForm):
    """Why, and who leads it, who speaks, how often."""

    commander = searched(Incident, "commander", label="Commander", help_text="You, unless the proposal names another.")
    communications_lead = searched(
        Incident, "communications_lead", label="Communications lead", help_text="The commander, unless named."
    )
    update_interval_minutes = forms.IntegerField(
        required=False,
        label="Minutes between updates",
        min_value=MIN_INTERVAL_MINUTES,
        max_value=MAX_INTERVAL_MINUTES,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, actor=actor, **kwargs)
        fields: Any = self.fields
        fields["commander"].queryset = fields["communications_lead"].queryset = workers(actor)

    def values(self) -> dict[str, Any]:
        people = ("commander", "communications_lead")
        return {
            f"{name}_id" if name in people else name: getattr(value, "pk", value)
            for name, value in super().values().items()
        }


# By the transitions of the second life.
MAJOR_VERBS: Mapping[str, tuple[str, type[VerbForm], Callable[..., Incident]]] = {
    "propose": ("Propose as major incident", LeadForm, major.propose),
    "accept": ("Accept as major incident", LeadForm, major.accept),
    "reject": ("Reject as major incident", ReasonForm, major.reject),
    "demote": ("Demote from major incident", ReasonForm, major.demote),
}
# What they are called beside the verbs of the first one.
BESIDE = "major-"


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
        "next_update_due_at", "shown_timers",
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
        ("Service levels", {"fields": ("shown_timers",)}),
        *TicketPages.fieldsets[-2:],
    )

    forms: ClassVar[Mapping[str, type[VerbForm]]] = {
        **TicketPages.forms,
        **{f"{BESIDE}{name}": form for name, (_, form, _) in MAJOR_VERBS.items()},
    }
    labels: ClassVar[Mapping[str, str]] = {
        **TicketPages.labels,
        **{f"{BESIDE}{name}": label for name, (label, _, _) in MAJOR_VERBS.items()},
    }

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

    @display(description="")
    def shown_timers(self, incident: Any) -> SafeString:
        return timers.of_ticket(incident, incident.read_by)

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.create(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.change(Incident.objects.get(pk=record.pk), actor=actor, at=at, values=values)

    def possible(self, ticket: Any, *, actor: Actor, at: datetime) -> Iterable[str]:
        beside = [f"{BESIDE}{name}" for name in MAJOR.allowed(ticket, actor=actor, at=at)]
        return [*super().possible(ticket, actor=actor, at=at), *beside]

    def do(self, ticket: Any, verb: str, *, actor: Actor, at: datetime, **given: Any) -> Ticket:
        if verb.startswith(BESIDE):
            _, _, move = MAJOR_VERBS[verb.removeprefix(BESIDE)]
            return move(ticket, actor=actor, at=at, **given)
        return super().do(ticket, verb, actor=actor, at=at, **given)
