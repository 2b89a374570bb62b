"""Whether a file is infected: a place for a virus scanner, named by the setting ATTACHMENT_SCANNER."""

from enum import StrEnum
from typing import IO, Protocol

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.errors import Unavailable
from apps.tickets.file_types import refused

log = structlog.get_logger(__name__)


class Verdict(StrEnum):
    CLEAN = "clean"
    INFECTED = "infected"
    ERROR = "error"


class Scanner(Protocol):
    """Reads the stream to its end and says what it is. Sets itself a limit of time."""

    def __call__(self, stream: IO[bytes]) -> Verdict | str: ...


def nothing(stream: IO[bytes]) -> Verdict:
    """The default: no scanner is there, and every file passes."""
    return Verdict.CLEAN


def scan(stream: IO[bytes]) -> None:
    """Raises Invalid for an infected file, Unavailable where the scanner gives no answer: that is not a clean one."""
    scanner: Scanner = import_string(settings.ATTACHMENT_SCANNER)
    stream.seek(0)
    try:
        verdict = Verdict(scanner(stream))
    except Exception:
        # Anything but a verdict, whatever library the scanner comes from.
        log.exception("scan_failed")
        verdict = Verdict.ERROR
    stream.seek(0)
    if verdict is Verdict.INFECTED:
        raise refused("infected", "The virus scanner found something in it.")
    if verdict is Verdict.ERROR:
        raise Unavailable("The virus scanner gives no answer.", retry_after=60, code="scanner_unavailable")
