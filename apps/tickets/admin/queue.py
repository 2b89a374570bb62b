"""The queue, and what the pages of every practice's tickets have in common: fields, conversation, timeline, verbs."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display

from apps.core import denials
from apps.core.actors import Actor
from apps.core.admin import AliveAdmin, actor_of, lines, words_of
from apps.core.authorization import Action
from apps.core.errors import DomainError
from apps.core.lifecycle import Phase
from apps.tickets import attachment_files, attachments, conversation, kinds, rights, services, timeline, verbs
from apps.tickets.admin.configuration import PRIORITIES
from apps.tickets.admin.forms import FORMS, LABELS, NEWEST, PLAIN, VerbForm, becomes
from apps.tickets.choices import Visibility
from apps.tickets.models import Attachment, Comment, Ticket

PHASES: dict[str, str] = {
    Phase.NEW: "info",
    Phase.OPEN: "primary",
    Phase.PENDING: "warning",
    Phase.RESOLVED: "success",
    Phase.CLOSED: "default",
    Phase.CANCELLED: "default",
}
BASE_FIELDS = (
    "title", "description", "impact", "urgency", "category", "service", "configuration_item", "requester", "source",
)  # fmt: skip


class TicketPages(AliveAdmin):
    """Lists read the base table alone (G4); every change goes through the same services as the API."""

    list_display: Any = (
        "number",
        "title",
        "shown_phase",
        "shown_priority",
        "team",
        "assignee",
        "requester",
        "shown_opened_at",
    )
    list_select_related: ClassVar[Any] = ("team", "assignee", "requester")
    list_filter: ClassVar[Any] = ("phase", "priority", "is_major", "source")
    linked_lookups = ("team", "assignee", "requester", "category", "service", "configuration_item", "parent")
    search_fields = ("number", "title")
    ordering = ("-opened_at", "-id")
    date_hierarchy = None
    readonly_fields: ClassVar[Any] = (
        "number", "shown_status", "priority", "priority_override_reason", "team", "assignee", "opened_by", "opened_at",
        "resolved_at", "closed_at", "reopen_count", "last_reopened_at", "last_reopened_by", "hold_reason", "hold_until",
        "resolution_code", "resolution_notes", "tags", "custom_fields",
        "shown_conversation", "shown_files", "shown_timeline",
    )  # fmt: skip
    fieldsets: ClassVar[Any] = (
        (None, {"fields": (("number", "shown_status"), ("priority", "priority_override_reason"), *BASE_FIELDS)}),
        ("Work", {"fields": (("team", "assignee"), ("hold_reason", "hold_until"), "tags", "custom_fields")}),
        (
            "Times",
            {
                "fields": (
                    ("opened_by", "opened_at"),
                    ("resolved_at", "closed_at"),
                    ("reopen_count", "last_reopened_at", "last_reopened_by"),
                    "resolution_code",
                    "resolution_notes",
                )
            },
        ),
        ("Conversation", {"fields": ("shown_conversation", "shown_files")}),
        ("Timeline", {"fields": ("shown_timeline",)}),
    )
    actions: Any = tuple(f"do_{verb}" for verb in PLAIN)
    change_form_outer_before_template: Any = "tickets/verbs.html"

    # --- columns

    @display(description="status", label=PHASES)
    def shown_phase(self, ticket: Ticket) -> tuple[str, str]:
        return ticket.phase, self.shown_status(ticket)

    @display(description="status")
    def shown_status(self, ticket: Ticket) -> str:
        return ticket.status.replace("_", " ")

    @display(description="priority", label=PRIORITIES)
    def shown_priority(self, ticket: Ticket) -> tuple[int, str]:
        return ticket.priority, f"{ticket.priority} {ticket.get_priority_display()}"

    @display(description="opened", ordering="opened_at")
    def shown_opened_at(self, ticket: Ticket) -> str:
        return f"{ticket.opened_at:%Y-%m-%d %H:%M}"

    @display(description="")
    def shown_conversation(self, ticket: Any) -> SafeString:
        comments = Comment.objects.alive().filter(ticket_id=ticket.pk).select_related("author")
        if not rights.sees_internal(ticket.read_by, ticket):
            comments = comments.filter(visibility=Visibility.PUBLIC)
        newest = list(comments.order_by("-created_at", "-id")[:NEWEST])
        return format_html_join(
            "",
            '<div class="mb-4"><div class="text-xs text-font-subtle-light dark:text-font-subtle-dark">{} · {} · {}</div>'
            '<div class="prose">{}</div></div>',
            (
                (f"{c.created_at:%Y-%m-%d %H:%M} UTC", c.author or "the platform", c.visibility, mark_safe(c.html))  # noqa: S308 - sanitised when it was written
                for c in newest
            ),
        ) or SafeString("No comments yet.")

    @display(description="files")
    def shown_files(self, ticket: Any) -> SafeString:
        newest = _files(ticket, ticket.read_by).order_by("-created_at", "-id")[:NEWEST]
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_file"
        return lines((reverse(name, args=[ticket.pk, file.pk]), f"{file.name} ({file.visibility})") for file in newest)

    @display(description="")
    def shown_timeline(self, ticket: Any) -> SafeString:
        newest = list(timeline.facts(ticket, ticket.read_by).order_by("-at", "-id")[:NEWEST])
        return format_html_join(
            "",
            '<div class="mb-1"><span class="text-xs text-font-subtle-light dark:text-font-subtle-dark">{}</span> {}</div>',
            (
                (f"{entry['at']:%Y-%m-%d %H:%M} UTC", entry["summary"])
                for entry in timeline.told(newest, ticket, ticket.read_by)
            ),
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """With who reads it, because the columns that are drawn below are not handed the request."""
        ticket: Any = super().get_object(request, object_id, from_field)
        if ticket is not None:
            ticket.read_by = actor_of(request)
        return ticket

    # --- writes

    def locked(self, pk: Any, *, actor: Actor) -> Any:
        return services.lock(pk, actor=actor)

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.create(self.kind, actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.change(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        services.delete(record, actor=actor, at=at)

    kind: ClassVar[str] = ""

    # --- verbs; a practice adds its own: their forms and labels, when each is possible, and what it does

    forms: ClassVar[Mapping[str, type[VerbForm]]] = FORMS
    labels: ClassVar[Mapping[str, str]] = LABELS

    def possible(self, ticket: Any, *, actor: Actor, at: datetime) -> Iterable[str]:
        """The verbs that the actor could use on this ticket at `at` (UTC)."""
        allowed = kinds.get(ticket.kind).lifecycle.allowed(ticket, actor=actor, at=at)
        return ["comment", *(verb for verb in allowed if verb != "convert" or becomes(ticket))]

    def do(self, ticket: Any, verb: str, *, actor: Actor, at: datetime, **given: Any) -> Ticket:
        """Returns the ticket, or the one that came out of it."""
        if verb == "comment":
            conversation.add_comment(ticket, actor=actor, at=at, **given)
            return ticket  # type: ignore[no-any-return]
        done: Ticket = verbs.do(ticket, verb, actor=actor, at=at, **given)
        return done

    def get_actions(self, request: HttpRequest) -> Any:
        found = super().get_actions(request)
        return found | {f"do_{verb}": (_plain(verb), f"do_{verb}", label) for verb, label in PLAIN.items()}

    def changeform_actions(self, request: HttpRequest, record: Any) -> list[tuple[str, str]]:
        """Of one ticket: those that are possible now, filled in by change_view."""
        return []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), **self._verbs_of(request, object_id)}
        answer: HttpResponse = super().change_view(request, object_id, form_url, context)
        return answer

    def _verbs_of(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        ticket = self.get_object(request, object_id)
        if ticket is None:
            return {}
        possible = list(self.possible(ticket, actor=actor_of(request), at=timezone.now()))
        return {
            "plain_verbs": [(f"do_{name}", PLAIN[name]) for name in possible if name in PLAIN],
            "asking_verbs": [
                (self._verb_url(ticket, name), self.labels[name]) for name in possible if name in self.forms
            ],
        }

    def _verb_url(self, ticket: Any, verb: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_verb", args=[ticket.pk, verb])

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_verb"
        page = self.admin_site.admin_view(self.verb_view)
        urls: list[URLPattern] = super().get_urls()
        file = self.admin_site.admin_view(self.file_view)
        return [
            path("<uuid:pk>/do/<slug:verb>/", page, name=name),
            path("<uuid:pk>/files/<uuid:file_pk>/", file, name=f"{name.removesuffix('_verb')}_file"),
            *urls,
        ]

    def file_view(self, request: HttpRequest, pk: Any, file_pk: Any) -> StreamingHttpResponse:
        """A file's content, to be saved. It is opened as it is sent, after the transaction: it may lie on another server."""
        ticket = self.get_object(request, str(pk))
        if ticket is None or not self.has_view_permission(request, ticket):
            raise Http404
        file = _files(ticket, actor_of(request)).filter(pk=file_pk).first()
        if file is None:
            raise Http404
        headers = attachments.headers(file)
        return StreamingHttpResponse(_content(file.storage_key), content_type=file.content_type, headers=headers)

    def verb_view(self, request: HttpRequest, pk: Any, verb: str) -> HttpResponse:
        """Ask for what the verb needs, then do it; what it refuses stands above the form."""
        ticket = self.get_object(request, str(pk))
        if verb not in self.forms or ticket is None or not self.has_view_permission(request, ticket):
            raise Http404
        actor = actor_of(request)
        form = self.forms[verb](request.POST if request.method == "POST" else None, actor=actor, ticket=ticket)
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[ticket.pk])
        if request.method == "POST" and form.is_valid() and (done := self._done(request, ticket, verb, form)):
            made = f", as {done.number}" if done.pk != ticket.pk else ""
            self.message_user(request, f"{self.labels[verb]}: {ticket.number}{made}", messages.SUCCESS)
            return HttpResponseRedirect(back)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": f"{self.labels[verb]}: {ticket.number}",
            "subtitle": ticket.title,
            "opts": self.opts,
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "tickets/verb.html", context)

    def _done(self, request: HttpRequest, ticket: Ticket, verb: str, form: Any) -> Ticket | None:
        actor, at = actor_of(request), timezone.now()
        try:
            with transaction.atomic():
                return self.do(ticket, verb, actor=actor, at=at, **form.values())
        except (DomainError, IntegrityError) as refusal:
            denials.note(request, refusal)
            form.add_error(None, words_of(refusal))
            return None


def _files(ticket: Any, actor: Actor) -> Any:
    files = attachments.shown(Attachment.objects.filter(ticket_id=ticket.pk))
    return files if rights.sees_internal(actor, ticket) else files.filter(visibility=Visibility.PUBLIC)


def _content(key: str) -> Iterator[bytes]:
    with attachment_files.read(key) as file:
        yield from file.chunks()


def _plain(verb: str) -> Any:
    def run(page: TicketPages, request: HttpRequest, queryset: Any) -> None:
        def do(ticket: Any, actor: Actor, at: Any) -> None:
            verbs.do(ticket, verb, actor=actor, at=at)

        # The verb asks for its own grant.
        page.do_each(request, queryset, Action.READ, do, PLAIN[verb])

    return run


@admin.register(Ticket)
class TicketAdmin(TicketPages):
    """The queue over all kinds. Nothing is opened here: each practice has its own page for that."""

    resource = kinds.RESOURCE
    # The number says of which kind it is.
    list_filter: ClassVar[Any] = ("kind", *TicketPages.list_filter)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
