"""The admin's front door: signs in by the API's steps, signs out by ending the session row, changes a password through the service."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from apps.core.errors import DomainError
from apps.users import passwords, services, sessions
from apps.users.admin_pages import OperatorPages
from apps.users.admin_sign_in import CodeStep, PasswordStep, SetupStep, Step
from apps.users.middleware import SESSION_KEY


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Asks for the old password and writes the new one through the services: counted, one event, other sessions ended."""

    def __init__(self, *args: Any, session_id: UUID, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = self.user.as_actor(session_id=session_id)

    def clean_old_password(self) -> str:
        given = str(self.cleaned_data["old_password"])
        try:
            # The page is one transaction: the row before the counters, as everywhere.
            sessions.hold(self.user)
            passwords.prove(self.user, actor=self.actor, at=timezone.now(), password=given)
        except DomainError as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from refusal
        return given

    def validate_password_for_user(self, user: Any, password_field_name: str = "new_password2") -> None:  # noqa: S107 - a name
        password = self.cleaned_data.get(password_field_name)
        # Whoever has not proved themselves learns nothing about earlier passwords.
        if not password or "old_password" not in self.cleaned_data:
            return
        try:
            passwords.refuse_weak(user, password)
        except DomainError as refusal:
            for error in refusal.errors:
                self.add_error(password_field_name, ValidationError(error.detail, code=error.code))

    def save(self, commit: bool = True) -> Any:
        services.set_password(
            self.user, actor=self.actor, at=timezone.now(), password=self.cleaned_data["new_password1"]
        )
        return self.user


class ItsmAdminSite(UnfoldAdminSite):
    """Django's admin site on the platform's sessions."""

    site_header = site_title = "ITSM"
    index_title = "Dashboard"
    index_template = "users/dashboard.html"

    def extra_urls(self) -> list[URLPattern]:
        return OperatorPages(self).urls()

    def get_urls(self) -> list[Any]:
        steps = [
            path("login/code/", self._step(CodeStep), name="login-code"),
            path("login/setup/", self._step(SetupStep), name="login-setup"),
        ]
        return [*steps, *super().get_urls()]

    def _step(self, view: type[Step]) -> Any:
        """A page before the session: it needs the site's look, and no cache may keep it."""

        def page(request: HttpRequest) -> Any:
            return view.as_view(extra_context=self.each_context(request))(request)

        return never_cache(page)

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index", current_app=self.name))
        request.current_app = self.name
        context = {**self.each_context(request), "title": "Log in", "app_path": request.get_full_path()}
        return PasswordStep.as_view(extra_context={**context, **(extra_context or {})})(request)

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """End the session itself: a copied cookie is worth nothing afterwards."""
        user: Any = request.user
        if SESSION_KEY in request.session and user.is_authenticated and request.method == "POST":
            services.sign_out(actor=user.as_actor(session_id=session_id(request)), at=timezone.now())
        return super().logout(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        request.current_app = self.name
        view = PasswordChangeView.as_view(
            form_class=partial(OwnPasswordForm, session_id=session_id(request)),
            success_url=reverse(f"{self.name}:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)


def session_id(request: HttpRequest) -> UUID:
    return UUID(request.session[SESSION_KEY])
