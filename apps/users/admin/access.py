"""Roles and who holds them, in the admin: the same grants and verbs as the API."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from apps.core import records
from apps.core.actors import Actor
from apps.core.admin import ReadOnlyAdmin, RecordAdmin, lines
from apps.users import access, people, role_matrix
from apps.users.models import Grant, Role, RoleAssignment


@admin.register(Role)
class RoleAdmin(RecordAdmin):
    """Roles with their grants as a table. Of a built-in one only `requires_mfa` can be changed; a copy can be as a whole."""

    resource = "roles"
    form = role_matrix.RoleForm
    compressed_fields = False
    list_display = ("__str__", "shown_kind", "shown_grants", "shown_mfa", "description", "updated_at")
    search_fields = ("name", "description")
    ordering = ("name",)
    actions_detail = ("copy",)

    def get_queryset(self, request: HttpRequest) -> Any:
        # Direct grants show as what they are: one person's, among the assignments.
        number = Grant.objects.filter(role_id=OuterRef("pk")).order_by().values("role_id").annotate(n=Count("pk"))
        return super().get_queryset(request).exclude(name="").annotate(number_of_grants=Subquery(number.values("n")))

    def get_fields(self, request: HttpRequest, obj: Role | None = None) -> Any:
        if obj is None:
            return ("name", "description", "requires_mfa", "grants")
        is_written = self.has_change_permission(request, obj) and not obj.is_built_in
        return ("name", "description", "requires_mfa", "shown_holders", "grants" if is_written else "shown_matrix")

    def get_readonly_fields(self, request: HttpRequest, obj: Role | None = None) -> Any:
        shown = ("shown_matrix", "shown_holders")
        return (*shown, "name", "description") if obj and obj.is_built_in else shown

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.is_built_in)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        role = self.get_object(request, request.GET.get("copy", ""))
        if role is None:
            return {}
        description = "" if role.is_built_in else role.description
        return {
            "name": f"{role.name} (copy)",
            "description": description,
            "requires_mfa": role.requires_mfa,
            "grants": role_matrix.cells_of(role),
        }

    def create_record(self, *, actor: Actor, at: datetime, values: dict[str, Any]) -> Role:
        return access.create_role(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: datetime, values: dict[str, Any]) -> Role:
        return access.change_role(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: datetime) -> None:
        access.refuse_built_in(record)
        records.delete(record, actor=actor, at=at)

    def has_copy_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_add_permission(request)

    @action(description="Copy into a custom role", permissions=["copy"])  # type: ignore[operator]
    def copy(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:users_role_add')}?copy={object_id}")

    @display(description="kind", label={"built in": "info", "custom": "success"})
    def shown_kind(self, role: Role) -> str:
        return "built in" if role.is_built_in else "custom"

    @display(description="grants", ordering="number_of_grants")
    def shown_grants(self, role: Any) -> int:
        return role.number_of_grants or 0

    @display(description="second factor", ordering="requires_mfa", label={"required": "warning"})
    def shown_mfa(self, role: Role) -> str | None:
        return "required" if role.requires_mfa else None

    @display(description="holders")
    def shown_holders(self, role: Role) -> SafeString:
        return lines([(f"{reverse('admin:users_roleassignment_changelist')}?role__exact={role.pk}", "Assignments")])

    @display(description="grants")
    def shown_matrix(self, role: Role) -> SafeString:
        return role_matrix.render(role_matrix.cells_of(role))


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    resource = "roles"
    list_display = ("role", "resource", "action", "reach")
    list_select_related = ("role",)
    list_filter = ("action", "reach")
    search_fields = ("resource", "role__name")
    ordering = ("role", "resource", "action")


class ValidityFilter(admin.SimpleListFilter):
    """Whether an assignment holds now, later or no more."""

    title, parameter_name = "holds", "holds"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "Now"), ("later", "Later"), ("ended", "No more")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        at = timezone.now()
        found = {
            "now": Q(valid_from__lte=at) & (Q(valid_until=None) | Q(valid_until__gt=at)),
            "later": Q(valid_from__gt=at),
            "ended": Q(valid_until__lte=at),
        }.get(str(self.value()))
        return queryset.filter(found) if found is not None else queryset


@admin.register(RoleAssignment)
class RoleAssignmentAdmin(RecordAdmin):
    """Who has which role, from when to when. Nobody gives more than they hold."""

    resource = "roles"
    list_display = ("holder", "shown_role", "limited_to_team", "shown_validity", "valid_from", "valid_until")
    list_display_links = ("holder",)
    list_select_related = ("role", "user", "team", "limited_to_team")
    list_filter = (ValidityFilter,)
    search_fields = ("role__name", "user__full_name", "team__name")
    ordering = ("-valid_from",)
    linked_lookups = ("role", "user", "team")
    fields = ("role", "user", "team", "limited_to_team", "valid_from", "valid_until")

    def get_readonly_fields(self, request: HttpRequest, obj: RoleAssignment | None = None) -> Any:
        return ("role", "user", "team") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is None and "valid_from" in form.base_fields:
            form.base_fields["valid_from"].required = False
            form.base_fields["valid_from"].help_text = "UTC. Empty: from now on."
        return form

    def create_record(self, *, actor: Actor, at: datetime, values: dict[str, Any]) -> RoleAssignment:
        return access.assign(actor=actor, at=at, **values)

    def change_record(self, record: Any, *, actor: Actor, at: datetime, values: dict[str, Any]) -> RoleAssignment:
        return access.change_assignment(record, actor=actor, at=at, values=values)

    def locked(self, pk: Any, *, actor: Actor) -> RoleAssignment:
        # Or two administrators could end each other's at the same moment.
        people.lock_people(actor.organization_id)
        assignment: RoleAssignment = super().locked(pk, actor=actor)
        return assignment

    def delete_record(self, record: Any, *, actor: Actor, at: datetime) -> None:
        access.withdraw(record, actor=actor, at=at)

    @display(description="who")
    def holder(self, assignment: RoleAssignment) -> str:
        return str(assignment.user) if assignment.user_id else f"Team {assignment.team}"

    @display(description="role", ordering="role__name")
    def shown_role(self, assignment: RoleAssignment) -> str:
        return str(assignment.role)

    @display(description="holds", label={"now": "success", "later": "info"})
    def shown_validity(self, assignment: RoleAssignment) -> str:
        at = timezone.now()
        if assignment.valid_from > at:
            return "later"
        return "no more" if assignment.valid_until and assignment.valid_until <= at else "now"
