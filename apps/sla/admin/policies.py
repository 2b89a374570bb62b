"""Policies in the admin: written as drafts, tried, published, withdrawn; and what a ticket would be promised."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core import denials, records
from apps.core.actors import Actor
from apps.core.admin import ReadOnlyAdmin, RecordAdmin, actor_of, lines, table, words_of
from apps.core.authorization import Action
from apps.core.errors import Conflict, DomainError, Invalid
from apps.sla import adopting, contents, dry_runs, policies, previewing, withdrawing
from apps.sla.admin import versions
from apps.sla.admin.draft_form import Editor
from apps.sla.admin.preview_form import PreviewForm
from apps.sla.admin.words import duration, instant, metric
from apps.sla.choices import Adoption, Agreement, VersionState
from apps.sla.models import Policy, PolicyVersion, Settings

PROMISED = ("Metric", "By", "Target", "Due, in the calendar's zone", "Due, UTC", "Levels, UTC")
NOTHING: dict[str, Any] = {"match": [{}], "rules": {}, "targets": [], "levels": [], "note": ""}


@admin.register(Policy)
class PolicyAdmin(RecordAdmin):
    """What is promised, in the order in which it is asked. A policy is withdrawn, never deleted: history stands on it."""

    resource = "sla"
    write_action = Action.CONFIGURE
    list_display = ("name", "position", "agreement", "shown_state", "shown_versions")
    list_filter = ("is_active", "agreement")
    search_fields = ("name",)
    ordering = ("position",)
    list_before_template: Any = "sla/policies.html"
    change_form_outer_before_template: Any = "sla/policy.html"
    fieldsets_of_new = ((None, {"fields": ("name", "description", "agreement", "position")}),)
    fieldsets_of_known = (
        (None, {"fields": ("name", "description", ("agreement", "position"), "shown_state")}),
        ("Published", {"fields": ("shown_published",)}),
        ("Draft", {"fields": ("shown_draft",)}),
        ("Earlier versions", {"fields": ("shown_earlier",)}),
    )
    readonly_fields = ("shown_state", "shown_published", "shown_draft", "shown_earlier")
    actions = ("publish", "publish_and_move", "withdraw")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("versions")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets_of_known if obj else self.fieldsets_of_new

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if "position" in form.base_fields:
            form.base_fields["position"].required = False
            form.base_fields["position"].help_text = "Lower ones are asked first; last where it is empty."
        return form

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_configure_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Action.CONFIGURE)

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return policies.create(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        if values.get("position", 0) is None:
            values = {name: value for name, value in values.items() if name != "position"}
        return policies.change(record, actor=actor, at=at, values=values)

    # --- columns

    @display(description="state", label={"promised": "success", "not published": "warning", "withdrawn": "default"})
    def shown_state(self, policy: Policy) -> str:
        if not policy.is_active:
            return "withdrawn"
        return "promised" if _in_state(policy, VersionState.PUBLISHED) else "not published"

    @display(description="versions")
    def shown_versions(self, policy: Policy) -> str:
        published, draft = (_in_state(policy, state) for state in (VersionState.PUBLISHED, VersionState.DRAFT))
        told = [f"{published.number} published" if published else "", f"{draft.number} drafted" if draft else ""]
        return ", ".join(filter(None, told)) or "-"

    @display(description="what it promises")
    def shown_published(self, policy: Policy) -> SafeString:
        return _shown(_in_state(policy, VersionState.PUBLISHED), "Nothing yet.")

    @display(description="what it would promise")
    def shown_draft(self, policy: Policy) -> SafeString:
        return _shown(_in_state(policy, VersionState.DRAFT), "There is none.")

    @display(description="versions")
    def shown_earlier(self, policy: Policy) -> SafeString:
        earlier = [each for each in policy.versions.all() if each.state == VersionState.RETIRED]
        return lines(
            (
                reverse("admin:sla_policyversion_change", args=[each.pk]),
                f"{each.number}, until {instant(each.retired_at)}",
            )
            for each in sorted(earlier, key=lambda each: -each.number)
        )

    # --- actions

    @admin.action(description="Publish the draft for new tickets", permissions=["configure"])
    def publish(self, request: HttpRequest, queryset: Any) -> None:
        self.do_each(request, queryset, Action.CONFIGURE, _publish, "Published")

    @admin.action(description="Publish the draft for open tickets too", permissions=["configure"])
    def publish_and_move(self, request: HttpRequest, queryset: Any) -> None:
        self.do_each(request, queryset, Action.CONFIGURE, _publish_and_move, "Published; a job moves open tickets")

    @admin.action(description="Withdraw", permissions=["configure"])
    def withdraw(self, request: HttpRequest, queryset: Any) -> None:
        self.do_each(request, queryset, Action.CONFIGURE, _withdraw, "Withdrawn; a job ends what runs by it")

    # --- pages

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("preview/", view(self.preview_view), name="sla_policy_preview"),
            path("<uuid:pk>/draft/", view(self.draft_view), name="sla_policy_draft"),
            path("<uuid:pk>/dry-run/", view(self.dry_run_view), name="sla_policy_dry_run"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"settings_url": _settings_url(), **(extra_context or {})})

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """A ticket raised now would be due when, by which policy."""
        if not self.has_view_permission(request):
            raise Http404
        actor = actor_of(request)
        form = PreviewForm(request.GET if "kind" in request.GET else None, actor=actor)
        rows = None
        if form.is_bound and form.is_valid():
            found = previewing.preview(form.facts(), actor=actor, at=form.moment)
            rows = table(PROMISED, (_promised(each) for each in found))
        back = reverse("admin:sla_policy_changelist")
        return self._page(
            request, "sla/preview.html", "What would a ticket be promised?", form=form, rows=rows, back=back
        )

    def draft_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Write the draft, from what it says or from what is published."""
        policy = self._configured(request, pk)
        start = _in_state(policy, VersionState.DRAFT) or _in_state(policy, VersionState.PUBLISHED)
        content = contents.content_of(start) if start is not None else NOTHING
        editor = Editor(request.POST if request.method == "POST" else None, actor=actor_of(request), content=content)
        back = reverse("admin:sla_policy_change", args=[policy.pk])
        if request.method == "POST" and editor.is_valid() and self._drafted(request, policy, editor):
            return HttpResponseRedirect(back)
        return self._page(request, "sla/draft.html", f"Draft: {policy.name}", editor=editor, back=back)

    def _drafted(self, request: HttpRequest, policy: Policy, editor: Editor) -> bool:
        actor, content = actor_of(request), editor.content()
        try:
            with transaction.atomic():
                locked = records.lock(Policy, policy.pk, actor=actor)
                draft = policies.draft(locked, actor=actor, at=timezone.now(), content=content)
        except Invalid as refusal:
            editor.refuse(refusal.errors)
            return False
        except (DomainError, IntegrityError) as refusal:
            denials.note(request, refusal)
            editor.form.add_error(None, words_of(refusal))
            return False
        for warning in draft.warnings:
            self.message_user(request, warning, messages.WARNING)
        self.message_user(request, f"Drafted: {policy.name}", messages.SUCCESS)
        return True

    def dry_run_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """What the draft would do to open tickets."""
        policy = self._configured(request, pk)
        draft, back = _in_state(policy, VersionState.DRAFT), reverse("admin:sla_policy_change", args=[policy.pk])
        if draft is None:
            self.message_user(request, "It has no draft to try.", messages.ERROR)
            return HttpResponseRedirect(back)
        found = dry_runs.dry_run(draft, actor=actor_of(request), at=timezone.now())
        heads = ("Ticket", "Metric", "What happens", "Due", "Then due", "Missed", "Then missed")
        rows = table(heads, (_moved(each) for each in found.moved))
        told = {"found": found, "number": draft.number, "rows": rows, "back": back}
        return self._page(request, "sla/dry_run.html", f"Dry run: {policy.name}", **told)

    def _configured(self, request: HttpRequest, pk: Any) -> Policy:
        policy: Policy | None = self.get_object(request, str(pk))
        if policy is None or not self.has_change_permission(request, policy):
            raise Http404
        return policy

    def _page(self, request: HttpRequest, template: str, title: str, **more: Any) -> TemplateResponse:
        request.current_app = self.admin_site.name
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, **more}
        return TemplateResponse(request, template, context)


