"""The language of facts: names that apps declare, who listens, and the one function that records.

Floor 0 knows how facts travel; the audit app, one floor up, keeps them and installs the recorder in its ready().
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from apps.core.actors import Actor

Changes = Mapping[str, tuple[Any, Any]]


class Fact(Protocol):
    """What a subscriber is handed: one recorded event."""

    id: UUID
    organization_id: UUID
    name: str
    subject_type: str
    subject_id: UUID
    at: datetime
    is_historic: bool
    changes: Mapping[str, Any]
    data: Mapping[str, Any]


class Recorder(Protocol):
    def __call__(
        self,
        name: str,
        subject: Any,
        *,
        actor: Actor,
        at: datetime,
        changes: Changes | None = None,
        is_historic: bool = False,
        **data: Any,
    ) -> Fact: ...


Handler = Callable[[Any], object]
# What a handler in a transaction of its own returns when there is more to do than fits: the same is delivered to it anew.
AGAIN = object()


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who takes events after commit: `name` keys its deliveries, so it must never change."""

    name: str
    pattern: str
    handle: Handler
    # Works outside any transaction, because it waits for somebody else's server or commits as it goes.
    is_outward: bool = False
    # How long one run of it may take; after that it is taken for dead, and run again.
    limit_seconds: int = 0
    # Told in the transaction that marks its delivery dead.
    on_dead: Handler | None = None


_declared: dict[str, str] = {}
_inside: list[tuple[str, Handler]] = []
_after: dict[str, Consumer] = {}
_recorder: list[Recorder] = []


def declare(name: str, description: str) -> str:
    """Add `noun.past` to the published language and return it. An undeclared name cannot be recorded."""
    _declared[name] = description
    return name


def declared() -> Mapping[str, str]:
    """Every event name with its description."""
    return dict(sorted(_declared.items()))


def inside(pattern: str) -> Callable[[Handler], Handler]:
    """Subscribe within the recording transaction, for what must be consistent with the fact (clocks, counters)."""

    def register(handle: Handler) -> Handler:
        _inside.append((pattern, handle))
        return handle

    return register


def after(pattern: str, *, consumer: str) -> Callable[[Handler], Handler]:
    """Subscribe after commit, through dispatch, relay and worker.

    The handler runs in a transaction of its own that also marks the delivery done: its database effects happen once. One that
    returns AGAIN is kept, and the delivery is due at once for another transaction.
    Raises ValueError when the consumer's name is taken.
    """

    return _register(Consumer(consumer, pattern, _nothing))


def outward(
    pattern: str, *, consumer: str, limit_seconds: int = 60, on_dead: Handler | None = None
) -> Callable[[Handler], Handler]:
    """Subscribe after commit, for what leaves the process (mail, webhooks) or commits as it goes (jobs).

    The handler runs in the event's tenant but in no transaction: it opens its own, and none while it waits for the network.
    It runs at least once; a worker that dies in it leads to another run after `limit_seconds`, so it is idempotent by
    (event, recipient). `on_dead` is told the event when no attempt is left, in the transaction that writes that down.
    Raises ValueError when the consumer's name is taken.
    """
    return _register(
        Consumer(consumer, pattern, _nothing, is_outward=True, limit_seconds=limit_seconds, on_dead=on_dead)
    )


def _register(consumer: Consumer) -> Callable[[Handler], Handler]:
    def register(handle: Handler) -> Handler:
        if consumer.name in _after:
            raise ValueError(f"two consumers are called {consumer.name}")
        _after[consumer.name] = replace(consumer, handle=handle)
        return handle

    return register


def _nothing(event: Any) -> None:
    """Stands in a registration until its handler is known."""


@cache
def _matches(name: str, pattern: str) -> bool:
    """Asked for every pattern with every fact; there are as many answers as names and patterns in the code."""
    return fnmatchcase(name, pattern)


def subscribers_inside(name: str) -> list[Handler]:
    return [handle for pattern, handle in _inside if _matches(name, pattern)]


def consumers_of(name: str) -> list[Consumer]:
    return [consumer for consumer in _after.values() if _matches(name, consumer.pattern)]


def consumer(name: str) -> Consumer | None:
    """The consumer of that name; None after a release that removed it."""
    return _after.get(name)


# None: the present. Else what the history does not tell, or did not keep to.
_historic: ContextVar[frozenset[str] | None] = ContextVar("historic", default=None)


@contextmanager
def historic(*, lacking: Iterable[str] = ()) -> Iterator[None]:
    """Everything recorded in the block is history (imports, load, demo): it moves clocks and is delivered to nobody.

    `lacking` names the requirements of the present that this history cannot meet, such as `reason`: they are not asked for.
    """
    token = _historic.set(frozenset(lacking))
    try:
        yield
    finally:
        _historic.reset(token)


@contextmanager
def present() -> Iterator[None]:
    """What is recorded in the block happens now, also where history is told around it: it is delivered, and calls people."""
    token = _historic.set(None)
    try:
        yield
    finally:
        _historic.reset(token)


def is_historic() -> bool:
    """Whether what is recorded now is history."""
    return _historic.get() is not None


def is_lacking(requirement: str) -> bool:
    """Whether what is recorded now is history that cannot meet this requirement."""
    return requirement in (_historic.get() or ())


def install_recorder(recorder: Recorder) -> None:
    _recorder[:] = [recorder]


def record(
    name: str,
    subject: Any,
    *,
    actor: Actor,
    at: datetime,
    changes: Changes | None = None,
    is_historic: bool = False,
    **data: Any,
) -> Fact:
    """Record one fact in the caller's transaction. `at` (UTC) is when it became true, which imports set in the past."""
    if name not in _declared:
        raise LookupError(f"event {name} is not declared")
    return _recorder[0](
        name,
        subject,
        actor=actor,
        at=at,
        changes=changes,
        is_historic=is_historic or _historic.get() is not None,
        **data,
    )
