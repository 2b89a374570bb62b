"""The admin's front door: signs out by ending the session row, and shows itself only to administrators."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from unfold.sites import UnfoldAdminSite

from apps.users import services
from apps.users.middleware import SESSION_KEY


class ItsmAdminSite(UnfoldAdminSite):
    """Django's admin site on the platform's sessions."""

    site_header = site_title = "ITSM"
    index_title = "Administration"

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """End the session itself: a copied cookie is worth nothing afterwards."""
        session_id = request.session.get(SESSION_KEY)
        if session_id and request.user.is_authenticated and request.method == "POST":
            services.sign_out(actor=request.user.as_actor(session_id=session_id), at=timezone.now())
        return super().logout(request, extra_context)
