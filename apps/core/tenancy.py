"""Which organization this thread of execution acts for, and how the database learns it.

One context variable feeds the database backend, which puts it into the transaction at BEGIN; row-level security reads it
from there. Nothing else decides the tenant.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from uuid import UUID

from django.db import connections

from apps.core import logs
from apps.core.errors import TenantRequired


@dataclass(frozen=True, slots=True)
class TenantContext:
    """What the database is told about a transaction. `via` is api, admin, task or command."""

    organization_id: UUID
    actor_id: UUID | None = None
    request_id: str = ""
    via: str = "command"
    is_read_only: bool = False


_current: ContextVar[TenantContext | None] = ContextVar("tenant", default=None)


def current() -> TenantContext | None:
    return _current.get()


def current_organization_id() -> UUID | None:
    context = _current.get()
    return context.organization_id if context else None


def required_organization_id() -> UUID:
    """The tenant in force. Raises TenantRequired outside one."""
    context = _current.get()
    if context is None:
        raise TenantRequired
    return context.organization_id


@contextmanager
def enter(context: TenantContext | None) -> Iterator[None]:
    """Act inside `context` (None: inside no tenant) until the block ends.

    Inside an open transaction the setting is issued again on entry and on exit: a released savepoint would otherwise
    keep the inner tenant for the rest of the outer transaction. Entering what is in force already tells nobody anything.
    """
    if context == _current.get():
        yield
        return
    token = _current.set(context)
    try:
        _reissue()
        yield
    finally:
        _current.reset(token)
        _reissue()


@contextmanager
def tenant(
    organization_id: UUID,
    *,
    actor_id: UUID | None = None,
    request_id: str = "",
    via: str = "command",
    is_read_only: bool = False,
) -> Iterator[None]:
    """Act for one organization until the block ends. The request id is the current request's unless another is given."""
    with enter(TenantContext(organization_id, actor_id, request_id or logs.current_request_id(), via, is_read_only)):
        yield


@contextmanager
def moved_to(organization_id: UUID) -> Iterator[None]:
    """Act for another organization until the block ends, still as part of the same request by the same person."""
    context = _current.get() or TenantContext(organization_id, request_id=logs.current_request_id())
    with enter(replace(context, organization_id=organization_id)):
        yield


def _reissue() -> None:
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block and not connection.needs_rollback and hasattr(connection, "issue_tenant"):
            connection.issue_tenant()
