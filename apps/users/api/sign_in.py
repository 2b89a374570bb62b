"""Bearer tokens: which tenant they name, and whose session they belong to."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone

from apps.core import logs, tenancy
from apps.core.api.identity import SAFE, Caller
from apps.core.errors import Denied, Invalid, NotFound, NotSignedIn
from apps.core.tenancy import TenantContext
from apps.organizations.models import Organization
from apps.organizations.services import find_organization
from apps.users import tokens
from apps.users.models import UserType
from apps.users.rights import actor_for, operator_in
from apps.users.services import live_session

ORGANIZATION_HEADER = "X-Organization"


class BearerSignIn:
    """core.api.identity.SignIn for `Authorization: Bearer <access token>`."""

    def tenant_of(self, request: HttpRequest) -> tuple[TenantContext, Any]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            raise NotSignedIn("Send Authorization: Bearer <access token>.")
        if scheme.lower() != "bearer" or not token:
            raise NotSignedIn("Only Authorization: Bearer <access token> is accepted.", code="token_invalid")
        claims = tokens.read(token.strip())
        slug = request.headers.get(ORGANIZATION_HEADER, "")
        # Looked up here, where no tenant is set yet; whether the caller may go there is decided inside.
        target = find_organization(slug) if slug else None
        context = TenantContext(
            organization_id=claims.organization_id,
            actor_id=claims.user_id,
            request_id=logs.current_request_id(),
            via="api",
            is_read_only=request.method in SAFE,
        )
        return context, (claims, slug, target)

    def caller_of(self, request: HttpRequest, claims: Any, *, is_tenant_route: bool) -> Caller:
        claim, slug, target = claims
        found = live_session(claim.session_id, at=timezone.now())
        if found is None or found[0].user_id != claim.user_id:
            raise NotSignedIn("The session has ended.", code="session_ended")
        session, organization = found
        acting_in = organization.pk
        # Only the administrators among the operators; an End User of that organization is one anywhere.
        is_operator = organization.is_operator and session.user.user_type == UserType.ADMIN
        if not is_tenant_route:
            slug = ""
        if slug and slug != organization.slug:
            if not is_operator:
                raise Denied("Only platform operators act in another organization.", grant="operator")
            if target is None:
                raise NotFound(f"There is no organization {slug}.")
            acting_in = target
        elif is_operator and is_tenant_route and not slug:
            raise Invalid(f"Say in which organization: {ORGANIZATION_HEADER}: <slug>.", code="organization_required")
        if acting_in == organization.pk:
            actor = actor_for(session.user, at=timezone.now(), session_id=session.pk)
        else:
            actor = operator_in(acting_in, session.user, session_id=session.pk)
        return Caller(actor, requires_if_match=_rules_of(acting_in, organization).requires_if_match)


def _rules_of(acting_in: UUID, home: Organization) -> Organization:
    """The organization whose rules hold for this request: the one acted in, which only its own tenant shows."""
    if acting_in == home.pk:
        return home
    with tenancy.tenant(acting_in, via="api"):
        organization: Organization = Organization.objects.get(pk=acting_in)
    return organization
