"""The admin's requests enter their tenant here: from a signed cookie that names organization and session."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.core import denials, logs, tenancy
from apps.core.addresses import client_address
from apps.core.errors import DomainError
from apps.organizations.models import Organization
from apps.users import operators
from apps.users.models import Session
from apps.users.rights import actor_for, is_operator, operator_in
from apps.users.services import extend, live_session

ORGANIZATION_KEY, SESSION_KEY, ACTING_KEY = "itsm_organization", "itsm_session", "itsm_acting_in"


class AdminTenantMiddleware:
    """One transaction in one tenant around every admin request of somebody signed in; a dead session signs them out.

    An operator's session is read at home, then the pages about records are answered in the organization they act in.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._answer_in_tenant(request)
        self._tell_of_denial(request)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        denials.note(request, exception)

    def _tell_of_denial(self, request: HttpRequest) -> None:
        """One event for a page that was refused, written after its transaction was undone."""
        actor, error = getattr(request, "actor", None), getattr(request, "refused", None)
        is_grant_missing = isinstance(error, PermissionDenied)
        if actor is None or not (is_grant_missing or getattr(error, "status", 0) in denials.STATUSES):
            return
        what: dict[str, Any] = {
            "status": getattr(error, "status", 403),
            "reason": getattr(error, "code", "missing_grant"),
            "method": request.method,
            "address": client_address(request),
            "route": request.resolver_match.route if request.resolver_match else "",
        }
        grant = error.extra.get("grant") if isinstance(error, DomainError) else ""
        what |= {"grant": grant} if grant else {}
        denials.record(actor, at=timezone.now(), via="admin", **what)

    def _answer_in_tenant(self, request: HttpRequest) -> HttpResponse:
        is_signing_in = request.path.startswith("/admin/login/") and request.method == "POST"
        if not request.path.startswith("/admin/") or SESSION_KEY not in request.session or is_signing_in:
            return self.get_response(request)
        organization_id = UUID(request.session[ORGANIZATION_KEY])
        request_id, at = logs.current_request_id(), timezone.now()
        with tenancy.tenant(organization_id, request_id=request_id, via="admin"), transaction.atomic():
            found = live_session(UUID(request.session[SESSION_KEY]), at=at)
            if found is not None:
                session, home = found
                extend(session, at=at)
                request.actor = actor_for(session.user, at=at, session_id=session.pk)  # type: ignore[attr-defined]
                with tenancy.tenant(organization_id, actor_id=session.user_id, request_id=request_id, via="admin"):
                    return self._answer_where_they_act(request, session, home)
        request.session.flush()
        return self.get_response(request)

    def _answer_where_they_act(self, request: Any, session: Session, home: Organization) -> HttpResponse:
        request.is_operator = is_operator(session.user, home, at=timezone.now())
        request.acting_in = _acting_in(request)
        if request.acting_in is None or not _is_about_records(request.path):
            return self._answer(request)
        # Who is signed in is found at home, and no more once the tenant is another.
        request.user.is_authenticated  # noqa: B018 - reads the lazy user now
        request.actor = operator_in(request.acting_in.id, session.user, session_id=session.pk)
        with tenancy.moved_to(request.acting_in.id):
            return self._answer(request)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code >= 400:
            transaction.set_rollback(True)
        return response


def _acting_in(request: Any) -> operators.Tenant | None:
    """The organization that an operator has chosen, as long as they are one and it is there."""
    chosen = request.session.get(ACTING_KEY)
    if not chosen:
        return None
    tenant = operators.tenant(UUID(chosen)) if request.is_operator else None
    if tenant is None:
        del request.session[ACTING_KEY]
    return tenant


def _is_about_records(path: str) -> bool:
    """The dashboard, the apps' records and their look-ups. One's own pages (password, signing out) are always at home."""
    page = path.removeprefix("/admin/").partition("/")[0]
    return page in {"", "autocomplete"} or page in apps.app_configs
