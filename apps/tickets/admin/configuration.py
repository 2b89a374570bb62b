"""What administrators set up for tickets."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import RecordAdmin, actor_of
from apps.core.authorization import Action
from apps.tickets import canned_replies, configuration, saved_views
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

    def locked(self, pk: Any, *, actor: Actor) -> Category:
        configuration.lock_categories(actor.organization_id)
        category: Category = super().locked(pk, actor=actor)
        return category

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Category:
        return configuration.change_category(record, actor=actor, at=at, values=values)


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

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Tag:
        return configuration.change_tag(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        configuration.delete_tag(record, actor=actor, at=at)


@admin.register(CustomField)
class CustomFieldAdmin(RecordAdmin):
    resource, write_action = CATALOGUE, Action.CONFIGURE
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

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> CustomField:
        return configuration.create_custom_field(actor=actor, at=at, values=_with_choices(values))

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> CustomField:
        return configuration.change_custom_field(record, actor=actor, at=at, values=_with_choices(values))


def _with_choices(values: dict[str, Any]) -> dict[str, Any]:
    """An input that was left empty names none."""
    return values | {"choices": values["choices"] or []} if "choices" in values else values


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
    """Made and changed where queues are used: over the API. What is somebody's own is not there for others."""

    resource = "tickets"
    list_display = ("name", "owner", "shared_with", "team")
    list_select_related = ("owner", "team")
    list_filter = ("shared_with",)
    search_fields = ("name",)
    ordering = ("name", "id")
    fields = ("name", "owner", "shared_with", "team", "filters", "ordering")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return saved_views.visible(actor_of(request)).order_by(*self.ordering)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Reading tickets is enough, as over the API; which views are there, the list knows."""
        return self._may(request, Action.READ)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if not self._may(request, Action.READ):
            return False
        return obj is None or saved_views.may_change(obj, actor=actor_of(request))

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        saved_views.delete(record, actor=actor, at=at)


@admin.register(CannedReply)
class CannedReplyAdmin(RecordAdmin):
    resource, write_action = TEMPLATES, Action.CONFIGURE
    list_display = ("name", "visibility", "team", "is_active")
    list_select_related = ("team",)
    list_filter = ("visibility", "is_active")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "body", "visibility", "team", "is_active")

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> CannedReply:
        return canned_replies.create(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> CannedReply:
        return canned_replies.change(record, actor=actor, at=at, values=values)
