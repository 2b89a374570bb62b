"""A whole list as a file: what the list shows this caller, in its order and with its fields, and nothing else."""

from collections.abc import Callable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import FileResponse
from django.utils import timezone

from apps.core import events, limits
from apps.core.actors import Actor
from apps.core.api import pagination, rates
from apps.core.api.pagination import invalid_parameter
from apps.core.authorization import require
from apps.core.errors import Invalid
from apps.core.tables import FORMATS, Format, cell_of

if TYPE_CHECKING:
    from apps.core.api.record_views import RecordViewSet

EXPORTS = limits.declare("export", 300, 3600, burst=100)
DOWNLOADED = events.declare("export.downloaded", "Somebody took a whole list with them as a file.")
MAX_ROWS = 10_000
BATCH = 1_000
# A file up to this size never touches the disk.
SPOOLED_BYTES = 1024 * 1024
# Parameters of a page, which a whole list has none of; and references stay ids.
OF_PAGES = ("page_size", "cursor", "count", "expand")


def answer(view: "RecordViewSet") -> FileResponse:
    """The list that `?format=` asks for. Raises Denied, Invalid; `too_many_rows` points to where more are had."""
    format_ = format_called(view.query["format"])
    for name in OF_PAGES:
        if name in view.query:
            raise invalid_parameter(name, f"{name} is not accepted beside format.", "not_with_format")
    queryset, _ = exported(view)
    rates.admit(EXPORTS, view.counted_as, view.verdicts)
    rows = at_most(queryset, MAX_ROWS)
    # Written to the end before the first byte is sent: an error is still an error, and no slow reader holds a transaction.
    file: Any = SpooledTemporaryFile(max_size=SPOOLED_BYTES)  # noqa: SIM115 - the response closes it
    write(view, file, format_)
    file.seek(0)
    record_download(view.actor, view.resource, format_, rows)
    return attachment(file, format_, view.request.path.strip("/").rsplit("/", 1)[-1])


def format_called(name: str) -> Format:
    if name not in FORMATS:
        raise invalid_parameter("format", f"Not a format; accepted: {', '.join(FORMATS)}.", "invalid_choice")
    return FORMATS[name]


def exported(view: "RecordViewSet") -> tuple[Any, str]:
    """What the view's query finds of what its actor may export, and in which order. Raises Denied."""
    require(view.actor, view.export_grant, view.resource)
    queryset, ordering = view.found()
    return view.exported(queryset), ordering


def at_most(queryset: Any, limit: int) -> int:
    """How many rows there are. Raises Invalid when they are more."""
    rows = int(queryset.order_by().values("pk")[: limit + 1].count())
    if rows > limit:
        detail = f"More than {limit:,} rows; narrow the filters"
        detail += ", or ask for a file by POST /api/v1/exports/." if limit == MAX_ROWS else "."
        raise Invalid(detail, code="too_many_rows", limit=limit)
    return rows


def write(
    view: "RecordViewSet", stream: IO[bytes], format_: Format, progress: Callable[[int], None] | None = None
) -> int:
    """Write the whole list, a batch at a time; `progress` is told how many rows there are, in each batch's transaction."""
    columns = view.wanted("fields", view.readable_fields()) or tuple(view.readable_fields())
    table = format_.table(stream)
    table.write(columns)
    done = 0
    for answers in _batches(view, progress):
        for row in answers:
            table.write([cell_of(row[name]) for name in columns])
        done += len(answers)
    table.close()
    return done


def _batches(view: "RecordViewSet", progress: Callable[[int], None] | None) -> Iterator[list[Any]]:
    last, done = None, 0
    while True:
        with transaction.atomic():
            queryset, ordering = exported(view)
            rows = pagination.batch(queryset, ordering, last, BATCH)
            answers = view.represent_all(rows)
            done += len(rows)
            if progress is not None and rows:
                progress(done)
        if rows:
            yield answers
        if len(rows) < BATCH:
            return
        last = rows[-1]


def record_download(actor: Actor, resource: str, format_: Format, rows: int, **data: Any) -> None:
    """The event of a file that somebody took; it is about them."""
    somebody = get_user_model()(pk=actor.required_id)
    values = {"resource": resource, "format": format_.extension, "rows": rows, **data}
    events.record(DOWNLOADED, somebody, actor=actor, at=timezone.now(), **values)


def attachment(file: Any, format_: Format, name: str) -> FileResponse:
    """The file from where it stands, to be saved and never shown."""
    response = FileResponse(file, content_type=format_.media_type)
    called = f"{name}-{timezone.now():%Y-%m-%d}.{format_.extension}"
    response["Content-Disposition"] = f"attachment; filename=\"{called}\"; filename*=UTF-8''{called}"
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
