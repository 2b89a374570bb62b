"""Files on a disk that are there as a whole, for good, or not at all; and what callers read when a storage fails."""

import os
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage

from apps.core.errors import Unavailable

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700
RETRY_AFTER_SECONDS = 60


def unavailable() -> Unavailable:
    return Unavailable(
        "The storage of files does not answer.", retry_after=RETRY_AFTER_SECONDS, code="storage_unavailable"
    )


class DurableFiles(FileSystemStorage):
    """Writes beside the name, syncs, then renames: neither a full disk nor a power cut leaves half a file under a name.

    Only the platform's own user reads them. Raises OSError when the disk does not take the file.
    """

    def _save(self, name: str, content: Any) -> str:
        path = Path(self.path(name))
        self._make_directories(path.parent)
        part = path.with_name(f"{path.name}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
        return name

    def _make_directories(self, directory: Path) -> None:
        for each in (*reversed(directory.parents), directory):
            each.mkdir(PRIVATE_DIRECTORY, exist_ok=True)


def _sync_directory(directory: Path) -> None:
    """The name itself is durable only with its directory."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
