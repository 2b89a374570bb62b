"""Django's authentication hook for the admin: whose session the cookie names. Signing in is the platform's own (admin_sign_in)."""

from typing import Any
from uuid import UUID

from django.contrib.auth.backends import BaseBackend

from apps.core import tenancy
from apps.users.models import User


class GrantBackend(BaseBackend):
    """Finds the user of a cookie; rights come from the authorizer, never from Django's permission tables."""

    def get_user(self, user_id: Any) -> User | None:
        """Only inside the tenant that the cookie named; anybody else is a stranger."""
        if tenancy.current() is None:
            return None
        user: User | None = User.objects.alive().filter(pk=UUID(str(user_id)), is_active=True).first()
        return user
