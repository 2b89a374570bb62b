"""The log in the admin: read, filtered, never changed."""

from django.contrib import admin

from apps.audit.models import Dispatch, Event, RowChange
from apps.core.admin import ReadOnlyAdmin


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    resource = "audit"
    list_display = ("at", "name", "subject_type", "actor_label", "via")
    list_filter = ("subject_type", "via", "actor_kind")
    search_fields = ("name", "actor_label")
    ordering = ("-at",)


@admin.register(Dispatch)
class DispatchAdmin(ReadOnlyAdmin):
    resource = "audit"
    list_display = ("consumer", "state", "attempts", "next_at", "done_at", "dead_at")
    list_filter = ("consumer",)
    ordering = ("-next_at",)


@admin.register(RowChange)
class RowChangeAdmin(ReadOnlyAdmin):
    resource = "audit"
    list_display = ("at", "table_name", "operation", "row_id", "via")
    list_filter = ("table_name", "operation")
    ordering = ("-at",)
