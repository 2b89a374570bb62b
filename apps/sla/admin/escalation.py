"""Chains in the admin: written, previewed on a ticket there is, switched off; and where they stand on tickets."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import ReadOnlyAdmin, RecordAdmin, table
from apps.core.authorization import Action
from apps.core.lifecycle import Phase
from apps.sla import situation
from apps.sla.admin.words import condition, instant
from apps.sla.conditions import trusted
from apps.sla.escalation import outlook, policies
from apps.sla.models import EscalationFiring, EscalationPolicy, EscalationRun
from apps.tickets.models import Ticket

# Among how many of the newest open tickets one is looked for that a policy is for.
LOOKED_AT = 20
HEADS = ("Step", "At, UTC", "Calls", "Does", "Remarks")


@admin.register(EscalationPolicy)
class EscalationPolicyAdmin(RecordAdmin):
    """Who is called when nobody comes. Chains that have begun keep their steps."""

    resource = "sla"
    write_action = Action.CONFIGURE
    list_display = ("name", "position", "chain", "begins", "is_active", "shown_length")
    list_filter = ("is_active", "chain", "begins")
    search_fields = ("name",)
    ordering = ("position", "name")
    fields = (
        "name", "description", ("chain", "begins"), ("position", "is_active"), "calendar", "match", "steps",
        "shown_match", "shown_preview",
    )  # fmt: skip
    readonly_fields = ("shown_match", "shown_preview")

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return policies.create(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return policies.change(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        policies.delete(record, actor=actor, at=at)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        for name, text in (
            ("match", 'Clauses, one of which must hold: [{"priority": [1]}]; [{}] is every ticket.'),
            ("steps", '[{"after_minutes": 5, "repeats": 1, "repeat_minutes": 5, "actions": [{"do": "page"}]}]'),
        ):
            if name in form.base_fields:
                form.base_fields[name].help_text = text
        return form

    @display(description="steps")
    def shown_length(self, policy: EscalationPolicy) -> int:
        return len(policy.steps)

    @display(description="for tickets")
    def shown_match(self, policy: EscalationPolicy) -> str:
        return condition(policy.match, {}) if policy.pk and policy.match else "-"

    @display(description="preview: if nobody came from now on")
    def shown_preview(self, policy: EscalationPolicy) -> SafeString:
        """On the newest open ticket that it is for."""
        ticket = _example(policy)
        if ticket is None:
            return format_html("None of the newest {} open tickets is one that it is for.", LOOKED_AT)
        found = outlook.preview(policy, ticket, at=timezone.now())
        rows = (
            (
                str(step["step"]),
                ", ".join(instant(at) for at in (step["at"], *step["repeats_at"])),
                ", ".join(f"{person['name']} ({person['how']}, {person['word']})" for person in step["people"]) or "-",
                ", ".join(step["does"]) or "-",
                "; ".join(step["because"]) or "-",
            )
            for step in found["results"]
        )
        return format_html("<p>{}</p>{}", ticket, table(HEADS, rows))


def _example(policy: EscalationPolicy) -> Ticket | None:
    if not policy.pk:
        return None
    match = trusted(policy.match)
    opened = Ticket.objects.in_tenant(policy.organization_id).alive().filter(phase__in=(Phase.NEW, Phase.OPEN))
    newest: list[Ticket] = list(opened.order_by("-opened_at", "-id")[:LOOKED_AT])
    return next((each for each in newest if match.holds(situation.read(each.organization_id, each.pk).facts)), None)


@admin.register(EscalationRun)
class EscalationRunAdmin(ReadOnlyAdmin):
    """Where chains stand."""

    resource = "sla"
    list_display = ("ticket", "policy", "because", "began_at", "next_due_at", "ended_at", "end_reason")
    list_select_related: ClassVar[Any] = ("ticket", "policy")
    list_filter = ("because", "end_reason")
    search_fields = ("ticket__number",)
    linked_lookups = ("ticket", "policy")
    ordering = ("-began_at", "-id")
    fields = (("ticket", "policy"), ("because", "began_at"), "next_due_at", ("ended_at", "end_reason"), "shown_firings")
    readonly_fields = ("shown_firings",)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Of the tickets that the administrator sees."""
        tickets = Ticket.objects.visible_to(request.actor)  # type: ignore[attr-defined]
        return super().get_queryset(request).filter(ticket__in=tickets)

    @display(description="steps taken")
    def shown_firings(self, run: EscalationRun) -> SafeString:
        rows = EscalationFiring.objects.filter(run=run).order_by("fired_at", "step", "round")
        return table(
            ("Step", "Time", "Due, UTC", "Taken, UTC"),
            ((str(row.step + 1), str(row.round + 1), instant(row.due_at), instant(row.fired_at)) for row in rows),
        )
