"""The schema and its two readers, served from our own origin. Outside the demo they need a signed-in caller."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from apps.core import tenancy
from apps.core.api import identity, permissions, problems
from apps.core.errors import DomainError

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline';"
    " worker-src 'self' blob:; frame-ancestors 'none'"
)


class SignedInUnlessDemo:
    """Refuse strangers outside demo mode."""

    permission_classes: ClassVar[Any] = [permissions.Handled]
    authentication_classes: ClassVar[Any] = []

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # The library would render a refusal as YAML or as a page.
        if request.method not in problems.SAFE_METHODS:
            return problems.only_safe(request)
        if not settings.IS_DEMO:
            try:
                context, claims = identity.sign_in().tenant_of(request)
                with tenancy.enter(context), transaction.atomic():
                    identity.sign_in().caller_of(request, claims, is_tenant_route=False)
            except DomainError as refusal:
                return problems.plain_response(refusal)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        response["Content-Security-Policy"] = PAGE_POLICY
        return response


class SchemaView(SignedInUnlessDemo, SpectacularAPIView):
    """OpenAPI 3.1."""


class SwaggerView(SignedInUnlessDemo, SpectacularSwaggerView):
    """Swagger UI."""


class RedocView(SignedInUnlessDemo, SpectacularRedocView):
    """Redoc, by a page of our own: the library's fetches fonts from elsewhere."""

    template_name = "core/redoc.html"
