"""Assignment in the admin: rules tried on recent tickets, the teams' queues, and what waits in them."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import RecordAdmin, actor_of, table
from apps.core.authorization import Action, may
from apps.organizations.models import Team
from apps.tickets import kinds
from apps.tickets.assignment import configuring, dry_runs, waiting
from apps.tickets.choices import Destination
from apps.tickets.models import AssignmentQueue, AssignmentRule, Ticket

RESOURCE = "assignment_rules"
MOST_SHOWN = 200


class AssignmentAdmin(RecordAdmin):
    """What rules and queues have in common."""

    resource, write_action = RESOURCE, Action.CONFIGURE

    def page(self, request: HttpRequest, template: str, title: str, **more: Any) -> TemplateResponse:
        request.current_app = self.admin_site.name
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "back": back, **more}
        return TemplateResponse(request, template, context)


@admin.register(AssignmentRule)
class AssignmentRuleAdmin(AssignmentAdmin):
    """The first rule by position that holds decides the team."""

    list_display = ("name", "position", "shown_match", "shown_destination", "is_active")
    list_select_related = ("team",)
    list_filter = ("is_active", "destination")
    search_fields = ("name",)
    ordering = ("position",)
    fields = ("name", "position", "is_active", "match", "destination", "team", "skills")
    list_before_template: Any = "tickets/assignment_rules.html"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if "position" in form.base_fields:
            form.base_fields["position"].required = False
            form.base_fields["position"].help_text = "Lower ones are asked first; last where it is empty."
        return form

    @display(description="for")
    def shown_match(self, rule: AssignmentRule) -> str:
        return ", ".join(name.replace("_", " ") for name in rule.match) or "everything"

    @display(description="goes to")
    def shown_destination(self, rule: AssignmentRule) -> str:
        if rule.destination == Destination.TEAM:
            return str(rule.team)
        return f"whoever supports the {rule.destination.replace('_', ' ')}"

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return configuring.create_rule(actor=actor, at=at, values=_filled(values))

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        filled = _filled(values)
        if filled.get("position", 0) is None:
            del filled["position"]
        return configuring.change_rule(record, actor=actor, at=at, values=filled)

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", preview, name="tickets_assignmentrule_preview"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        more: dict[str, Any] = {"may_try": self._may(request, Action.CONFIGURE)}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Where the rules would send the newest tickets."""
        if not self._may(request, Action.CONFIGURE):
            raise Http404
        found = dry_runs.dry_run(actor=actor_of(request))
        names: dict[Any, str] = dict(Team.objects.values_list("pk", "name"))
        rules = {hit.rule_id: hit.name for hit in found.rules}
        rows = table(
            ("Ticket", "Title", "Has it now", "Would have it", "By"),
            (
                (
                    _link(each.ticket_id, each.number),
                    each.title,
                    names.get(each.team_id, "-"),
                    names.get(each.would_be_id, "-"),
                    rules.get(each.rule_id, "-") if each.rule_id else "-",
                )
                for each in found.results
            ),
        )
        hits = table(("Rule", "Tickets"), ((hit.name, hit.tickets) for hit in found.rules))
        return self.page(
            request, "tickets/assignment_preview.html", "Rules on recent tickets", found=found, rows=rows, hits=hits
        )


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    """An input that was left empty asks for nothing."""
    empty: dict[str, Any] = {"match": {}, "skills": [], "accept_minutes": {}}
    return {name: empty[name] if name in empty and value is None else value for name, value in values.items()}


@admin.register(AssignmentQueue)
class AssignmentQueueAdmin(AssignmentAdmin):
    """Teams that give their work out by themselves."""

    list_display = ("team", "is_active", "method", "needs_presence", "needs_shift", "hands_back")
    list_select_related = ("team",)
    list_filter = ("is_active", "method")
    search_fields = ("team__name",)
    ordering = ("team__name", "id")
    fields = (
        "team", "is_active", "method", ("needs_presence", "needs_shift", "counts_on_hold"), "accept_minutes", "most_tries",
        "hands_back",
    )  # fmt: skip
    list_before_template: Any = "tickets/assignment_rules.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A queue stays its team's."""
        return ("team",) if obj is not None else ()

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return configuring.create_queue(actor=actor, at=at, values=_filled(values))

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return configuring.change_queue(record, actor=actor, at=at, values=_filled(values))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.waiting_view)
        return [path("waiting/", view, name="tickets_assignmentqueue_waiting"), *super().get_urls()]

    def waiting_view(self, request: HttpRequest) -> HttpResponse:
        """What waits in which team, for how long, and why."""
        actor, at = actor_of(request), timezone.now()
        if not may(actor, Action.READ, kinds.RESOURCE):
            raise Http404
        tickets = Ticket.objects.visible_to(actor)
        found = list(
            waiting.waiting(tickets).select_related("team").order_by("priority", "opened_at", "id")[:MOST_SHOWN]
        )
        why = waiting.reasons(found, at)
        rows = table(
            ("Ticket", "Title", "Priority", "Team", "Waits", "Why"),
            (
                (
                    _link(each.pk, each.number),
                    each.title,
                    each.priority,
                    each.team,
                    _minutes(waiting.seconds(each.waiting_since, at)),
                    _words(why.get(each.pk, {})),
                )
                for each in found
            ),
        )
        names = dict(Team.objects.values_list("pk", "name"))
        ages = table(
            ("Team", "Tickets", "The oldest waits"),
            (
                (names.get(age.team_id, "-"), age.count, _minutes(age.oldest_seconds))
                for age in waiting.ages(tickets, at)
            ),
        )
        return self.page(request, "tickets/assignment_waiting.html", "What waits for somebody", rows=rows, ages=ages)


def _link(pk: Any, number: str) -> SafeString:
    return format_html(
        '<a class="text-link" href="{}">{}</a>', reverse("admin:tickets_ticket_change", args=[pk]), number
    )


def _minutes(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _words(why: dict[str, int]) -> str:
    return (
        ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(why.items())) or "the team is empty"
    )
