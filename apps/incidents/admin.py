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
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.core.actors import Actor
from apps.core.admin import RecordAdmin, actor_of, table
from apps.core.authorization import Action, may, within_reach
from apps.incidents import candidates, handover, major, services
from apps.incidents.choices import LeadRole
from apps.incidents.lifecycle import MAJOR, RESOURCE
from apps.incidents.models import MAX_INTERVAL_MINUTES, MIN_INTERVAL_MINUTES, Handover, Incident, MajorRule, MajorUpdate
from apps.sla.admin import timers
from apps.sla.admin.words import condition, instant
from apps.tickets.addresses import MAX_ADDRESS
from apps.tickets.admin.forms import ReasonForm, VerbForm, searched, workers
from apps.tickets.admin.queue import TicketPages
from apps.tickets.choices import Kind
from apps.tickets.models import Ticket


def address(help_text: str) -> forms.CharField:
    """Where people meet; what is accepted the service says."""
    return forms.CharField(
        required=False,
        label="Bridge link",
        help_text=f"https://… {help_text}",
        max_length=MAX_ADDRESS,
        widget=UnfoldAdminTextInputWidget,
    )


class LeadForm(ReasonForm):
    """Why, and who leads it, who speaks, how often, and where those who work on it meet."""

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
    bridge_url = address("Only those who work on the incident see it.")

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


