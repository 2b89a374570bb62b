"""What must hold before a process serves anybody."""

import structlog
from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError

from apps.core import proof

log = structlog.get_logger(__name__)


def refuse_unsafe_settings() -> None:
    """Raises ImproperlyConfigured naming each serious security check that fails; servers run no checks by themselves."""
    failed = [check for check in run_checks(tags=[Tags.security]) if check.is_serious() and not check.is_silenced()]
    if failed:
        raise ImproperlyConfigured("Unsafe settings:\n  " + "\n  ".join(f"{check.id}: {check.msg}" for check in failed))


def assert_may_serve() -> None:
    """Raises ImproperlyConfigured when a setting is unsafe, the wall has a hole or production holds the demo.

    While the database is away nothing can be proved; requests are then answered 503 until the proof succeeds (ProofMiddleware).
    """
    refuse_unsafe_settings()
    try:
        proof.complete()
    except OperationalError as error:
        log.warning("started_without_database", error=str(error))
