"""The one page that a link in a mail leads to. The token stays in the fragment: it reaches the API in a body, never a URL."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from apps.core.api import problems

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


@csrf_exempt
def set_password_page(request: HttpRequest) -> HttpResponse:
    """The same for everybody. What it sends is checked by `/auth/password/reset/confirm/` alone."""
    if request.method not in problems.SAFE_METHODS:
        return problems.only_safe(request)
    response = render(request, "users/set_password.html")
    response["Content-Security-Policy"] = POLICY
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    return response
