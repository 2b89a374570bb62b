"""What administrators set up for tickets."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin import RecordAdmin
from apps.core.authorization import Action
from apps.tickets.models import CannedReply, Category, CustomField, PriorityCell, SavedView, Tag

PRIORITIES: Any = {1: "danger", 2: "warning", 3: "info", 4: "success", 5: "default"}
CATALOGUE, TEMPLATES, MATRIX = "catalogue", "templates", "matrix"


@admin.register(Category)
class CategoryAdmin(RecordAdmin):
    resource, write_action = CATALOGUE, Action.CONFIGURE
    list_display = ("name", "parent", "is_active")
    list_select_related = ("parent",)
    list_filter = ("is_active",)
    search_fields = ("name",)
    ordering = ("name", "id")
    fields = ("name", "parent", "description", "is_active")


@admin.register(Tag)
class TagAdmin(RecordAdmin):
    resource, write_action = TEMPLATES, Action.CONFIGURE
    list_display = ("name", "colour", "description")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "colour", "description")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Tickets hold the name itself."""
        return ("name",) if obj is not None else ()


@admin.register(CustomField)
class CustomFieldAdmin(RecordAdmin):
    resource, write_action = TEMPLATES, Action.CONFIGURE
    list_display = ("label", "key", "kind", "field_type", "is_required", "is_public", "is_active")
    list_filter = ("kind", "is_active")
    search_fields = ("label", "key")
    ordering = ("kind", "position", "key")
    fields = ("kind", "key", "label", "field_type", "choices", "is_required", "is_public", "is_active", "position")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Values are stored by these."""
        return ("kind", "key", "field_type") if obj is not None else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tickets may hold values of it; deactivate it instead."""
        return False


@admin.register(PriorityCell)
class PriorityCellAdmin(RecordAdmin):
    """The matrix, a cell a row. Its cells are made with the organization, and never go."""

    resource, write_action = MATRIX, Action.CONFIGURE
    list_display = ("shown_cell", "kind", "impact", "urgency", "shown_priority")
    list_filter = ("kind", "impact", "urgency")
    ordering = ("kind", "impact", "urgency")
    fields = ("kind", "impact", "urgency", "priority")
    readonly_fields = ("kind", "impact", "urgency")

    @display(description="cell")
    def shown_cell(self, cell: PriorityCell) -> str:
        return f"{cell.get_impact_display()} impact, {cell.get_urgency_display().lower()} urgency"

    @display(description="priority", label=PRIORITIES)
    def shown_priority(self, cell: PriorityCell) -> tuple[int, str]:
        return cell.priority, f"{cell.priority} {cell.get_priority_display()}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SavedView)
class SavedViewAdmin(RecordAdmin):
    """Made and changed where queues are used: over the API."""

    resource = "tickets"
    list_display = ("name", "owner", "shared_with", "team")
    list_select_related = ("owner", "team")
    list_filter = ("shared_with",)
    search_fields = ("name",)
    ordering = ("name", "id")
    fields = ("name", "owner", "shared_with", "team", "filters", "ordering")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(CannedReply)
class CannedReplyAdmin(RecordAdmin):
    resource, write_action = TEMPLATES, Action.CONFIGURE
    list_display = ("name", "visibility", "team", "is_active")
    list_select_related = ("team",)
    list_filter = ("visibility", "is_active")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "body", "visibility", "team", "is_active")
