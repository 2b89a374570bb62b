"""What a file is, by its content: whether its name tells the truth, and as what it is served."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO
from zipfile import is_zipfile

import puremagic
from PIL import Image

from apps.core.errors import FieldError, Invalid
from apps.tickets import archives

HEAD = 16 * 1024
MAX_PIXELS = 40_000_000
# Whatever a name does not promise, and all that a browser might run: HTML, SVG, XML, scripts, programs.
UNKNOWN = "application/octet-stream"
ARCHIVE, OLD_OFFICE = "zip", "doc"
IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
OFFICE = "application/vnd.openxmlformats-officedocument"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument"


@dataclass(frozen=True, slots=True)
class Promise:
    """What a name's ending says: the word that puremagic has for such content, how it is served, and what people call it."""

    word: str
    media_type: str
    label: str


JPEG = Promise("jpg", "image/jpeg", "a JPEG image")
TIFF = Promise("tiff", "image/tiff", "a TIFF image")
PROMISES: Mapping[str, Promise] = {
    "png": Promise("png", "image/png", "a PNG image"),
    "jpg": JPEG,
    "jpeg": JPEG,
    "gif": Promise("gif", "image/gif", "a GIF image"),
    "bmp": Promise("bmp", "image/bmp", "a BMP image"),
    "webp": Promise("webp", "image/webp", "a WebP image"),
    "tif": TIFF,
    "tiff": TIFF,
    "pdf": Promise("pdf", "application/pdf", "a PDF document"),
    "zip": Promise(ARCHIVE, "application/zip", "a ZIP archive"),
    "docx": Promise(ARCHIVE, f"{OFFICE}.wordprocessingml.document", "an Office document"),
    "xlsx": Promise(ARCHIVE, f"{OFFICE}.spreadsheetml.sheet", "an Office document"),
    "pptx": Promise(ARCHIVE, f"{OFFICE}.presentationml.presentation", "an Office document"),
    "odt": Promise(ARCHIVE, f"{OPEN_DOCUMENT}.text", "an OpenDocument file"),
    "ods": Promise(ARCHIVE, f"{OPEN_DOCUMENT}.spreadsheet", "an OpenDocument file"),
    "odp": Promise(ARCHIVE, f"{OPEN_DOCUMENT}.presentation", "an OpenDocument file"),
    "gz": Promise("gz", "application/gzip", "a gzip archive"),
    "7z": Promise("7z", "application/x-7z-compressed", "a 7-Zip archive"),
    "doc": Promise(OLD_OFFICE, "application/msword", "an older Office document"),
    "xls": Promise(OLD_OFFICE, "application/vnd.ms-excel", "an older Office document"),
    "ppt": Promise(OLD_OFFICE, "application/vnd.ms-powerpoint", "an older Office document"),
    "msg": Promise(OLD_OFFICE, "application/vnd.ms-outlook", "an Outlook message"),
}
TEXTS: Mapping[str, str] = {
    "csv": "text/csv",
    **dict.fromkeys(("txt", "log", "md", "ini", "conf", "yaml", "yml", "json", "eml", "ics"), "text/plain"),
}
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def media_type_of(file: IO[bytes], name: str, size: int) -> str:
    """As what the file may be served. Raises Invalid for an empty file, a false name, too many pixels, a bomb.

    A name whose ending promises nothing is believed in nothing: such files are kept, and served as bytes.
    """
    if size == 0:
        raise refused("empty", "The file is empty; accepted: 1 byte or more.")
    file.seek(0)
    head = file.read(HEAD)
    ending = PurePosixPath(name).suffix.lstrip(".").lower()
    promise = PROMISES.get(ending)
    if promise is not None:
        _refuse_false(head, ending, promise)
    elif ending in TEXTS and _is_binary(head):
        raise refused("type_mismatch", f"It is {_what_it_is(head)}, not a text; accepted as .{ending}: a text.")
    _check_image(file, ending, promise)
    _check_archive(file, size)
    file.seek(0)
    return promise.media_type if promise is not None else TEXTS.get(ending, UNKNOWN)


def refused(code: str, detail: str) -> Invalid:
    return Invalid(errors=[FieldError("/file", code, detail)])


def _refuse_false(head: bytes, ending: str, promise: Promise) -> None:
    if promise.word not in {match.extension.lstrip(".") for match in _matches(head)}:
        detail = f"It is {_what_it_is(head)}, not {promise.label}; accepted as .{ending}: {promise.label}."
        raise refused("type_mismatch", detail)


def _matches(head: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return []


def _what_it_is(head: bytes) -> str:
    matches = _matches(head)
    if matches:
        return f"of the type {matches[0].name}"
    return "of an unknown type" if _is_binary(head) else "a text"


def _is_binary(head: bytes) -> bool:
    return b"\x00" in head and not head.startswith(BYTE_ORDER_MARKS)


def _check_image(file: IO[bytes], ending: str, promise: Promise | None) -> None:
    """Read the header alone: how large it would be is known before a single pixel is."""
    if promise is None or not promise.media_type.startswith("image/"):
        return
    if is_zipfile(file):
        raise refused("type_mismatch", f"It is an archive as well; accepted as .{ending}: {promise.label} alone.")
    file.seek(0)
    try:
        with Image.open(file, formats=IMAGE_FORMATS) as image:
            width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        width = height = MAX_PIXELS
    except (OSError, ValueError, SyntaxError) as error:
        detail = f"It begins like {promise.label} and cannot be read as one; accepted as .{ending}: {promise.label}."
        raise refused("type_mismatch", detail) from error
    if width * height > MAX_PIXELS:
        raise refused("too_many_pixels", f"It has more than {MAX_PIXELS} pixels; accepted: up to {MAX_PIXELS}.")


def _check_archive(file: IO[bytes], size: int) -> None:
    """Whatever it is called: programs unpack what they can."""
    file.seek(0)
    if not is_zipfile(file):
        return
    file.seek(0)
    try:
        archives.check(file, size)
    except archives.TooMuch as error:
        limits = f"up to {archives.MAX_RATIO} times its size unpacked, and {archives.MAX_ENTRIES} files"
        raise refused("archive", f"{error} Accepted: {limits}.") from error
