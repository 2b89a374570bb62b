"""One's own credentials over HTTP: second factor, recovery codes, password."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.api import identity, strict
from apps.core.api.serializers import StrictInput, strict_input
from apps.core.api.views import ApiView, TenantView
from apps.core.errors import Denied
from apps.core.schedule import database_now
from apps.users import mfa, second_step, services, sessions
from apps.users.api.serializers import MAX_PASSWORD, TokenPair
from apps.users.api.views import device_of
from apps.users.models import User

MAX_MFA_TOKEN = 1000
MAX_CODE = 32
# With an access token, or without one by the mfa_token in the body.
EITHER: list[Any] = [{"bearer": []}, {}]


class CodeInput(StrictInput):
    code = strict.TextField(max_length=MAX_CODE)


class SetupInput(StrictInput):
    mfa_token = strict.TextField(max_length=MAX_MFA_TOKEN, required=False)


class ConfirmInput(StrictInput):
    mfa_token = strict.TextField(max_length=MAX_MFA_TOKEN, required=False)
    code = strict.TextField(max_length=MAX_CODE)


class SecondStepInput(StrictInput):
    mfa_token = strict.TextField(max_length=MAX_MFA_TOKEN)
    code = strict.TextField(max_length=MAX_CODE)


class PasswordChangeInput(StrictInput):
    current_password = strict.TextField(max_length=MAX_PASSWORD, trim_whitespace=False)
    new_password = strict.TextField(max_length=MAX_PASSWORD, trim_whitespace=False)


class Setup(serializers.Serializer[Any]):
    """What an authenticator takes: the QR code shows the URI, which holds the secret."""

    otpauth_uri = serializers.CharField()
    secret = serializers.CharField()
    qr_svg = serializers.CharField()


class RecoveryCodes(serializers.Serializer[Any]):
    """Shown this once."""

    recovery_codes = serializers.ListField(child=serializers.CharField(), min_length=mfa.CODES, max_length=mfa.CODES)


class SecondStepView(ApiView):
    """The second step of signing in."""

    @extend_schema(request=SecondStepInput, responses=TokenPair, auth=[])
    def post(self, request: Request) -> Response:
        """Exchange the `mfa_token` and a TOTP or recovery code for an access and a refresh token."""
        given = strict_input(SecondStepInput(data=request.data))
        _, _, pair = second_step.finish(
            mfa_token=given["mfa_token"], code=given["code"], at=database_now(), device=device_of(request._request)
        )
        return Response(asdict(pair))


class FactorView(ApiView):
    """Setting a second factor up: by somebody signed in, or by somebody who may not sign in without one.

    The `mfa_token` wins over an access token: its holder is about to sign in.
    """

    @contextmanager
    def somebody(self, request: Request, mfa_token: str | None) -> Iterator[tuple[User, Actor]]:
        """The caller, in their tenant and one transaction. Raises NotSignedIn, Denied."""
        if mfa_token is not None:
            with second_step.setting_up(mfa_token, at=timezone.now()) as user:
                yield user, user.as_actor()
            return
        context, claims = identity.sign_in().tenant_of(request._request)
        with tenancy.enter(context), transaction.atomic():
            actor = identity.sign_in().caller_of(request._request, claims, is_tenant_route=False).actor
            yield own_user(actor), actor


class SetupView(FactorView):
    """Begin to set up an authenticator."""

    @extend_schema(request=SetupInput, responses=Setup, auth=EITHER)
    def post(self, request: Request) -> Response:
        """A new secret, as otpauth URI and QR code; it counts once confirmed."""
        given = strict_input(SetupInput(data=request.data))
        with self.somebody(request, given.get("mfa_token")) as (user, actor):
            if given.get("mfa_token") is None:
                sessions.require_recent(actor, at=timezone.now())
            return Response(asdict(mfa.begin_setup(user, at=database_now())))


class ConfirmView(FactorView):
    """Turn the second factor on."""

    @extend_schema(request=ConfirmInput, responses=RecoveryCodes, auth=EITHER)
    def post(self, request: Request) -> Response:
        """Prove the authenticator with a code; answers the recovery codes, this once, and ends all other sessions."""
        given = strict_input(ConfirmInput(data=request.data))
        with self.somebody(request, given.get("mfa_token")) as (user, actor):
            codes = mfa.confirm(user, actor=actor, at=database_now(), code=given["code"])
            return Response({"recovery_codes": codes})


class OwnCredentialView(TenantView):
    """What somebody signed in does about their own credentials, proving themselves once more.

    In no transaction around it: a wrong proof stays counted, and no lock outlasts a slow hash.
    """

    grants = {"post": None}
    is_tenant_route = False
    honours_idempotency_key = False
    piecewise = frozenset({"post"})


class DisableView(OwnCredentialView):
    """Turn the second factor off."""

    @extend_schema(request=CodeInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """Needs a TOTP or recovery code; ends all other sessions."""
        given = strict_input(CodeInput(data=request.data))
        mfa.disable(own_user(self.actor), actor=self.actor, at=database_now(), code=given["code"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class RecoveryCodesView(OwnCredentialView):
    """Recovery codes."""

    @extend_schema(request=CodeInput, responses=RecoveryCodes)
    def post(self, request: Request) -> Response:
        """Ten new ones instead of the old; needs a TOTP or recovery code."""
        given = strict_input(CodeInput(data=request.data))
        codes = mfa.renew_codes(own_user(self.actor), actor=self.actor, at=database_now(), code=given["code"])
        return Response({"recovery_codes": codes})


class PasswordChangeView(OwnCredentialView):
    """Change one's own password."""

    @extend_schema(request=PasswordChangeInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """Needs the current one; ends all other sessions."""
        given = strict_input(PasswordChangeInput(data=request.data))
        services.change_password(
            own_user(self.actor),
            actor=self.actor,
            at=timezone.now(),
            current=given["current_password"],
            new=given["new_password"],
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


def own_user(actor: Actor) -> User:
    """The person themselves. Raises Denied for whoever came without a session: credentials are no program's business."""
    if actor.session_id is None:
        raise Denied("Credentials are changed by the person, signed in with a session.", grant="session").naming(actor)
    with transaction.atomic():
        user: User = User.objects.get(pk=actor.required_id)
    return user
