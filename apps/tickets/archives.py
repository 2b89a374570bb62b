"""Archives that would unpack to more than anybody sent: found by reading, a piece at a time, and never written to a disk."""

import lzma
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

MAX_RATIO = 100
MAX_ENTRIES = 1000
# An archive in an archive in an archive in the file.
MAX_DEPTH = 3
MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
# Archives within are looked into in memory.
MAX_NESTED_BYTES = 32 * 1024 * 1024
PIECE = 256 * 1024
# What Python's reader raises where headers lie: a zip version of the future, places before the file's beginning, more.
UNREADABLE = (
    BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error, OSError, ValueError, RuntimeError, OverflowError,
    IndexError, MemoryError,
)  # fmt: skip
BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06")
ENCRYPTED = 0x1


class TooMuch(ValueError):
    """Says in words what is too much."""


@dataclass
class Measure:
    """What was met so far in one file and all archives within, against what its size allows."""

    allowed_bytes: int
    unpacked_bytes: int = 0
    entries: int = 0

    def meet(self, entry: ZipInfo) -> None:
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise TooMuch(f"It holds more than {MAX_ENTRIES} files.")
        if entry.file_size > self.allowed_bytes - self.unpacked_bytes:
            raise TooMuch(f"It unpacks to more than {MAX_RATIO} times its size.")

    def unpack(self, size: int) -> None:
        self.unpacked_bytes += size
        if self.unpacked_bytes > self.allowed_bytes:
            raise TooMuch(f"It unpacks to more than {MAX_RATIO} times its size.")


def check(file: IO[bytes], size: int) -> None:
    """Look through a ZIP archive of `size` bytes, and those within. Raises TooMuch, also for one that cannot be read."""
    measure = Measure(min(size * MAX_RATIO, MAX_UNPACKED_BYTES))
    try:
        _look_into(file, measure, depth=1)
    except TooMuch:
        raise
    except UNREADABLE as error:
        raise TooMuch("It is an archive that cannot be read.") from error
    finally:
        file.seek(0)


def _look_into(file: IO[bytes], measure: Measure, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TooMuch(f"It holds archives in archives, deeper than {MAX_DEPTH}.")
    with ZipFile(file) as archive:
        entries = archive.infolist()
        for entry in entries:
            measure.meet(entry)
        for entry in entries:
            _read(archive, entry, measure, depth=depth)


def _read(archive: ZipFile, entry: ZipInfo, measure: Measure, *, depth: int) -> None:
    """Count what really comes out of an entry, whatever its header says, and go on into it if it is an archive."""
    if entry.flag_bits & ENCRYPTED:
        measure.unpack(entry.file_size)
        return
    nested = BytesIO()
    try:
        with archive.open(entry) as content:
            piece = content.read(PIECE)
            is_archive = piece.startswith(BEGINNINGS)
            while piece:
                measure.unpack(len(piece))
                if is_archive:
                    _keep(nested, piece)
                piece = content.read(PIECE)
    except NotImplementedError:
        # A method of packing that only few programs know; what its header says is all there is.
        measure.unpack(entry.file_size)
        return
    if is_archive:
        nested.seek(0)
        _look_into(nested, measure, depth=depth + 1)


def _keep(nested: BytesIO, piece: bytes) -> None:
    nested.write(piece)
    if nested.tell() > MAX_NESTED_BYTES:
        raise TooMuch(f"It holds an archive larger than {MAX_NESTED_BYTES} bytes.")
