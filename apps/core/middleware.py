"""What happens around every request: its id, its one log line, and the headers of the API."""

import time
from collections.abc import Callable

import structlog
from django.core.exceptions import BadRequest, ImproperlyConfigured, PermissionDenied, SuspiciousOperation
from django.db.utils import Error as DatabaseError
from django.http import Http404, HttpRequest, HttpResponse

from apps.core import logs, proof
from apps.core.api import problems
from apps.core.errors import Unavailable

log = structlog.get_logger("access")

Next = Callable[[HttpRequest], HttpResponse]


class RequestContextMiddleware:
    """Gives the request its id, echoes it, and writes one line when the answer is ready."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = logs.begin_request(request.headers.get("X-Request-ID", ""))
        try:
            return self._answer(request, request_id)
        finally:
            # The thread goes on to other work, which is not this request's.
            logs.end_request()

    def _answer(self, request: HttpRequest, request_id: str) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        # The path without its query: search words and cursors are nobody's business in a log.
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return response


class ApiHeadersMiddleware:
    """Answers of the API are nobody's to cache, and are never a page."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/api/v1/"):
            response.setdefault("Cache-Control", "no-store")
            response.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response


# What Django itself answers with 4xx.
FORESEEN = (Http404, PermissionDenied, SuspiciousOperation, BadRequest)

# The theme's Alpine evaluates expressions and sets styles on elements; everything else comes from our own origin.
ADMIN_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


class AdminHeadersMiddleware:
    """Pages of the admin load and send nothing elsewhere, and run no script that stands in the page."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response.setdefault("Content-Security-Policy", ADMIN_POLICY)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """What nobody foresaw is logged with its trace; the page says only that it was."""
        if request.path.startswith("/admin/") and not isinstance(exception, FORESEEN):
            log.error("request_failed", problem="unexpected", exc_info=exception)


class ProofMiddleware:
    """Nothing but health is answered before this process has proved what it must (apps.core.proof)."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not proof.is_complete() and not request.path.startswith("/health/"):
            try:
                proof.complete()
            except (ImproperlyConfigured, DatabaseError) as error:
                log.error("not_proved", error=str(error))
                return problems.plain_response(Unavailable("This process may not serve yet.", retry_after=5))
        return self.get_response(request)
