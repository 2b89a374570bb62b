"""Sign-in over HTTP: tokens, and the caller themselves."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.addresses import client_address
from apps.core.api.serializers import no_input, strict_input
from apps.core.api.views import ApiView, TenantView
from apps.users import refresh_tokens, services
from apps.users.api.availability import ShowsAvailability
from apps.users.api.serializers import MeSerializer, RefreshRequest, TokenPair, TokenRequest
from apps.users.models import User


def device_of(request: HttpRequest) -> services.Device:
    return services.Device(address=client_address(request), user_agent=request.headers.get("User-Agent", ""))


class TokenView(ApiView):
    """Sign in."""

    @extend_schema(request=TokenRequest, responses=TokenPair, auth=[])
    def post(self, request: Request) -> Response:
        """Exchange e-mail address and password for an access and a refresh token."""
        given = strict_input(TokenRequest(data=request.data))
        _, _, pair = services.sign_in(
            email=given["email"], password=given["password"], at=timezone.now(), device=device_of(request._request)
        )
        return Response(asdict(pair))


class RefreshView(ApiView):
    """Stay signed in."""

    @extend_schema(request=RefreshRequest, responses=TokenPair, auth=[])
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for the next pair; each works once."""
        given = strict_input(RefreshRequest(data=request.data))
        return Response(asdict(refresh_tokens.refresh(token=given["refresh"], at=timezone.now())))


class LogoutView(TenantView):
    """Sign out."""

    grants = {"post": None}
    is_tenant_route = False
    honours_idempotency_key = False

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session that this access token belongs to."""
        no_input(request.data)
        services.sign_out(actor=self.actor, at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeViewSet(ShowsAvailability):
    """The caller themselves."""

    model = User
    serializer_class = MeSerializer
    http_method_names = ["get", "patch", "head", "options"]
    grants = {"retrieve": None, "partial_update": None}
    # So that a program can ask whom it acts for.
    token_actions = frozenset({"retrieve"})
    is_tenant_route = False

    def visible(self) -> Any:
        # At home, also for an operator who is acting elsewhere: their own row is there.
        return User.objects.visible_to(self.actor).filter(pk=self.actor.required_id)

    def person_of(self, row: Any) -> Any:
        return row.pk

    def record_id(self) -> Any:
        return self.actor.id

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        return super().retrieve(request, pk)

    def partial_update(self, request: Request, pk: Any = None) -> Response:
        return super().partial_update(request, pk)
