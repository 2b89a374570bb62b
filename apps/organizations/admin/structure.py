"""Structure in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import AliveAdmin, RecordAdmin, actor_of
from apps.organizations import services
from apps.organizations.models import (
    CostCentre,
    Department,
    Organization,
    Site,
    Team,
)


@admin.register(Organization)
class OrganizationAdmin(RecordAdmin):
    """The administrator's own organization; others do not exist here."""

    resource = "organizations"
    list_display = ("name", "slug", "shown_status", "time_zone", "language")
    fields = ("name", "time_zone", "language", "requires_if_match", "requires_mfa")
    ordering = ("name",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        labels = {"requires_mfa": "Requires a second factor", "requires_if_match": "Requires If-Match"}
        return super().get_form(request, obj, change=change, labels=labels, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="status", label={"active": "success", "suspended": "danger"})
    def shown_status(self, organization: Organization) -> str:
        return str(organization.status)


@admin.register(Site)
class SiteAdmin(RecordAdmin):
    resource = "sites"
    list_display = ("name", "time_zone", "address", "is_active")
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
        return services.change_department(record, actor=actor, at=at, values=values)


@admin.register(Team)
class TeamAdmin(AliveAdmin):
    resource = "teams"
    list_display = ("name", "description", "email", "calendar")
    list_select_related = ("calendar",)
    search_fields = ("name", "description")
    ordering = ("name",)
    fields = ("name", "description", "email", "calendar", "shown_members")
    readonly_fields = ("shown_members",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else self.fields[:-1]

    @display(description="members")
    def shown_members(self, team: Team) -> SafeString:
        link = f"{reverse('admin:users_teammember_changelist')}?team__exact={team.pk}"
        return format_html('<a class="text-link" href="{}">Who is in it</a>', link)
