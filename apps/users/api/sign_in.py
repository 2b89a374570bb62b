"""Bearer tokens: which tenant they name, and whose session or API token they are."""

import base64
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone

from apps.core import logs, tenancy
from apps.core.actors import Actor
from apps.core.addresses import client_address
from apps.core.api.identity import SAFE, Caller
from apps.core.errors import Denied, Invalid, NotFound, NotSignedIn
from apps.core.tenancy import TenantContext
from apps.organizations.models import Organization
from apps.organizations.services import find_organization
from apps.users import api_tokens, operators, token_format, tokens
from apps.users.models import Session, User
from apps.users.rights import actor_by_token, actor_for, is_operator, operator_in
from apps.users.services import live_session

ORGANIZATION_HEADER = "X-Organization"
# Addresses that calendar programs read again and again: they know names and passwords, and nothing of bearers.
SUBSCRIBED = frozenset({"on-call-ical"})


class BearerSignIn:
    """core.api.identity.SignIn for `Authorization: Bearer <access token or API token>`."""

    def tenant_of(self, request: HttpRequest) -> tuple[TenantContext, Any]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            raise NotSignedIn("Send Authorization: Bearer <access token>.")
        if scheme.lower() == "basic" and _is_subscribed_to(request):
            return _by_api_token(request, api_tokens.find(_password_of(token)))
        if scheme.lower() != "bearer" or not token:
            raise NotSignedIn("Only Authorization: Bearer <access token> is accepted.", code="token_invalid")
        token = token.strip()
        if token.startswith(token_format.PREFIX):
            return _by_api_token(request, api_tokens.find(token))
        claims = tokens.read(token)
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
        if isinstance(claims, api_tokens.Found):
            return _program(request, claims, is_tenant_route=is_tenant_route)
        claim, slug, target = claims
        found = live_session(claim.session_id, at=timezone.now())
        if found is None or found[0].user_id != claim.user_id:
            named = User.objects.filter(pk=claim.user_id).first()
            refusal = NotSignedIn("The session has ended.", code="session_ended")
            raise refusal.naming(named.as_actor() if named else None)
        session, organization = found
        acting_in = organization.pk
        at = timezone.now()
        acts_anywhere = is_operator(session.user, organization, at=at)
        if not is_tenant_route:
            slug = ""
        if slug and slug != organization.slug:
            if not acts_anywhere:
                raise _not_there(session.user.as_actor(session_id=session.pk))
            if target is None:
                raise NotFound(f"There is no organization {slug}.").naming(session.user.as_actor())
            acting_in = target
        elif acts_anywhere and is_tenant_route and not slug:
            raise Invalid(f"Say in which organization: {ORGANIZATION_HEADER}: <slug>.", code="organization_required")
        if acting_in == organization.pk:
            actor = actor_for(session.user, at=at, session_id=session.pk)
            return Caller(actor, requires_if_match=organization.requires_if_match)
        rules, is_new = _visited(acting_in, session)
        return Caller(
            operator_in(acting_in, session.user, session_id=session.pk),
            requires_if_match=rules.requires_if_match,
            afterwards=partial(operators.enter_once, acting_in, session.user, session_id=session.pk, at=at)
            if is_new
            else None,
        )


def _is_subscribed_to(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.url_name in SUBSCRIBED


def _password_of(given: str) -> str:
    """The password of Basic credentials (RFC 7617), whatever the name. Raises NotSignedIn for what is no API token."""
    try:
        _, _, password = base64.b64decode(given.strip(), validate=True).decode("ascii").partition(":")
    except ValueError:
        password = ""
    if not password.startswith(token_format.PREFIX):
        raise NotSignedIn("The password is an API token; the name is of no account.", code="token_invalid")
    return password


def _by_api_token(request: HttpRequest, found: api_tokens.Found) -> tuple[TenantContext, Any]:
    context = TenantContext(
        organization_id=found.organization_id,
        actor_id=found.user_id,
        request_id=logs.current_request_id(),
        via="api",
        is_read_only=request.method in SAFE,
    )
    return context, found


def _program(request: HttpRequest, found: api_tokens.Found, *, is_tenant_route: bool) -> Caller:
    """Somebody's program. An API token acts in its own organization alone, an operator's too, and so needs no header."""
    at, address = timezone.now(), client_address(request)
    token, organization = api_tokens.live(found, at=at, address=address)
    slug = request.headers.get(ORGANIZATION_HEADER, "")
    if is_tenant_route and slug not in {"", organization.slug}:
        raise _not_there(token.user.as_actor(token_id=token.pk))
    is_due = api_tokens.is_use_due(token, at=at)
    return Caller(
        actor_by_token(token, at=at),
        requires_if_match=organization.requires_if_match,
        afterwards=partial(api_tokens.stamp_use, token, at=at, address=address) if is_due else None,
    )


def _not_there(actor: Actor) -> Denied:
    return Denied("Only platform operators, signed in, act in another organization.", grant="operator").naming(actor)


def _visited(acting_in: UUID, session: Session) -> tuple[Organization, bool]:
    """The organization acted in, whose rules hold for this request, and whether it has not been told yet of this session."""
    with tenancy.tenant(acting_in, via="api"):
        organization: Organization = Organization.objects.get(pk=acting_in)
        return organization, not operators.has_entered(session.pk)
