"""What hangs from tickets: looked at here, written where tickets are worked on."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.core.admin import ReadOnlyAdmin, actor_of
from apps.core.authorization import Action, may, within_reach
from apps.tickets import kinds, rights
from apps.tickets.models import Attachment, Comment, Link, Task, Ticket, Watcher, Worklog


class WorkedAdmin(ReadOnlyAdmin):
    """What those alone see who work on a ticket: shown of the kinds whose tickets one reads all of."""

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(ticket__kind__in=rights.kinds_read_whole(actor_of(request)))


@admin.register(Comment)
class CommentAdmin(WorkedAdmin):
    resource = "internal_comments"
    list_display = ("ticket", "author", "visibility", "created_at", "edited_at", "deleted_at")
    list_select_related = ("ticket", "author")
    list_filter = ("visibility",)
    linked_lookups = ("ticket",)
    ordering = ("-created_at", "-id")
    fields = ("ticket", "author", "visibility", "body", "created_at", "edited_at", "deleted_at")


@admin.register(Attachment)
class AttachmentAdmin(WorkedAdmin):
    resource = "internal_comments"
    list_display = ("name", "ticket", "content_type", "size_bytes", "visibility", "uploaded_by", "created_at")
    list_select_related = ("ticket", "uploaded_by")
    list_filter = ("visibility",)
    linked_lookups = ("ticket",)
    search_fields = ("name",)
    ordering = ("-created_at", "-id")
    fields = (
        "ticket",
        "name",
        "content_type",
        "size_bytes",
        "sha256",
        "visibility",
        "uploaded_by",
        "created_at",
        "deleted_at",
    )


@admin.register(Worklog)
class WorklogAdmin(WorkedAdmin):
    resource = "work_logs"
    list_display = ("ticket", "author", "minutes", "started_at", "is_billable")
    list_select_related = ("ticket", "author")
    list_filter = ("is_billable",)
    linked_lookups = ("ticket", "author")
    ordering = ("-created_at", "-id")
    fields = ("ticket", "author", "minutes", "started_at", "note", "is_billable")


@admin.register(Task)
class TaskAdmin(WorkedAdmin):
    resource = "tasks"
    list_display = ("title", "ticket", "team", "assignee", "order", "done_at")
    list_select_related = ("ticket", "team", "assignee")
    linked_lookups = ("ticket", "assignee")
    search_fields = ("title",)
    ordering = ("-created_at", "-id")
    fields = ("ticket", "title", "team", "assignee", "order", "done_at", "done_by")


class BelowTicketsAdmin(ReadOnlyAdmin):
    """What whoever reads the ticket reads; of which kind it is, the ticket alone knows."""

    resource = kinds.RESOURCE

    def get_queryset(self, request: HttpRequest) -> Any:
        actor = actor_of(request)
        tickets = within_reach(Ticket.objects.visible_to(actor), actor, Action.READ, self.resource)
        return self.model._default_manager.visible_to(actor).filter(ticket__in=tickets).order_by("-created_at", "-id")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(actor_of(request), Action.READ, self.resource, obj.ticket if obj is not None else None)


@admin.register(Link)
class LinkAdmin(BelowTicketsAdmin):
    list_display = ("ticket", "link_type", "to", "created_at")
    list_select_related = ("ticket", "to")
    list_filter = ("link_type",)
    linked_lookups = ("ticket", "to")
    ordering = ("-created_at", "-id")
    fields = ("ticket", "link_type", "to", "created_at")


@admin.register(Watcher)
class WatcherAdmin(BelowTicketsAdmin):
    list_display = ("user", "ticket", "created_at")
    list_select_related = ("user", "ticket")
    linked_lookups = ("ticket", "user")
    ordering = ("-created_at", "-id")
    fields = ("ticket", "user", "created_at")
