"""Every error as RFC 9457 problem+json: what was wrong, what is accepted, and the request's id. Never a trace."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db.utils import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions, status
from rest_framework.response import Response

from apps.core import constraints, errors, logs
from apps.core.api.refusals import TooLarge, UnsupportedMediaType
from apps.core.api.renderers import dumps
from apps.core.errors import DomainError, FieldError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
MAX_ERRORS = 100
SAFE_METHODS = ("GET", "HEAD")


class MethodNotAllowed(DomainError):
    status = 405
    code = "method_not_allowed"
    title = "This method is not allowed here"


class Unexpected(DomainError):
    status = 500
    code = "unexpected"
    title = "Something went wrong on our side"


def handle(exception: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: any exception becomes a problem; what nobody foresaw is logged with its trace."""
    problem = as_domain_error(exception)
    if problem.status >= 500:
        log.error("request_failed", problem=problem.code, exc_info=exception)
    headers = dict(_headers(problem))
    if isinstance(exception, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    response = Response(body(problem), status=problem.status, headers=headers, content_type=MEDIA_TYPE)
    response.exception = True
    return response


def plain_response(problem: DomainError) -> HttpResponse:
    """The same outside DRF: middleware, unknown URLs, refusals before a view is found."""
    response = HttpResponse(dumps(body(problem)), status=problem.status, content_type=MEDIA_TYPE)
    for name, value in _headers(problem):
        response[name] = value
    return response


def only_safe(request: HttpRequest) -> HttpResponse:
    """405 of what is only read, outside the API's own views."""
    response = plain_response(MethodNotAllowed(f'Method "{request.method}" not allowed.'))
    response["Allow"] = ", ".join(SAFE_METHODS)
    return response


def body(problem: DomainError) -> dict[str, Any]:
    return {
        "type": f"urn:itsm:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": logs.current_request_id(),
        "errors": [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in problem.errors],
        **problem.extra,
    }


def as_domain_error(exception: Exception) -> DomainError:
    """What `exception` means to the caller; Unexpected for what means nothing."""
    if isinstance(exception, DomainError):
        return exception
    if isinstance(exception, exceptions.APIException):
        return _from_rest_framework(exception)
    if isinstance(exception, IntegrityError):
        return constraints.explain(exception)
    if isinstance(exception, OperationalError | InterfaceError):
        return errors.Unavailable("The database does not answer or is too busy.", retry_after=RETRY_AFTER_SECONDS)
    if isinstance(exception, Http404):
        return errors.NotFound()
    if isinstance(exception, PermissionDenied):
        return errors.Denied()
    if isinstance(exception, RequestDataTooBig):
        return TooLarge()
    if isinstance(exception, SuspiciousOperation):
        return errors.Invalid("The request cannot be read: too many parameters, or a header that is not accepted.")
    if isinstance(exception, DataError | UnicodeError):
        return errors.Invalid("A value cannot be stored: it is out of range or holds characters that are not accepted.")
    return Unexpected("The failure has been logged under this request's id.")


def _from_rest_framework(exception: exceptions.APIException) -> DomainError:
    if isinstance(exception, exceptions.ValidationError):
        found = list(islice(field_errors(exception.get_full_details()), MAX_ERRORS))
        return errors.Invalid("The request is not valid; `errors` says what and what is accepted.", errors=found)
    if isinstance(exception, exceptions.MethodNotAllowed):
        return MethodNotAllowed(str(exception.detail))
    if isinstance(exception, exceptions.UnsupportedMediaType):
        return UnsupportedMediaType(f"{exception.detail} Accepted: application/json.")
    if isinstance(exception, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return errors.NotSignedIn(str(exception.detail))
    if isinstance(exception, exceptions.NotFound):
        return errors.NotFound()
    if exception.status_code == status.HTTP_403_FORBIDDEN:
        return errors.Denied(str(exception.detail))
    if exception.status_code < 500:
        return errors.Invalid(str(exception.detail))
    return Unexpected()


def field_errors(details: Any, pointer: str = "") -> Iterator[FieldError]:
    """DRF's nested details, flattened to JSON pointers."""
    if isinstance(details, Mapping) and set(details) == {"message", "code"} and isinstance(details["code"], str):
        yield FieldError(pointer, details["code"], str(details["message"]))
    elif isinstance(details, Mapping):
        for key, value in details.items():
            is_whole = key == "non_field_errors"
            yield from field_errors(value, pointer if is_whole else f"{pointer}/{_escape(str(key))}")
    elif isinstance(details, list):
        for index, value in enumerate(details):
            is_message = isinstance(value, Mapping) and set(value) == {"message", "code"}
            yield from field_errors(value, pointer if is_message else f"{pointer}/{index}")


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _headers(problem: DomainError) -> Iterator[tuple[str, str]]:
    if "retry_after" in problem.extra:
        yield "Retry-After", str(problem.extra["retry_after"])
    if problem.status == 401:
        yield "WWW-Authenticate", 'Bearer realm="itsm"'
