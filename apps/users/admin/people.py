"""People and their sessions in the admin: the same grants and verbs as the API."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import AliveAdmin, PeriodFilter, ReadOnlyAdmin, lines
from apps.core.authorization import Action
from apps.users import people, services
from apps.users.models import Session, User

# Django's groups are unused and their tables not writable; roles take their place.
admin.site.unregister(Group)

TYPE_COLOURS = {
    "End User": "info",
    "Agent": "success",
    "Manager": "warning",
    "Admin": "danger",
    "Service account": "primary",
}


class KindFilter(admin.SimpleListFilter):
    """People, or accounts of integrations."""

    title, parameter_name = "kind", "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("people", "People"), ("service", "Service accounts")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        is_service = {"people": False, "service": True}.get(str(self.value()))
        return queryset if is_service is None else queryset.filter(is_service_account=is_service)


@admin.register(User)
class UserAdmin(AliveAdmin):
    """Everybody of the organization. Nobody sets another's password, here or elsewhere.

    Service accounts are shown, and looked after on a page of their own.
    """

    resource = "users"
    list_display = ("full_name", "email", "shown_type", "department", "site", "is_active", "created_at")
    list_select_related = ("department", "site")
    list_filter = ("user_type", "is_active", KindFilter)
    search_fields = ("full_name", "email", "username", "employee_number")
    ordering = ("full_name",)
    linked_lookups = ("department", "site", "manager")
    add_fields = ("full_name", "email", "user_type", "department", "site", "time_zone", "language")
    settled_fields = ("is_active", "created_at", "shown_roles", "shown_links")
    fieldsets_of_known = (
        (None, {"fields": ("full_name", "email", "user_type", "is_vip")}),
        ("Work", {"fields": ("job_title", "department", "site", "manager", "phone", "username", "employee_number")}),
        ("Time and language", {"fields": ("time_zone", "language")}),
        ("Account", {"fields": settled_fields}),
    )
    actions = ("deactivate", "activate", "unlock", "revoke_sessions", "send_reset", "remove")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets_of_known if obj else ((None, {"fields": self.add_fields}),)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.settled_fields if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.is_service_account)

    def changeform_actions(self, request: HttpRequest, record: User) -> list[tuple[str, str]]:
        # A page has its own button to delete, which asks first.
        left_out = {"remove", "activate" if record.is_active else "deactivate"}
        return [entry for entry in super().changeform_actions(request, record) if entry[0] not in left_out]

    # --- written by the verbs

    def locked(self, pk: Any, *, actor: Actor) -> User:
        people.lock_people(actor.organization_id)
        user: User = super().locked(pk, actor=actor)
        return user

    def create_record(self, *, actor: Actor, at: datetime, values: dict[str, Any]) -> User:
        return people.invite(actor=actor, at=at, **values)

    def change_record(self, record: Any, *, actor: Actor, at: datetime, values: dict[str, Any]) -> User:
        return people.change_user(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: datetime) -> None:
        people.delete(record, actor=actor, at=at)

    def has_update_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Action.UPDATE)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Action.DELETE)

    @admin.action(description="Deactivate", permissions=["update"])
    def deactivate(self, request: HttpRequest, queryset: Any) -> None:
        self._do(request, queryset, people.deactivate, "Deactivated")

    @admin.action(description="Activate", permissions=["update"])
    def activate(self, request: HttpRequest, queryset: Any) -> None:
        self._do(request, queryset, people.activate, "Activated")

    @admin.action(description="Unlock", permissions=["update"])
    def unlock(self, request: HttpRequest, queryset: Any) -> None:
        self._do(request, queryset, people.unlock, "Unlocked")

    @admin.action(description="End sessions", permissions=["update"])
    def revoke_sessions(self, request: HttpRequest, queryset: Any) -> None:
        self._do(request, queryset, people.revoke_sessions, "Signed out everywhere")

    @admin.action(description="Send password reset", permissions=["update"])
    def send_reset(self, request: HttpRequest, queryset: Any) -> None:
        self._do(request, queryset, people.send_reset, "Mailed a link to set a new password")

    @admin.action(description="Delete", permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: Any) -> None:
        self._do(request, queryset, people.delete, "Deleted", grant=Action.DELETE)

    def _do(
        self,
        request: HttpRequest,
        queryset: Any,
        verb: Callable[..., Any],
        done: str,
        grant: Action = Action.UPDATE,
    ) -> None:
        self.do_each(request, queryset, grant, lambda user, actor, at: verb(user, actor=actor, at=at), done)

    # --- what is shown

    @display(description="type", ordering="user_type", label=TYPE_COLOURS)
    def shown_type(self, user: User) -> str:
        return "Service account" if user.is_service_account else user.get_user_type_display()

    @display(description="roles")
    def shown_roles(self, user: User) -> SafeString:
        held = user.role_assignments.select_related("role", "limited_to_team").order_by("-valid_from")[:50]
        return lines(
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
        return lines(
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
