"""The second factor over HTTP. Setting up works with an access token, or with the `mfa_token` of a sign-in that demands it."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.serializers import StrictInput, strict_input
from apps.core.api.views import ApiView, TenantView
from apps.users import mfa, second_step, services
from apps.users.api.serializers import TokenPair
from apps.users.api.views import device_of
from apps.users.models import User


class MfaToken(StrictInput):
    mfa_token = strict.TextField(max_length=1000, required=False)


class MfaCode(StrictInput):
    mfa_token = strict.TextField(max_length=1000, required=False)
    code = strict.TextField(max_length=32)


class SecondStepInput(StrictInput):
    mfa_token = strict.TextField(max_length=1000)
    code = strict.TextField(max_length=32)


class CodeInput(StrictInput):
    code = strict.TextField(max_length=32)


class Setup(serializers.Serializer[Any]):
    otpauth_uri = serializers.CharField()
    secret = serializers.CharField()
    qr_svg = serializers.CharField()


class RecoveryCodes(serializers.Serializer[Any]):
    recovery_codes = serializers.ListField(child=serializers.CharField(), min_length=10, max_length=10)


class SecondStepView(ApiView):
    """The second step of signing in."""

    @extend_schema(request=SecondStepInput, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Exchange the `mfa_token` and a TOTP or recovery code for an access and a refresh token."""
        given = strict_input(SecondStepInput(data=request.data))
        pair = second_step.finish(
            mfa_token=given["mfa_token"], code=given["code"], at=timezone.now(), device=device_of(request._request)
        )
        return Response(asdict(pair))


class OwnFactorView(TenantView):
    """What somebody does about their own second factor."""

    grants = {"post": None}
    is_tenant_route = False
    honours_idempotency_key = False

    @property
    def user(self) -> User:
        user: User = User.objects.get(pk=self.actor.id)
        return user


class SetupView(OwnFactorView):
    """Begin to set up an authenticator."""

    def answer(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With an `mfa_token` in the body there is no session yet; the token names user and tenant instead."""
        if "mfa_token" in request.data and "Authorization" not in request.headers:
            given = strict_input(MfaToken(data=request.data))
            return setup_answer(second_step.begin_setup(mfa_token=given["mfa_token"], at=timezone.now()))
        return super().answer(request, *args, **kwargs)

    @extend_schema(request=MfaToken, responses=Setup)
    def post(self, request: Request) -> Response:
        """A new secret, as otpauth URI and QR code; it counts once confirmed."""
        strict_input(MfaToken(data=request.data))
        return setup_answer(mfa.begin_setup(self.user, at=timezone.now()))


class ConfirmView(OwnFactorView):
    """Turn the second factor on."""

    def answer(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if "mfa_token" in request.data and "Authorization" not in request.headers:
            given = strict_input(MfaCode(data=request.data))
            codes = second_step.confirm(mfa_token=given["mfa_token"], code=given.get("code", ""), at=timezone.now())
            return Response({"recovery_codes": codes})
        return super().answer(request, *args, **kwargs)

    @extend_schema(request=MfaCode, responses=RecoveryCodes)
    def post(self, request: Request) -> Response:
        """Prove the authenticator with a code; answers the recovery codes, this once, and ends all other sessions."""
        given, at = strict_input(MfaCode(data=request.data)), timezone.now()
        codes = mfa.confirm(self.user, actor=self.actor, at=at, code=given["code"])
        services.end_other_sessions(actor=self.actor, at=at)
        return Response({"recovery_codes": codes})


class DisableView(OwnFactorView):
    """Turn the second factor off."""

    @extend_schema(request=CodeInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """Needs a code; ends all other sessions."""
        given, at = strict_input(CodeInput(data=request.data)), timezone.now()
        mfa.disable(self.user, actor=self.actor, at=at, code=given["code"])
        services.end_other_sessions(actor=self.actor, at=at)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RecoveryCodesView(OwnFactorView):
    """Recovery codes."""

    @extend_schema(request=CodeInput, responses=RecoveryCodes)
    def post(self, request: Request) -> Response:
        """Ten new ones instead of the old; needs a code."""
        given = strict_input(CodeInput(data=request.data))
        codes = mfa.renew_codes(self.user, actor=self.actor, at=timezone.now(), code=given["code"])
        return Response({"recovery_codes": codes})


def setup_answer(setup: tuple[str, str, str]) -> Response:
    secret, uri, picture = setup
    return Response({"otpauth_uri": uri, "secret": secret, "qr_svg": picture})
