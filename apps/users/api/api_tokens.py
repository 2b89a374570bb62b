"""API tokens, one's own and, with the grant, everybody's; and the service accounts that hold some of them."""

import ipaddress
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer, strict_input
from apps.core.api.soft_delete import SoftDeleteViewSet
from apps.core.authorization import Action, may, within_reach
from apps.users import api_tokens, scopes, service_accounts
from apps.users.models import ApiToken, ServiceAccount, User

MOST_SCOPES = 200
MOST_ADDRESSES = 100


class ScopeField(strict.TextField):
    """One scope of an API token."""

    default_error_messages = {"invalid_choice": f"Not a scope; accepted: {scopes.ACCEPTED}."}

    def to_internal_value(self, data: Any) -> str:
        scope = super().to_internal_value(data)
        if not scopes.is_known(scope):
            self.fail("invalid_choice")
        return scope


class NetworkField(strict.TextField):
    """An IP address or a network in CIDR form, without host bits."""

    default_error_messages = {
        "invalid_network": "Not an address or network; accepted: such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32."
    }

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return str(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))
        except ValueError:
            self.fail("invalid_network")


class ApiTokenSerializer(RecordSerializer):
    """An API token without its secret, which is shown once, when it is made."""

    scopes = serializers.ListField(child=ScopeField(max_length=60), min_length=1, max_length=MOST_SCOPES)
    allowed_addresses = serializers.ListField(
        child=NetworkField(max_length=50), required=False, max_length=MOST_ADDRESSES
    )
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_used_address = serializers.CharField(read_only=True, allow_null=True)

    class Meta:
        model = ApiToken
        fields = (
            "id", "name", "user", "prefix", "scopes", "expires_at", "allowed_addresses",
            "last_used_at", "last_used_address", "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "prefix")
        extra_kwargs: ClassVar[dict[str, Any]] = {"user": {"required": False}}


class ApiTokenCreated(ApiTokenSerializer):
    """The token as it is shown once."""

    token = serializers.CharField(read_only=True)

    class Meta(ApiTokenSerializer.Meta):
        fields = (*ApiTokenSerializer.Meta.fields, "token")  # type: ignore[assignment]


class ApiTokenViewSet(RecordViewSet):
    """The caller's API tokens; an administrator sees and revokes everybody's, and makes those of service accounts."""

    model = ApiToken
    resource = "api_tokens"
    serializer_class = ApiTokenSerializer
    filterset_class = filters_for(ApiToken, ("user", "name", "prefix", "expires_at", "created_at"))
    orderings = ("created_at", "expires_at", "name")
    search_columns = ("name",)
    http_method_names = ["get", "post", "delete", "head", "options"]
    grants: ClassVar[Mapping[str, Action | None]] = dict.fromkeys(("list", "retrieve", "create", "destroy"))
    export_grant = Action.CONFIGURE
    is_tenant_route = False
    shows_secret_once = True

    def visible(self) -> Any:
        tokens = ApiToken.objects.visible_to(self.actor).unrevoked().with_last_use()
        own = tokens.filter(user_id=self.actor.required_id)
        if not may(self.actor, Action.READ, self.resource):
            return own
        return own | within_reach(tokens, self.actor, Action.READ, self.resource)

    @extend_schema(responses={201: ApiTokenCreated})
    def create(self, request: Request) -> Response:
        """Make a token. Its text is in this answer and nowhere else."""
        values = strict_input(self.writer(request))
        owner_id = values.pop("user_id", self.actor.required_id)
        owner = User.objects.visible_to(self.actor).get(pk=owner_id)
        token, text = api_tokens.create(actor=self.actor, at=timezone.now(), owner=owner, **values)
        answer = self.single(token, status=status.HTTP_201_CREATED, location=f"{request.path}{token.pk}/")
        answer.data["token"] = text
        return answer

    def delete_record(self, record: Any) -> None:
        api_tokens.revoke(record, actor=self.actor, at=timezone.now())


class ServiceAccountSerializer(RecordSerializer):
    """An account of an integration."""

    name = strict.TextField(source="full_name", max_length=200)

    class Meta:
        model = ServiceAccount
        fields = ("id", "name", "is_active", "is_service_account", "created_at", "updated_at", "version")
        read_only_fields = (*ENVELOPE, "is_service_account")


class ServiceAccountViewSet(SoftDeleteViewSet):
    """Accounts of integrations, which act by API tokens alone."""

    model = ServiceAccount
    resource = "integrations"
    serializer_class = ServiceAccountSerializer
    filterset_class = filters_for(ServiceAccount, ("is_active", "created_at", "updated_at"))
    orderings = ("created_at",)
    search_columns = ("full_name",)
    export_grant = Action.CONFIGURE
    grants: ClassVar[Mapping[str, Action | None]] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        **dict.fromkeys(("create", "partial_update", "destroy", "restore"), Action.CONFIGURE),
    }

    def visible(self) -> Any:
        everything = RecordViewSet.visible(self)
        finds_hidden = self.action == "restore" and may(self.actor, Action.CONFIGURE, self.resource)
        return everything if finds_hidden else everything.alive()

    def create_record(self, values: Mapping[str, Any]) -> Any:
        given = {"name": values["full_name"], **{key: values[key] for key in ("is_active",) if key in values}}
        return service_accounts.create(actor=self.actor, at=timezone.now(), **given)
