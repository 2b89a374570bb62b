"""What must hold before this process serves anybody, proved once: each app demands its part, nothing is answered before."""

from collections.abc import Callable

_pending: list[Callable[[], None]] = []


def demand(proof: Callable[[], None]) -> None:
    """Add a proof that raises ImproperlyConfigured when it fails; called from an app's ready()."""
    _pending.append(proof)


def is_complete() -> bool:
    return not _pending


def complete() -> None:
    """Run what is still unproved. Raises ImproperlyConfigured, or the database's error while it is away; ask again then."""
    while _pending:
        _pending[0]()
        _pending.pop(0)
