"""What proves who somebody or some program is, in the admin: to be looked at, never to be read out."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.users.models import ApiToken, ApiTokenUse, PasswordLink


@admin.register(PasswordLink)
class PasswordLinkAdmin(ReadOnlyAdmin):
    resource = "users"
    list_display = ("user", "purpose", "created_at", "expires_at", "spent_at")
    list_select_related = ("user",)
    list_filter = ("purpose",)
    search_fields = ("user__full_name",)
    ordering = ("-created_at",)
    fields = ("user", "purpose", "created_at", "expires_at", "spent_at", "spent_from")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    resource = "api_tokens"
    list_display = ("name", "user", "prefix", "expires_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__full_name")
    ordering = ("-created_at",)
    fields = ("name", "user", "prefix", "scopes", "allowed_addresses", "expires_at", "revoked_at", "created_at")


@admin.register(ApiTokenUse)
class ApiTokenUseAdmin(ReadOnlyAdmin):
    resource = "api_tokens"
    list_display = ("credential", "at", "address")
    list_select_related = ("credential",)
    search_fields = ("credential__name",)
    ordering = ("-at",)