def _settings_url() -> str:
    row = Settings.objects.values_list("pk", flat=True).first()
    return reverse("admin:sla_settings_change", args=[row]) if row is not None else ""


def _in_state(policy: Policy, state: str) -> PolicyVersion | None:
    """Of those that came with the policy."""
    return next((each for each in policy.versions.all() if each.state == state), None)


def _shown(version: PolicyVersion | None, otherwise: str) -> SafeString:
    if version is None:
        return format_html("{}", otherwise)
    note = format_html('<p class="mb-4">{}</p>', version.note) if version.note else ""
    return format_html('<p class="mb-4">Version {}</p>{}{}', version.number, note, versions.shown(version))


def _draft_of(policy: Policy) -> PolicyVersion:
    draft: PolicyVersion | None = policy.versions.filter(state=VersionState.DRAFT).first()
    if draft is None:
        raise Conflict(f"{policy.name} has no draft; accepted: a policy with one.", code="no_draft")
    return draft


def _publish(policy: Policy, actor: Actor, at: datetime) -> None:
    policies.publish(_draft_of(policy), actor=actor, at=at)


def _publish_and_move(policy: Policy, actor: Actor, at: datetime) -> None:
    version = policies.publish(_draft_of(policy), actor=actor, at=at, adoption=Adoption.MIGRATE)
    adopting.request(version, actor=actor, at=at)


