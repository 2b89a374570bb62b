"""What time does to tickets, in the admin: the organization's terms, and what is due when."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import ReadOnlyAdmin, RecordAdmin, actor_of
from apps.core.authorization import Action, within_reach
from apps.tickets import kinds
from apps.tickets.closing import configuring, countdowns, terms
from apps.tickets.models import ClosingSettings, Countdown, Ticket


@admin.register(ClosingSettings)
class ClosingSettingsAdmin(RecordAdmin):
    """One row: how long is waited for an answer, an objection, a reopening."""

    resource = configuring.RESOURCE
    write_action = Action.CONFIGURE
    list_display = ("shown_name", "shown_answers", "shown_closing", "shown_reopening", "updated_at")
    list_select_related = ("calendar",)
    fields = (
        "calendar",
        ("answer_days", "remind_after", "resolve_after"),
        ("close_days", "warn_after", "close_after"),
        ("reopen_days", "reopen_within"),
        ("reply_reopens", "ignores_thanks"),
    )
    ordering = ("created_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        filled = {name: [] if name == "remind_after" and value is None else value for name, value in values.items()}
        return configuring.change(record, actor=actor, at=at, values=filled)

    @display(description="settings")
    def shown_name(self, settings: ClosingSettings) -> str:
        return "What time does to tickets"

    @display(description="without an answer")
    def shown_answers(self, settings: ClosingSettings) -> str:
        reminders = ", ".join(str(days) for days in settings.remind_after)
        reminded = f"reminds after {reminders}; " if reminders else ""
        ends = terms.worded(settings.resolve_after, settings.answer_days) if settings.resolve_after else "never"
        return f"{reminded}resolves after {ends}"

    @display(description="without an objection")
    def shown_closing(self, settings: ClosingSettings) -> str:
        warned = f"warns after {settings.warn_after}; " if settings.warn_after else ""
        ends = terms.worded(settings.close_after, settings.close_days) if settings.close_after else "never"
        return f"{warned}closes after {ends}"

    @display(description="reopens within")
    def shown_reopening(self, settings: ClosingSettings) -> str:
        return terms.worded(settings.reopen_within, settings.reopen_days) if settings.reopen_within else "never"


@admin.register(Countdown)
class CountdownAdmin(ReadOnlyAdmin):
    """Tickets that time will do something to, of those that the administrator sees; the next one first."""

    resource = configuring.RESOURCE
    list_display = ("ticket", "purpose", "since", "shown_next", "due_at", "given")
    list_select_related = ("ticket",)
    list_filter = ("purpose",)
    search_fields = ("ticket__number",)
    linked_lookups = ("ticket",)
    ordering = ("due_at", "pk")
    fields = ("ticket", "purpose", "since", "shown_next", "due_at", "given", "last_given_at", "recalled_at")
    readonly_fields = ("shown_next",)

    def get_queryset(self, request: HttpRequest) -> Any:
        actor = actor_of(request)
        seen = within_reach(Ticket.objects.visible_to(actor).alive(), actor, Action.READ, kinds.RESOURCE)
        rows = Countdown.objects.visible_to(actor).filter(ticket_id__in=seen.values("pk"))
        return rows.select_related("ticket").order_by(*self.ordering)

    @display(description="next")
    def shown_next(self, row: Countdown) -> str:
        steps = countdowns.foretold(row, row.ticket, terms.current())
        return str(steps[0].doing.label) if steps else "nothing"
