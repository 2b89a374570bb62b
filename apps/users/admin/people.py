"""People and their rights in the admin: the same grants and verbs as the API."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.decorators import action, display

from apps.core import records
from apps.core.actors import Actor
from apps.core.admin import AliveAdmin, PeriodFilter, ReadOnlyAdmin, RecordAdmin, actor_of
from apps.core.authorization import Action
from apps.users import access, people, role_matrix, services
from apps.users.models import Grant, Role, RoleAssignment, Session, User

# Django's groups are unused and their tables not writable; roles take their place.
admin.site.unregister(Group)

TYPE_COLOURS = {"End User": "info", "Agent": "success", "Manager": "warning", "Admin": "danger"}


@admin.register(User)
class UserAdmin(AliveAdmin):
    """People of the organization. Nobody sets another's password, here or elsewhere."""

    resource = "users"
    list_display = ("full_name", "email", "shown_type", "department", "site", "is_active", "created_at")
    list_select_related = ("department", "site")
    list_filter = ("user_type", "is_active")
    search_fields = ("full_name", "email")
    ordering = ("full_name",)
    linked_lookups = ("department", "site")
    add_fields = ("full_name", "email", "user_type", "department", "site", "time_zone", "language")
    settled_fields = ("email", "user_type", "is_active", "created_at", "shown_roles", "shown_links")

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        settled = ("full_name", "department", "site", "time_zone", "language", *self.settled_fields)
        return settled if obj else self.add_fields

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.settled_fields if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def create_record(self, *, actor: Actor, at: datetime, values: dict[str, Any]) -> User:
        return people.invite(actor=actor, at=at, **_ids(values))

    @display(description="type", ordering="user_type", label=TYPE_COLOURS)
    def shown_type(self, user: User) -> str:
        return user.get_user_type_display()

    @display(description="roles")
    def shown_roles(self, user: User) -> SafeString:
        held = user.role_assignments.select_related("role", "limited_to_team").order_by("-valid_from")[:50]
        return _lines(
            (
                reverse("admin:users_roleassignment_change", args=[assignment.pk]),
                str(assignment.role)
                + (f" in {assignment.limited_to_team}" if assignment.limited_to_team else "")
                + (f" until {assignment.valid_until:%Y-%m-%d %H:%M} UTC" if assignment.valid_until else ""),
            )
            for assignment in held
        )

    @display(description="see also")
    def shown_links(self, user: User) -> SafeString:
        sessions, events = reverse("admin:users_session_changelist"), reverse("admin:audit_event_changelist")
        return _lines(
            [
                (f"{sessions}?user__exact={user.pk}", "Sessions"),
                (f"{events}?actor_id__exact={user.pk}", "What they did"),
                (f"{events}?subject_id__exact={user.pk}", "What happened to them"),
            ]
        )


class LiveFilter(admin.SimpleListFilter):
    """Whether a session may still be used."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Live"), ("ended", "Ended")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        at = timezone.now()
        live = Q(revoked_at=None, idle_until__gt=at, absolute_until__gt=at)
        return {"live": queryset.filter(live), "ended": queryset.exclude(live)}.get(str(self.value()), queryset)


class CreatedFilter(PeriodFilter):
    title, column = "signed in", "created_at"


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Who is signed in where; an administrator can end a session, never open one."""

    resource = "users"
    list_display = ("user", "shown_state", "created_at", "idle_until", "address", "shown_device")
    list_select_related = ("user",)
    list_filter = (LiveFilter, CreatedFilter)
    search_fields = ("user__full_name", "user__email")
    ordering = ("-created_at", "-id")
    linked_lookups = ("user",)
    fields = (
        "user",
        "shown_state",
        "created_at",
        "rotated_at",
        "idle_until",
        "absolute_until",
        "revoked_at",
        "user_agent",
        "address",
    )
    readonly_fields = ("shown_state",)
    actions = ("end",)

    @display(description="state", label={"live": "success"})
    def shown_state(self, session: Session) -> str:
        return "live" if session.is_live(timezone.now()) else "ended"

    @display(description="device")
    def shown_device(self, session: Session) -> str:
        return Truncator(session.user_agent).chars(48)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Action.UPDATE)

    @admin.action(description="End session", permissions=["end"])
    def end(self, request: HttpRequest, queryset: Any) -> None:
        self.do_each(
            request,
            queryset,
            Action.UPDATE,
            lambda session, actor, at: services.end_session(session, actor=actor, at=at),
            "Sessions ended",
        )


@admin.register(Role)
class RoleAdmin(RecordAdmin):
    """Roles with their grants as a table. Built-in ones are read; a copy can be changed."""

    resource = "roles"
    form = role_matrix.RoleForm
    compressed_fields = False
    list_display = ("__str__", "shown_kind", "shown_grants", "description", "updated_at")
    search_fields = ("name", "description")
    ordering = ("name",)
    readonly_fields = ("shown_matrix", "shown_holders")
    actions_detail = ("copy",)

    def get_queryset(self, request: HttpRequest) -> Any:
        # Direct grants show as what they are: one person's, among the assignments.
        number = Grant.objects.filter(role_id=OuterRef("pk")).order_by().values("role_id").annotate(n=Count("pk"))
        return super().get_queryset(request).exclude(name="").annotate(number_of_grants=Subquery(number.values("n")))

    def get_fields(self, request: HttpRequest, obj: Role | None = None) -> Any:
        if obj is None:
            return ("name", "description", "grants")
        shown = "grants" if self.has_change_permission(request, obj) else "shown_matrix"
        return ("name", "description", "shown_holders", shown)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.is_built_in)

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
            "grants": role_matrix.cells_of(role),
        }

    def create_record(self, *, actor: Actor, at: datetime, values: dict[str, Any]) -> Role:
        return access.create_role(actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: datetime, values: dict[str, Any]) -> Role:
        return access.change_role(record, actor=actor, at=at, values=values)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        actor = actor_of(request)
        role = records.lock(Role, obj.pk, actor=actor)
        access.refuse_built_in(role)
        records.delete(role, actor=actor, at=timezone.now())

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

    @display(description="holders")
    def shown_holders(self, role: Role) -> SafeString:
        return _lines([(f"{reverse('admin:users_roleassignment_changelist')}?role__exact={role.pk}", "Assignments")])

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
        return access.assign(actor=actor, at=at, **_ids(values))

    def change_record(self, record: Any, *, actor: Actor, at: datetime, values: dict[str, Any]) -> RoleAssignment:
        return access.change_assignment(record, actor=actor, at=at, values=_ids(values))

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


REFERENCES = {"role", "user", "team", "limited_to_team", "department", "site"}


def _ids(values: dict[str, Any]) -> dict[str, Any]:
    """References by id, as the services take them."""
    return {f"{name}_id" if name in REFERENCES else name: getattr(value, "pk", value) for name, value in values.items()}


def _lines(links: Any) -> SafeString:
    """Links below each other; a dash for none."""
    return format_html_join("", '<div><a class="text-link" href="{}">{}</a></div>', links) or format_html("-")
