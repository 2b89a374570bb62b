"""What hangs from tickets: looked at here, written where tickets are worked on."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.core.admin import ReadOnlyAdmin, actor_of
from apps.core.authorization import Action, Reach, decide
from apps.tickets.models import Attachment, Comment, Link, Task, Watcher, Worklog


@admin.register(Comment)
class CommentAdmin(ReadOnlyAdmin):
    resource = "internal_comments"
    list_display = ("ticket", "author", "visibility", "created_at", "edited_at", "deleted_at")
    list_select_related = ("ticket", "author")
    list_filter = ("visibility",)
    linked_lookups = ("ticket",)
    ordering = ("-created_at", "-id")
    fields = ("ticket", "author", "visibility", "body", "created_at", "edited_at", "deleted_at")


@admin.register(Attachment)
class AttachmentAdmin(ReadOnlyAdmin):
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
class WorklogAdmin(ReadOnlyAdmin):
    resource = "work_logs"
    list_display = ("ticket", "author", "minutes", "started_at", "is_billable")
    list_select_related = ("ticket", "author")
    list_filter = ("is_billable",)
    linked_lookups = ("ticket", "author")
    ordering = ("-created_at", "-id")
    fields = ("ticket", "author", "minutes", "started_at", "note", "is_billable")


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    resource = "tasks"
    list_display = ("title", "ticket", "team", "assignee", "order", "done_at")
    list_select_related = ("ticket", "team", "assignee")
    linked_lookups = ("ticket", "assignee")
    search_fields = ("title",)
    ordering = ("-created_at", "-id")
    fields = ("ticket", "title", "team", "assignee", "order", "done_at", "done_by")


class BetweenTickets(ReadOnlyAdmin):
    """No ticket itself, so the grant is asked without one; the list is the organization's."""

    resource = "tickets"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> Any:
        """As for the grant: it is for those who read every ticket."""
        actor = actor_of(request)
        rows = self.model._default_manager.visible_to(actor)
        is_everything = decide(actor, Action.READ, self.resource).reach is Reach.ORGANIZATION
        return (rows if is_everything else rows.none()).order_by(*(self.ordering or ()))


@admin.register(Link)
class LinkAdmin(BetweenTickets):
    list_display = ("ticket", "link_type", "to", "created_at")
    list_select_related = ("ticket", "to")
    list_filter = ("link_type",)
    linked_lookups = ("ticket", "to")
    ordering = ("-created_at", "-id")
    fields = ("ticket", "link_type", "to", "created_at")


@admin.register(Watcher)
class WatcherAdmin(BetweenTickets):
    list_display = ("user", "ticket", "created_at")
    list_select_related = ("user", "ticket")
    linked_lookups = ("ticket", "user")
    ordering = ("-created_at", "-id")
    fields = ("ticket", "user", "created_at")
