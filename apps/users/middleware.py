"""The admin's requests enter their tenant here: from a signed cookie that names organization and session."""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.core import logs, tenancy
from apps.users.rights import actor_for
from apps.users.services import extend, live_session

ORGANIZATION_KEY, SESSION_KEY = "itsm_organization", "itsm_session"


class AdminTenantMiddleware:
    """One transaction in one tenant around every admin request of somebody signed in; a dead session signs them out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_signing_in = request.path.startswith("/admin/login/") and request.method == "POST"
        if not request.path.startswith("/admin/") or SESSION_KEY not in request.session or is_signing_in:
            return self.get_response(request)
        organization_id = UUID(request.session[ORGANIZATION_KEY])
        request_id, at = logs.current_request_id(), timezone.now()
        with tenancy.tenant(organization_id, request_id=request_id, via="admin"), transaction.atomic():
            found = live_session(UUID(request.session[SESSION_KEY]), at=at)
            if found is not None:
                session = found[0]
                extend(session, at=at)
                request.actor = actor_for(session.user, at=at, session_id=session.pk)  # type: ignore[attr-defined]
                with tenancy.tenant(organization_id, actor_id=session.user_id, request_id=request_id, via="admin"):
                    return self._answer(request)
        request.session.flush()
        return self.get_response(request)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code >= 400:
            transaction.set_rollback(True)
        return response
