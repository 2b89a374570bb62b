"""One file in a multipart form, streamed to the disk beside the ordinary limit of a body."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.http.request import UnreadablePostError
from rest_framework.parsers import BaseParser

from apps.core.api.parsers import malformed
from apps.core.api.refusals import TooLarge
from apps.core.errors import StorageFull

MEDIA_TYPE = "multipart/form-data"
# What a form may say beside the file: boundaries, headers of the parts, short texts.
AROUND_THE_FILE = 64 * 1024


class OneFile(TemporaryFileUploadHandler):
    """Counts as it writes, so that nobody fills the disk with what is refused in the end."""

    def __init__(self, limit: int, request: HttpRequest) -> None:
        super().__init__(request)
        self.limit, self.seen, self.files = limit, 0, 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        self.files += 1
        if self.files > 1:
            raise malformed("The form holds several files; accepted: one part `file`.")
        super().new_file(*args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.seen += len(raw_data)
        if self.seen > self.limit:
            raise too_large(self.limit)
        super().receive_data_chunk(raw_data, start)

    def close(self) -> None:
        file = getattr(self, "file", None)
        if file is not None:
            file.close()


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The file is larger than {limit} bytes.", limit_bytes=limit)


class UploadParser(BaseParser):
    """The parts of the form by name, each once; the file lies in a temporary file of its own."""

    media_type = MEDIA_TYPE

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Raises TooLarge, StorageFull, and Invalid `malformed`."""
        request = dict(parser_context or {})["request"]._request
        limit = self.limit_bytes()
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > limit + AROUND_THE_FILE:
            raise too_large(limit)
        handler = OneFile(limit, request)
        body: Any = stream
        meta = {"CONTENT_TYPE": media_type, "CONTENT_LENGTH": length}
        try:
            fields, files = MultiPartParser(meta, body, [handler], "utf-8").parse()
            return _once_each(fields, files)
        except UnreadablePostError as error:
            handler.close()
            raise malformed("The body ended before it was complete.") from error
        except MultiPartParserError as error:
            handler.close()
            raise malformed(f"The form cannot be read: {error}") from error
        except OSError as error:
            handler.close()
            raise StorageFull from error
        except BaseException:
            handler.close()
            raise

    def limit_bytes(self) -> int:
        """The largest file; a parser of smaller ones says less."""
        return int(settings.ATTACHMENT_LIMIT_BYTES)


def _once_each(fields: Any, files: Any) -> dict[str, Any]:
    names = [name for parts in (fields, files) for name, values in parts.lists() for _ in values]
    if len(set(names)) != len(names):
        raise malformed("A part of the form appears twice.")
    return {**fields.dict(), **files.dict()}
