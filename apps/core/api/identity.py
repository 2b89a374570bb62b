"""Who asks: the protocol that the users app fills, so that the API's base can enter the tenant before it reads a row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from django.http import HttpRequest

from apps.core.actors import Actor
from apps.core.errors import NotSignedIn
from apps.core.tenancy import TenantContext

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the credentials turned out to be, and what their organization demands."""

    actor: Actor
    requires_if_match: bool = False
    # What is left to do once the request's transaction is over, whatever became of it; in a transaction of its own.
    afterwards: Callable[[], None] | None = None


class SignIn(Protocol):
    def tenant_of(self, request: HttpRequest) -> tuple[TenantContext, Any]:
        """Which tenant the credentials name, and whatever `caller_of` needs. Reads no tenant's row. Raises NotSignedIn."""
        ...

    def caller_of(self, request: HttpRequest, claims: Any, *, is_tenant_route: bool) -> Caller:
        """Who it is, looked up inside the tenant's transaction, and in which organization they act. Raises NotSignedIn."""
        ...


class NobodySignsIn:
    """Before an app installs sign-in, every protected endpoint answers 401."""

    def tenant_of(self, request: HttpRequest) -> tuple[TenantContext, Any]:
        raise NotSignedIn

    def caller_of(self, request: HttpRequest, claims: Any, *, is_tenant_route: bool) -> Caller:
        raise NotSignedIn


_installed: list[SignIn] = [NobodySignsIn()]


def install(sign_in: SignIn) -> None:
    _installed[0] = sign_in


def sign_in() -> SignIn:
    return _installed[0]
