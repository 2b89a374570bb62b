"""Signing in to the admin: password, then a code, or the set-up of a second factor. The same services as the API's.

Between the steps the signed cookie holds the `mfa_token`, which opens nothing. Only the last step writes the session into it.
"""

from typing import Any

from django import forms
from django.contrib.auth import login as auth_login
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.views.generic import FormView
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.core import tenancy
from apps.core.addresses import client_address
from apps.core.errors import Conflict, NotSignedIn
from apps.core.schedule import database_now
from apps.users import mfa, second_step, services
from apps.users.attempts import TooManyAttempts, WrongProof
from apps.users.mfa_tokens import SETUP
from apps.users.middleware import ORGANIZATION_KEY, SESSION_KEY
from apps.users.models import Session, User

TOKEN_KEY = "itsm_mfa_token"  # noqa: S105 - the name of it
BACKEND = "apps.users.admin_backend.GrantBackend"
TOO_MANY = 429


class PasswordForm(AuthenticationForm):
    """Asks the platform's sign-in; `challenge` is the second step that is due, `wait` the seconds until the next try."""

    challenge: NotSignedIn | None = None
    session: Session | None = None
    wait: int | None = None

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if "username" in given and "password" in given:
            try:
                self._sign_in(given["username"], given["password"])
            except TooManyAttempts as refusal:
                self.wait = refusal.extra["retry_after"]
                raise ValidationError(refusal.detail, code=refusal.code) from refusal
        return given

    def _sign_in(self, email: str, password: str) -> None:
        """Raises ValidationError, the same for a wrong password and for somebody who is no administrator; TooManyAttempts."""
        assert self.request is not None, "the page gives it"
        device = device_of(self.request)
        try:
            self.user_cache, self.session, _ = services.sign_in(
                email=email, password=password, at=timezone.now(), device=device
            )
        except NotSignedIn as refusal:
            token = refusal.extra.get("mfa_token")
            if token is None or not second_step.whom(token, at=timezone.now(), via="admin").is_staff:
                raise self.get_invalid_login_error() from refusal
            self.challenge = refusal
            return
        if not self.user_cache.is_staff:
            end(self.user_cache, self.session)
            raise self.get_invalid_login_error()


class CodeForm(forms.Form):
    """A code of the authenticator, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=32,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "autofocus": ""}),
    )
    wait: int | None = None


class Step(FormView):  # type: ignore[type-arg]
    """A page after the password. Without a token that still holds it leads back to the first."""

    form_class = CodeForm
    extra_context: dict[str, Any]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if TOKEN_KEY not in request.session:
            return self.back()
        try:
            return super().dispatch(request, *args, **kwargs)
        except (NotSignedIn, Conflict):
            request.session.pop(TOKEN_KEY, None)
            return self.back()

    @property
    def token(self) -> str:
        return str(self.request.session[TOKEN_KEY])

    def back(self) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:login')}{following(self.request)}")

    def refuse(self, form: CodeForm, detail: str, wait: int | None = None) -> HttpResponse:
        form.add_error("code", detail)
        form.wait = wait
        return self.form_invalid(form)

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> Any:
        return waiting(super().render_to_response(context, **kwargs), context.get("form"))


class PasswordStep(LoginView):
    """The first page."""

    authentication_form = PasswordForm
    template_name = "admin/login.html"

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    def form_valid(self, form: Any) -> HttpResponse:
        if form.challenge is None:
            enter(self.request, form.get_user(), form.session)
            return HttpResponseRedirect(self.get_success_url())
        self.request.session.flush()
        self.request.session[TOKEN_KEY] = form.challenge.extra["mfa_token"]
        name = "admin:login-setup" if form.challenge.code == SETUP else "admin:login-code"
        return HttpResponseRedirect(f"{reverse(name)}{following(self.request)}")

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> Any:
        return waiting(super().render_to_response(context, **kwargs), context.get("form"))


class CodeStep(Step):
    """The second page, for whoever has a second factor."""

    template_name = "sign_in/code.html"

    def form_valid(self, form: CodeForm) -> HttpResponse:
        try:
            user, session, _ = second_step.finish(
                mfa_token=self.token,
                code=form.cleaned_data["code"],
                at=database_now(),
                device=device_of(self.request),
            )
        except TooManyAttempts as refusal:
            return self.refuse(form, refusal.detail, refusal.extra["retry_after"])
        except NotSignedIn as refusal:
            if refusal.code != "wrong_code":
                raise
            return self.refuse(form, refusal.detail)
        enter(self.request, user, session)
        return HttpResponseRedirect(next_of(self.request))


class SetupStep(Step):
    """The second page, for whoever needs a second factor and has none; proving it opens the session."""

    template_name = "sign_in/setup.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        at = database_now()
        with second_step.setting_up(self.token, at=at, via="admin") as user:
            # The page that is shown again after a wrong code shows the same QR code.
            setup = (mfa.pending_setup(user) if self.request.method == "POST" else None) or mfa.begin_setup(user, at=at)
        picture = mark_safe(setup.qr_svg)  # noqa: S308 - drawn by us, from a URI
        return super().get_context_data(secret=setup.secret, qr_svg=picture, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        try:
            codes, user, session = second_step.set_up_and_finish(
                mfa_token=self.token,
                code=form.cleaned_data["code"],
                at=database_now(),
                device=device_of(self.request),
            )
        except WrongProof as refusal:
            return self.refuse(form, refusal.detail)
        enter(self.request, user, session)
        context = {**self.extra_context, "codes": codes, "next_page": next_of(self.request)}
        return self.response_class(self.request, "sign_in/codes.html", context)


def enter(request: HttpRequest, user: User, session: Session) -> None:
    """Write the open session into a fresh cookie. Raises NotSignedIn for whoever is no administrator (any more)."""
    if not user.is_staff:
        end(user, session)
        raise NotSignedIn
    request.session.flush()
    request.session[ORGANIZATION_KEY] = str(user.organization_id)
    request.session[SESSION_KEY] = str(session.pk)
    auth_login(request, user, backend=BACKEND)


def end(user: User, session: Session) -> None:
    with tenancy.tenant(user.organization_id, actor_id=user.pk, via="admin"), transaction.atomic():
        services.sign_out(actor=user.as_actor(session_id=session.pk), at=timezone.now())


def device_of(request: HttpRequest) -> services.Device:
    return services.Device(client_address(request), request.headers.get("User-Agent", ""), via="admin")


def next_of(request: HttpRequest) -> str:
    """Where to after signing in; only to our own pages."""
    view = PasswordStep()
    view.request = request
    return str(view.get_success_url())


def following(request: HttpRequest) -> str:
    """The query that hands `next` on to the following step."""
    target = next_of(request)
    return "" if target == reverse("admin:index") else "?" + urlencode({"next": target})


def waiting(response: Any, form: Any) -> Any:
    """429 with Retry-After on a page that says how long to wait."""
    wait = getattr(form, "wait", None)
    if wait is not None:
        response.status_code = TOO_MANY
        response["Retry-After"] = str(wait)
    return response
