"""What proves who somebody or some program is, in the admin: to be looked at and revoked, never to be read out."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.actors import Actor
from apps.core.admin import AliveAdmin, ReadOnlyAdmin, lines
from apps.core.authorization import Action
from apps.users import api_tokens, service_accounts
from apps.users.models import ApiToken, ApiTokenUse, PasswordLink, ServiceAccount


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
    """Made through the API, which shows the text once; here they are revoked."""

    resource = "api_tokens"
    list_display = ("name", "user", "prefix", "shown_state", "expires_at", "revoked_at")
    list_select_related = ("user",)
    linked_lookups = ("user",)
    actions = ("revoke",)
    search_fields = ("name", "user__full_name")
    ordering = ("-created_at",)
    fields = ("name", "user", "prefix", "scopes", "allowed_addresses", "expires_at", "revoked_at", "created_at")

    @display(description="state", label={"live": "success", "revoked": "danger"})
    def shown_state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return "revoked"
        return "live" if token.expires_at > timezone.now() else "expired"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Action.CONFIGURE)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        self.do_each(
            request,
            queryset,
            Action.CONFIGURE,
            lambda token, actor, at: api_tokens.revoke(token, actor=actor, at=at),
            "Tokens revoked",
        )


@admin.register(ApiTokenUse)
class ApiTokenUseAdmin(ReadOnlyAdmin):
    resource = "api_tokens"
    list_display = ("credential", "at", "address")
    list_select_related = ("credential",)
    search_fields = ("credential__name",)
    ordering = ("-at",)


@admin.register(ServiceAccount)
class ServiceAccountAdmin(AliveAdmin):
    """Accounts of integrations; what they may do is assigned to them as to anybody."""

    resource = "integrations"
    write_action = Action.CONFIGURE
    list_display = ("full_name", "is_active", "created_at", "updated_at")
    list_filter = ("is_active",)
    search_fields = ("full_name",)
    ordering = ("full_name",)
    readonly_fields = ("created_at", "shown_links")

    def get_fields(self, request: HttpRequest, obj: ServiceAccount | None = None) -> Any:
        return ("full_name", "is_active", *(self.readonly_fields if obj else ()))

    def create_record(self, *, actor: Actor, at: datetime, values: dict[str, Any]) -> ServiceAccount:
        return service_accounts.create(actor=actor, at=at, name=values["full_name"], is_active=values["is_active"])

    @display(description="see also")
    def shown_links(self, account: ServiceAccount) -> SafeString:
        tokens, held = reverse("admin:users_apitoken_changelist"), reverse("admin:users_roleassignment_changelist")
        return lines(
            [(f"{tokens}?user__exact={account.pk}", "API tokens"), (f"{held}?user__exact={account.pk}", "Roles")]
        )