class BridgeForm(VerbForm):
    """Where those who work on it meet."""

    bridge_url = address("Nowhere, where it is empty.")

    def values(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


class PaceForm(ReasonForm):
    """Another interval, and why."""

    update_interval_minutes = forms.IntegerField(
        label="Minutes between updates",
        min_value=MIN_INTERVAL_MINUTES,
        max_value=MAX_INTERVAL_MINUTES,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class RoleForm(ReasonForm):
    """Which role, and why."""

    role = forms.ChoiceField(choices=LeadRole.choices, widget=UnfoldAdminSelectWidget)


class HandOverForm(RoleForm):
    """To whom."""

    to = searched(Incident, "commander", label="To")

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, actor=actor, **kwargs)
        fields: Any = self.fields
        fields["to"].queryset, fields["to"].required = workers(actor), True

    def values(self) -> dict[str, Any]:
        given = super().values()
        to = given.pop("to")
        return {**given, "to_id": getattr(to, "pk", to)}


# By the transitions of the second life.
MAJOR_VERBS: Mapping[str, tuple[str, type[VerbForm], Callable[..., Incident]]] = {
    "propose": ("Propose as major incident", LeadForm, major.propose),
    "accept": ("Accept as major incident", LeadForm, major.accept),
    "reject": ("Reject as major incident", ReasonForm, major.reject),
    "demote": ("Demote from major incident", ReasonForm, major.demote),
    "pace": ("Change the interval of updates", PaceForm, major.pace),
    "bridge": ("Change the bridge link", BridgeForm, major.bridge),
    "hand-over": ("Ask somebody to take over", HandOverForm, handover.offer),
    "take-over": ("Take over", RoleForm, handover.take_over),
    "decline": ("Decline or withdraw a handover", RoleForm, handover.refuse),
}
# Of one that is led: beside the transitions, which change what it is.
OF_LEADERS = ("pace", "bridge", "hand-over", "take-over", "decline")
MOST_SHOWN = 100
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
        "next_update_due_at", "shown_bridge", "shown_updates", "shown_handovers", "shown_timers",
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
                    "shown_bridge",
                    "shown_updates",
                    "shown_handovers",
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

    @display(description="bridge link")
    def shown_bridge(self, incident: Any) -> str:
        return major.bridge_shown(incident, actor=incident.read_by) or "-"

    @display(description="public updates, UTC")
    def shown_updates(self, incident: Any) -> SafeString:
        rows = MajorUpdate.objects.filter(incident_id=incident.pk).select_related("given_by").order_by("-promised_at")
        return table(
            ("Promised", "Due", "Became", "At", "By", "Intervals missed"),
            (
                (
                    instant(row.promised_at),
                    instant(row.due_at),
                    row.get_outcome_display(),
                    instant(row.ended_at),
                    row.given_by or "-",
                    row.alarms,
                )
                for row in rows[:MOST_SHOWN]
            ),
        )

    @display(description="handovers, UTC")
    def shown_handovers(self, incident: Any) -> SafeString:
        rows = Handover.objects.filter(incident_id=incident.pk).select_related("to", "offered_by")
        return table(
            ("Role", "To", "Asked by", "Asked", "Became", "At", "Reason"),
            (
                (
                    row.get_role_display(),
                    row.to,
                    row.offered_by or "-",
                    instant(row.offered_at),
                    row.get_outcome_display(),
                    instant(row.ended_at),
                    row.reason,
                )
                for row in rows.order_by("-offered_at")[:MOST_SHOWN]
            ),
        )

    @display(description="")
    def shown_timers(self, incident: Any) -> SafeString:
        return timers.of_ticket(incident, incident.read_by)

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.create(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.change(Incident.objects.get(pk=record.pk), actor=actor, at=at, values=values)

    def possible(self, ticket: Any, *, actor: Actor, at: datetime) -> Iterable[str]:
        leading = (
            OF_LEADERS if ticket.is_major and ticket.is_open and may(actor, Action.APPROVE, RESOURCE, ticket) else ()
        )
        beside = [f"{BESIDE}{name}" for name in (*MAJOR.allowed(ticket, actor=actor, at=at), *leading)]
        return [*super().possible(ticket, actor=actor, at=at), *beside]

    def do(self, ticket: Any, verb: str, *, actor: Actor, at: datetime, **given: Any) -> Ticket:
        if verb.startswith(BESIDE):
            _, _, move = MAJOR_VERBS[verb.removeprefix(BESIDE)]
            return move(ticket, actor=actor, at=at, **given)
        return super().do(ticket, verb, actor=actor, at=at, **given)


# Of how many of the newest open incidents the preview tells.
TRIED = 100


@admin.register(MajorRule)
class MajorRuleAdmin(RecordAdmin):
    """Which incidents become candidates by themselves. The first rule by position that holds decides."""

    resource, write_action = candidates.RESOURCE, Action.CONFIGURE
    list_display = ("name", "position", "is_active", "shown_match", "more_children_than", "proposes")
    list_filter = ("is_active", "proposes")
    search_fields = ("name",)
    ordering = ("position",)
    fields = (
        "name", ("position", "is_active", "proposes"), "match", "more_children_than", ("commander", "communications_lead"),
        "update_interval_minutes", "shown_match", "shown_preview",
    )  # fmt: skip
    readonly_fields = ("shown_match", "shown_preview")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if "position" in form.base_fields:
            form.base_fields["position"].required = False
            form.base_fields["position"].help_text = "Lower ones are asked first; last where it is empty."
        if "match" in form.base_fields:
            text = 'Clauses, one of which must hold: [{"priority": [1]}, {"service_criticality": [1, 2]}].'
            form.base_fields["match"].help_text = text
        return form

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return candidates.create(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        if values.get("position", 0) is None:
            values = {name: value for name, value in values.items() if name != "position"}
        return candidates.change(record, actor=actor, at=at, values=values)

    @display(description="for incidents")
    def shown_match(self, rule: MajorRule) -> str:
        return condition(rule.match, {}) if rule.pk and rule.match else "-"

    @display(description="preview: of the newest open incidents, by this rule alone")
    def shown_preview(self, rule: MajorRule) -> SafeString:
        if not rule.pk:
            return table(("Incident", "Title", "Priority"), ())
        actor = Actor.system(rule.organization_id, "incidents")
        _, hits = candidates.try_out(actor=actor, limit=TRIED, only=rule)
        return table(
            ("Incident", "Title", "Priority"),
            ((hit.ticket.number, hit.ticket.title, hit.ticket.priority) for hit in hits),
        )
