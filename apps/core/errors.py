"""What a service refuses, in the domain's terms. core.api.problems turns each into problem+json; services never know HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from apps.core.actors import Actor


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with the input. `pointer` is an RFC 6901 JSON pointer; `detail` says what is accepted."""

    pointer: str
    code: str
    detail: str


class DomainError(Exception):
    """A refusal that the caller can understand and act on."""

    status = 422
    code = "domain_rule"
    title = "A rule was broken"

    def __init__(self, detail: str = "", *, errors: Sequence[FieldError] = (), code: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = list(errors)
        self.code = code or self.code
        self.extra: Mapping[str, Any] = extra
        self.refused: Actor | None = None

    def naming(self, actor: "Actor | None") -> Self:
        """Say for the log whom the credentials named, where that is known before the caller is; the answer does not show it."""
        self.refused = actor
        return self


class Invalid(DomainError):
    """The input is malformed or names what is not accepted."""

    status = 400
    code = "invalid"
    title = "The request is not valid"


class NotSignedIn(DomainError):
    status = 401
    code = "not_authenticated"
    title = "Sign in first"


class Denied(DomainError):
    """The record may be seen, the grant is missing; `grant` names it."""

    status = 403
    code = "missing_grant"
    title = "A grant is missing"


class NotFound(DomainError):
    status = 404
    code = "not_found"
    title = "There is no such record"


class Conflict(DomainError):
    status = 409
    code = "conflict"
    title = "The current state does not allow this"


class IllegalTransition(Conflict):
    code = "illegal_transition"


class StillReferenced(Conflict):
    code = "still_referenced"
    title = "Other records refer to this one"


class Stale(DomainError):
    """Somebody else changed the record since the caller read it."""

    status = 412
    code = "stale"
    title = "The record has changed since you read it"


class PreconditionRequired(DomainError):
    status = 428
    code = "precondition_required"
    title = "This organization requires If-Match"


class TooManyRequests(DomainError):
    """A rate limit is used up; `retry_after` (seconds) says when to come back."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"


class Unavailable(DomainError):
    """A dependency is down; `retry_after` (seconds) says when to come back."""

    status = 503
    code = "unavailable"
    title = "The service is temporarily unavailable"


class StorageFull(DomainError):
    """A file could not be written; nothing of it is left."""

    status = 507
    code = "storage_full"
    title = "There is no room for the file now"


class TenantRequired(RuntimeError):
    """Code ran outside a tenant that needs one: a programming error, never the caller's."""


class TenantTransactionRequired(RuntimeError):
    """A statement was sent outside a transaction while a tenant is set.

    Row-level security would see no tenant there and silently answer with no rows, so it is refused instead.
    """
