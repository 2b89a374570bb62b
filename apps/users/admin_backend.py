"""Django's authentication hook for the admin: the same sign-in, the same sessions, the same grants as the API."""

from typing import Any
from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from apps.core import tenancy
from apps.core.addresses import client_address
from apps.core.errors import NotSignedIn
from apps.users import services
from apps.users.middleware import ORGANIZATION_KEY, SESSION_KEY
from apps.users.models import User


class GrantBackend(BaseBackend):
    """Signs in by e-mail address; rights come from the authorizer, never from Django's permission tables."""

    def authenticate(
        self, request: HttpRequest | None, username: str = "", password: str = "", **kwargs: Any
    ) -> User | None:
        if request is None:
            return None
        device = services.Device(client_address(request), request.headers.get("User-Agent", ""), via="admin")
        try:
            user, session, _ = services.sign_in(email=username, password=password, at=timezone.now(), device=device)
        except NotSignedIn:
            return None
        if not user.is_staff:
            with tenancy.tenant(user.organization_id, actor_id=user.pk, via="admin"), transaction.atomic():
                services.sign_out(actor=user.as_actor(session_id=session.pk), at=timezone.now())
            return None
        request.session.flush()
        request.session[ORGANIZATION_KEY] = str(user.organization_id)
        request.session[SESSION_KEY] = str(session.pk)
        return user

    def get_user(self, user_id: Any) -> User | None:
        """Only inside the tenant that the cookie named; anybody else is a stranger."""
        if tenancy.current() is None:
            return None
        user: User | None = User.objects.alive().filter(pk=UUID(str(user_id)), is_active=True).first()
        return user
