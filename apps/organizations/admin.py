"""Structure in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.core.actors import Actor
from apps.core.admin import AliveAdmin, ReadOnlyAdmin, RecordAdmin, actor_of
from apps.organizations import services
from apps.organizations.models import BusinessCalendar, CostCentre, Department, Organization, Site, Team


@admin.register(Organization)
class OrganizationAdmin(RecordAdmin):
    """The administrator's own organization; others do not exist here."""

    resource = "organizations"
    list_display = ("name", "slug", "status", "time_zone")
    fields = ("name", "time_zone", "language", "requires_if_match", "requires_mfa")
    ordering = ("name",)


@admin.register(Site)
class SiteAdmin(RecordAdmin):
    resource = "sites"
    list_display = ("name", "time_zone", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "address")
    ordering = ("name",)


@admin.register(CostCentre)
class CostCentreAdmin(RecordAdmin):
    resource = "cost_centres"
    list_display = ("code", "name", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name")
    ordering = ("code",)


@admin.register(Department)
class DepartmentAdmin(RecordAdmin):
    resource = "departments"
    list_display = ("name", "parent", "cost_centre")
    list_select_related = ("parent", "cost_centre")
    search_fields = ("name",)
    ordering = ("name",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        services.lock_chart(actor_of(request).organization_id)
        super().save_model(request, obj, form, change)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        if "parent" in values:
            parent = values.pop("parent")
            values["parent_id"] = parent.pk if parent else None
        return services.change_department(record, actor=actor, at=at, values=values)


@admin.register(BusinessCalendar)
class BusinessCalendarAdmin(ReadOnlyAdmin):
    """Read here; written through the API, which checks the windows, until the calendar editor comes."""

    resource = "calendars"
    list_display = ("name", "time_zone")
    search_fields = ("name",)
    ordering = ("name",)


@admin.register(Team)
class TeamAdmin(AliveAdmin):
    resource = "teams"
    list_display = ("name", "email", "calendar")
    list_select_related = ("calendar",)
    search_fields = ("name", "description")
    ordering = ("name",)
