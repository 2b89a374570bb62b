"""People in the admin: looked at here, changed through the API until their own services come."""

from django.contrib import admin
from django.contrib.auth.models import Group

from apps.core.admin import ReadOnlyAdmin
from apps.users.models import Session, User

# Django's groups are unused and their tables not writable; roles take their place.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    resource = "users"
    list_display = ("full_name", "email", "user_type", "is_active")
    list_filter = ("user_type", "is_active")
    search_fields = ("full_name", "email")
    ordering = ("full_name",)
    fields = (
        "full_name",
        "email",
        "user_type",
        "is_active",
        "department",
        "site",
        "time_zone",
        "language",
        "created_at",
    )


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    resource = "users"
    list_display = ("user", "created_at", "idle_until", "revoked_at", "address")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    fields = ("user", "created_at", "rotated_at", "idle_until", "absolute_until", "revoked_at", "user_agent", "address")
