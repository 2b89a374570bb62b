"""Addresses that fail in every layer, for test_unexpected alone."""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.views import ApiView, TenantView
from apps.organizations.models import Team
from itsm_project.urls import handler400, handler403, handler404, handler500
from itsm_project.urls import urlpatterns as real
from tests.factories import TeamFactory

SECRET = "canary-in-an-exception"
FAILURES: dict[str, Any] = {
    "runtime": lambda: RuntimeError(SECRET),
    "assertion": lambda: AssertionError(SECRET),
    "recursion": lambda: RecursionError(SECRET),
    "memory": lambda: MemoryError(SECRET),
    "key": lambda: KeyError(SECRET),
    "timeout": lambda: TimeoutError(SECRET),
    "not found": lambda: Http404(SECRET),
    "denied": lambda: PermissionDenied(SECRET),
    "suspicious": lambda: SuspiciousOperation(SECRET),
}


class Open(ApiView):
    def get(self, request: Request, failure: str) -> Response:
        raise FAILURES[failure]()


class Guarded(TenantView):
    grants = {"get": None, "post": None}

    def get(self, request: Request, failure: str) -> Response:
        raise FAILURES[failure]()

    def post(self, request: Request, failure: str) -> Response:
        """Writes first, so that the rollback shows."""
        TeamFactory(name="Half done")
        assert Team.objects.exists()
        if failure == "sql":
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {SECRET.replace('-', '_')}")
        raise FAILURES[failure]()


class Unrenderable(ApiView):
    def get(self, request: Request) -> Response:
        return Response({"object": object()})


class Forgetful(TenantView):
    """Names no grant for what it does."""

    resource = "teams"

    def get(self, request: Request) -> Response:
        return Response({"leak": True})


def plain(request: HttpRequest, failure: str) -> HttpResponse:
    raise FAILURES[failure]()


urlpatterns = [
    path("api/v1/broken/open/<str:failure>/", Open.as_view()),
    path("api/v1/broken/guarded/<str:failure>/", Guarded.as_view()),
    path("api/v1/broken/unrenderable/", Unrenderable.as_view()),
    path("api/v1/broken/forgetful/", Forgetful.as_view()),
    path("broken/plain/<str:failure>/", plain),
    *real,
]
__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
