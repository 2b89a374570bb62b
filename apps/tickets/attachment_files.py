"""Where the files of attachments lie: one directory per organization, under names that nobody guesses."""

import errno
import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any
from uuid import UUID, uuid4

import structlog
from django.core.files import File
from django.core.files.storage import Storage, storages

from apps.core.errors import StorageFull
from apps.core.storage import unavailable

log = structlog.get_logger(__name__)

ALIAS = "attachments"
LONGEST_NAME = 255
PIECE = 256 * 1024
# A file without a row may be one whose row is being written; after this it is none.
ORPHANED_AFTER = timedelta(days=1)
# The disk is full, or what the platform may have of it.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was looked through, and is not yet anywhere but in a temporary place."""

    file: IO[bytes]
    name: str
    content_type: str
    size_bytes: int
    sha256: str


def called(name: str) -> str:
    """The last part of a path, without what is not to be seen, at most LONGEST_NAME long with its ending kept."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    seen = " ".join("".join(character for character in last if character.isprintable()).split()).strip(". ")
    stem, dot, ending = seen.rpartition(".")
    if len(seen) > LONGEST_NAME and dot and len(ending) < LONGEST_NAME // 2:
        return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}"
    return seen[:LONGEST_NAME] or "file"


def digest(file: IO[bytes]) -> str:
    """SHA-256 in hexadecimal."""
    file.seek(0)
    hashed = hashlib.sha256()
    while piece := file.read(PIECE):
        hashed.update(piece)
    file.seek(0)
    return hashed.hexdigest()


def store(organization_id: UUID, file: IO[bytes]) -> str:
    """Put the file there for good and return its key. Call it in no transaction: the storage may be another server.

    Raises StorageFull, or Unavailable where the storage does not answer; then nothing of it remains.
    """
    key = f"{organization_id}/{uuid4()}"
    file.seek(0)
    try:
        kept: str = _storage().save(key, File(file))
    except Exception as error:
        # Storages of other servers raise what their libraries raise, and some of that is an OSError too.
        log.exception("attachment_not_stored")
        remove(key)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise StorageFull("The file cannot be stored now; nothing of it was kept.") from error
        raise unavailable() from error
    return kept


def read(key: str) -> Any:
    """The open file. Raises Unavailable."""
    try:
        return _storage().open(key, "rb")
    except Exception as error:
        log.exception("attachment_not_read", key=key)
        raise unavailable() from error


def remove(key: str) -> None:
    """Take the file away; where that fails, the nightly sweep does it."""
    try:
        _storage().delete(key)
    except Exception:
        log.exception("attachment_not_removed", key=key)


def keys(organization_id: UUID) -> list[str]:
    """Of all of one organization's files, whether they have a row or not."""
    try:
        _, names = _storage().listdir(str(organization_id))
    except FileNotFoundError:
        return []
    return [f"{organization_id}/{name}" for name in names]


def is_abandoned(key: str, *, at: datetime) -> bool:
    """Whether a file without a row has been there since before ORPHANED_AFTER. Of another server this is one question."""
    try:
        return _storage().get_modified_time(key) < at - ORPHANED_AFTER
    except FileNotFoundError:
        return False


def _storage() -> Storage:
    return storages[ALIAS]