def _withdraw(policy: Policy, actor: Actor, at: datetime) -> None:
    if not policy.is_active:
        raise Conflict(f"{policy.name} is withdrawn already.", code="already_withdrawn")
    withdrawing.withdraw(policy, actor=actor, at=at)


def _promised(each: previewing.Promise) -> tuple[str, ...]:
    agreement = "" if each.agreement == Agreement.SLA else f", {each.agreement}"
    due = f"{each.local_due_at:%A %Y-%m-%d %H:%M:%S} {each.time_zone}"
    levels = ", ".join(f"{words} {instant(at)}" for words, at in each.levels)
    return (
        metric(each.metric) + agreement,
        each.policy,
        duration(each.target_seconds),
        due,
        instant(each.due_at),
        levels,
    )


def _moved(each: dry_runs.Moved) -> tuple[Any, ...]:
    link = format_html(
        '<a class="text-link" href="{}">{}</a>',
        reverse("admin:tickets_ticket_change", args=[each.ticket_id]),
        each.number,
    )
    late = ("yes" if each.is_breached else "no", "yes" if each.is_breached_then else "no")
    return link, metric(each.metric), each.effect.value, instant(each.due_at), instant(each.new_due_at), *late


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    """What policies said, say and are about to say."""

    resource = "sla"
    list_display = ("policy", "number", "shown_state", "created_at", "published_at", "retired_at")
    list_select_related = ("policy",)
    list_filter = ("state",)
    search_fields = ("policy__name",)
    linked_lookups = ("policy",)
    ordering = ("-created_at", "-id")
    fields = ("policy", "number", "shown_state", "note", "created_at", "published_at", "retired_at", "shown_content")
    readonly_fields = ("shown_state", "shown_content")

    @display(description="state", label={"draft": "warning", "published": "success", "retired": "default"})
    def shown_state(self, version: PolicyVersion) -> str:
        return str(version.state)

    @display(description="what it says")
    def shown_content(self, version: PolicyVersion) -> SafeString:
        return versions.shown(version)


@admin.register(Settings)
class SettingsAdmin(RecordAdmin):
    """Which of several matching policies counts."""

    resource = "sla"
    write_action = Action.CONFIGURE
    list_display = ("shown_name", "selection", "updated_at")
    fields = ("selection",)
    ordering = ("created_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return policies.choose_by(values.get("selection", record.selection), actor=actor, at=at)

    @display(description="settings")
    def shown_name(self, settings: Settings) -> str:
        return "How policies are chosen"
