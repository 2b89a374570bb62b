"""Refusals that exist only because of HTTP."""

from apps.core.errors import DomainError


class TooLarge(DomainError):
    status = 413
    code = "too_large"
    title = "The body is too large"


class UnsupportedMediaType(DomainError):
    status = 415
    code = "unsupported_media_type"
    title = "The media type is not accepted"
