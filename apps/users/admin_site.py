"""The admin's front door: signs out by ending the session row, and changes a password through the same service as the API."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils import timezone
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from apps.users import services
from apps.users.admin_pages import OperatorPages
from apps.users.middleware import SESSION_KEY


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Asks for the old password and writes the new one through the service: one event, other sessions ended."""

    def __init__(self, *args: Any, session_id: UUID, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session_id = session_id

    def save(self, commit: bool = True) -> Any:
        actor = self.user.as_actor(session_id=self.session_id)
        services.set_password(self.user, actor=actor, at=timezone.now(), password=self.cleaned_data["new_password1"])
        return self.user


class ItsmAdminSite(UnfoldAdminSite):
    """Django's admin site on the platform's sessions."""

    site_header = site_title = "ITSM"
    index_title = "Dashboard"
    index_template = "users/dashboard.html"

    def extra_urls(self) -> list[URLPattern]:
        return OperatorPages(self).urls()

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
