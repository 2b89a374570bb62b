"""Services, classes and configuration items in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from apps.cmdb import services
from apps.cmdb.models import CiClass, ConfigurationItem, Service
from apps.core.actors import Actor
from apps.core.admin import AliveAdmin, RecordAdmin, actor_of

RESOURCE = "configuration_items"


@admin.register(Service)
class ServiceAdmin(AliveAdmin):
    resource = RESOURCE
    list_display = ("name", "criticality", "owner", "support_team", "is_active")
    list_select_related = ("owner", "support_team")
    list_filter = ("is_active", "criticality")
    search_fields = ("name", "description")
    ordering = ("name",)

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.create_service(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.change_service(record, actor=actor, at=at, values=values)


@admin.register(CiClass)
class CiClassAdmin(RecordAdmin):
    resource = RESOURCE
    list_display = ("name", "key", "parent")
    list_select_related = ("parent",)
    search_fields = ("name", "key")
    ordering = ("name",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        services.lock_tree(actor_of(request).organization_id)
        super().save_model(request, obj, form, change)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.change_class(record, actor=actor, at=at, values=values)


@admin.register(ConfigurationItem)
class ConfigurationItemAdmin(AliveAdmin):
    resource = RESOURCE
    list_display = ("number", "name", "ci_class", "shown_status", "environment", "criticality", "service", "owner")
    list_select_related = ("ci_class", "service", "owner")
    list_filter = ("status", "environment", "criticality")
    linked_lookups = ("ci_class", "service", "support_team", "site", "owner")
    search_fields = ("number", "name", "serial_number", "asset_tag")
    ordering = ("name", "id")
    fields = (
        "number", "name", "ci_class", "status", "environment", "criticality", "serial_number", "asset_tag",
        "service", "support_team", "owner", "site", "description",
    )  # fmt: skip
    readonly_fields = ("number",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The number is given when the record is."""
        return self.fields if obj else self.fields[1:]

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.create_item(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return services.change_item(record, actor=actor, at=at, values=values)

    @display(
        description="status",
        label={"planned": "info", "installed": "success", "in_maintenance": "warning", "retired": "danger"},
    )
    def shown_status(self, item: ConfigurationItem) -> str:
        return str(item.status)
