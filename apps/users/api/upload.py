"""A CSV file in a multipart form, read into what the JSON body would say."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, MultiPartParser

from apps.core.api.parsers import malformed
from apps.core.api.refusals import TooLarge
from apps.core.errors import FieldError, Invalid

FLAGS = {"true": True, "false": False}


class CsvUploadParser(BaseParser):
    """One part `file` of at most BODY_LIMIT_BYTES with UTF-8 in it; other parts are texts, true and false what they say."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            form: Any = MultiPartParser().parse(stream, media_type, dict(parser_context or {}))
        except ParseError as error:
            raise malformed(f"The form cannot be read: {error.detail}") from error
        repeated = [name for parts in (form.data, form.files) for name, values in parts.lists() if len(values) > 1]
        if repeated or set(form.data) & {"csv", "file"} or set(form.files) - {"file"}:
            raise malformed("The form is not accepted; accepted: one part file with the CSV, dry_run and invite.")
        given = {name: FLAGS.get(value, value) for name, value in form.data.items()}
        return {**given, "csv": _text(form.files["file"])} if form.files else given


def _text(file: Any) -> str:
    if file.size > settings.BODY_LIMIT_BYTES:
        raise TooLarge(f"The file is larger than {settings.BODY_LIMIT_BYTES} bytes.")
    try:
        return str(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        wrong = FieldError("/csv", "not_utf_8", "Not UTF-8; accepted: a CSV file saved as UTF-8.")
        raise Invalid("The file cannot be imported; `errors` says why.", errors=[wrong]) from error
