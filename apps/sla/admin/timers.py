"""Timers and breaches in the admin: looked at, with why they stand where they do."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.admin import PeriodFilter, ReadOnlyAdmin, actor_of, table
from apps.sla import explaining
from apps.sla.admin.words import STAGES, duration, instant, metric
from apps.sla.choices import Agreement
from apps.sla.models import Breach, Timer
from apps.tickets import rights
from apps.tickets.models import Ticket

BESIDE = ("ticket", "version__policy", "calendar_version__calendar")


class BreachedSince(PeriodFilter):
    title = "missed"
    column = "breached_at"


@admin.register(Timer)
class TimerAdmin(ReadOnlyAdmin):
    """Timers of the tickets that the administrator sees."""

    resource = "sla"
    manager: ClassVar[Any] = Timer.objects
    list_display: Any = (
        "ticket",
        "shown_metric",
        "shown_stage",
        "shown_policy",
        "shown_due_at",
        "shown_percent",
        "shown_late",
    )
    list_select_related: ClassVar[Any] = BESIDE
    list_filter: ClassVar[Any] = ("stage", "metric", "agreement")
    search_fields = ("ticket__number",)
    linked_lookups = ("ticket", "version")
    ordering = ("-started_at", "-id")
    fields = (
        ("ticket", "shown_metric", "shown_stage"),
        ("shown_policy", "shown_calendar"),
        ("shown_target", "shown_elapsed", "shown_percent"),
        ("started_at", "ended_at", "end_reason"),
        ("shown_due_at", "original_due_at", "breached_at"),
        ("set_by", "set_because"),
        "shown_explanation",
    )
    readonly_fields = (
        "shown_metric", "shown_stage", "shown_policy", "shown_calendar", "shown_target", "shown_elapsed", "shown_percent",
        "shown_due_at", "shown_explanation",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        found = self.manager.of_visible_tickets(actor_of(request), Ticket.objects.all())
        return found.select_related(*BESIDE).order_by(*self.ordering)

    @display(description="metric")
    def shown_metric(self, timer: Timer) -> str:
        return (
            metric(timer.metric) if timer.agreement == Agreement.SLA else f"{metric(timer.metric)}, {timer.agreement}"
        )

    @display(description="stage", label=STAGES)
    def shown_stage(self, timer: Timer) -> str:
        return str(timer.stage)

    @display(description="policy")
    def shown_policy(self, timer: Timer) -> str:
        return f"{timer.version.policy}, version {timer.version.number}"

    @display(description="calendar")
    def shown_calendar(self, timer: Timer) -> str:
        hours = timer.calendar_version
        return "always open" if hours is None else f"{hours.calendar}, version {hours.number} ({hours.time_zone})"

    @display(description="due")
    def shown_due_at(self, timer: Timer) -> str:
        return instant(timer.due_at)

    @display(description="target")
    def shown_target(self, timer: Timer) -> str:
        return duration(timer.target_seconds)

    @display(description="counted")
    def shown_elapsed(self, timer: Timer) -> str:
        return duration(explaining.measure(timer, timezone.now()).business_elapsed_seconds)

    @display(description="percent")
    def shown_percent(self, timer: Timer) -> str:
        return f"{explaining.measure(timer, timezone.now()).percent} %"

    @display(description="deadline", label={"missed": "danger", "kept": "success"})
    def shown_late(self, timer: Timer) -> str:
        return "missed" if explaining.measure(timer, timezone.now()).is_breached else "kept"

    @display(description="why")
    def shown_explanation(self, timer: Timer) -> SafeString:
        told = explaining.explain(timer, timezone.now())
        stretches = (
            (
                each["kind"], instant(each["began_at"]), instant(each["ended_at"]), duration(each["wall_seconds"]),
                duration(each["business_seconds"]), duration(each["counted_seconds"]), each["why"],
            )
            for each in told["stretches"]
        )  # fmt: skip
        levels = (
            (each["words"], instant(each["due_at"]), each["outcome"] or "-", instant(each["fired_at"]))
            for each in told["levels"]
        )
        return format_html(
            '<p class="mb-4">{}</p>{}<br>{}',
            told["summary"],
            table(("Stretch", "From", "Until", "Wall time", "Open time", "Counted", "Why"), stretches),
            table(("Level", "Reached, or will be", "What came of it", "Told"), levels),
        )


@admin.register(Breach)
class BreachAdmin(TimerAdmin):
    """Deadlines that were missed."""

    manager: ClassVar[Any] = Breach.objects
    list_display = ("ticket", "shown_metric", "shown_stage", "shown_policy", "breached_at", "shown_overrun")
    list_filter: ClassVar[Any] = (BreachedSince, "metric", "agreement")
    ordering = ("-breached_at", "-id")

    @display(description="overrun, open time")
    def shown_overrun(self, timer: Timer) -> str:
        return duration(timer.breach_seconds)


def of_ticket(ticket: Any, actor: Any) -> SafeString:
    """The timers of one ticket, as far as the actor may see them, for its own page."""
    found = Timer.objects.filter(ticket_id=ticket.pk).select_related(*BESIDE)
    if not rights.works_on(actor, ticket):
        found = found.filter(agreement=Agreement.SLA)
    now = timezone.now()
    rows = []
    for timer in found.order_by("started_at", "metric", "sequence"):
        measured = explaining.measure(timer, now)
        link = format_html(
            '<a class="text-link" href="{}">{}</a>',
            reverse("admin:sla_timer_change", args=[timer.pk]),
            metric(timer.metric),
        )
        late = "missed" if measured.is_breached else ""
        rows.append(
            (
                link, timer.stage, timer.version.policy, duration(timer.target_seconds),
                duration(measured.business_elapsed_seconds), f"{measured.percent} %", instant(timer.due_at), late,
            )
        )  # fmt: skip
    return table(("Metric", "Stage", "Policy", "Target", "Counted", "Percent", "Due", ""), rows)
