"""Lists of any length as a file: asked for, written by a job with the rights its requester has then, fetched by them alone."""

from collections.abc import Mapping
from functools import cache
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

from django.db import transaction
from django.http import FileResponse
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import export_files, jobs
from apps.core.actors import Actor
from apps.core.api import exporting, strict
from apps.core.api.identity import Caller
from apps.core.api.job_serializer import JobSerializer
from apps.core.api.record_views import RecordViewSet
from apps.core.api.schema import ProblemSerializer
from apps.core.api.serializers import StrictInput, strict_input
from apps.core.api.views import TenantView
from apps.core.authorization import WIDTH, Reach, require
from apps.core.errors import Conflict, Denied, FieldError, Invalid, NotFound
from apps.core.models import Job, JobState
from apps.core.tables import FORMATS

PREFIX = "api/v1/"
MAX_ROWS = 1_000_000


@cache
def exportable() -> Mapping[str, type[RecordViewSet]]:
    """Every list of the router by its path: `sites`, `sla/calendars`. Lists below a record have no name here."""
    return dict(sorted(_lists(get_resolver().url_patterns, "")))


def _lists(patterns: Any, prefix: str) -> Any:
    for entry in patterns:
        path = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLResolver):
            yield from _lists(entry.url_patterns, path)
        elif isinstance(entry, URLPattern) and path.startswith(PREFIX) and "<" not in path:
            view = getattr(entry.callback, "cls", None)
            is_list = getattr(entry.callback, "actions", {}).get("get") == "list"
            if is_list and isinstance(view, type) and issubclass(view, RecordViewSet) and view.is_exportable:
                yield path.removeprefix(PREFIX).strip("/"), view


def asked(resource: str, actor: Actor, query: Mapping[str, str]) -> RecordViewSet:
    """The list as `actor` would ask for it over HTTP, without a request."""
    view = exportable()[resource]()
    view.action, view.kwargs, view.request = "list", {}, None  # type: ignore[assignment]
    view.caller, view.query = Caller(actor), dict(query)
    return view


TEXTS = {"type": "array", "items": {"type": "string"}}


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, TEXTS]},
    }
)
class FiltersField(serializers.Field[Any, Any, Any, Any]):
    """Query parameters of a list: texts, numbers, booleans, and lists of them for what takes several."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Not an object; accepted: parameters of the list.", code="invalid")
        return {name: self._text(name, value) for name, value in data.items()}

    def to_representation(self, value: Any) -> Any:
        return value

    def _text(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
            return ",".join(str(item) for item in value)
        wrong = serializers.ErrorDetail("Accepted: a text, a number, a boolean, or a list of texts.", "invalid")
        raise serializers.ValidationError({name: [wrong]})


class ExportRequest(StrictInput):
    """Which list, narrowed and ordered how, as which file."""

    resource = strict.TextField(max_length=100, help_text="A list's path below /api/v1/, such as `sites`.")
    filters = FiltersField(required=False)
    format = strict.ChoiceField(choices=[*FORMATS], required=False)


class ExportsView(TenantView):
    """Files of any length."""

    # Which grant it takes says the body: `export` on the resource that it names.
    grants = {"post": None}
    token_actions = frozenset({"post"})
    limits = {"post": exporting.EXPORTS}

    @extend_schema(request=ExportRequest, responses={202: JobSerializer})
    def post(self, request: Request) -> Response:
        """Have a whole list written into a file; Location is the job, whose `result.url` is the file."""
        given = strict_input(ExportRequest(data=request.data))
        resource = given["resource"].strip("/").replace("_", "-")
        if resource not in exportable():
            detail = f"Not a list; accepted: {', '.join(exportable())}."
            raise Invalid(errors=[FieldError("/resource", "invalid_choice", detail)])
        filters, format_ = given.get("filters", {}), given.get("format", "csv")
        self._check(asked(resource, self.actor, filters))
        parameters = {
            "resource": resource,
            "filters": filters,
            "format": format_,
            "file": export_files.new_name(FORMATS[format_].extension),
        }
        return self.accepted(
            jobs.request(
                export_files.KIND,
                actor=self.actor,
                at=timezone.now(),
                parameters=parameters,
                resource=resource,
                format=format_,
            )
        )

    def _check(self, view: RecordViewSet) -> None:
        """Raise Denied, or Invalid with pointers into `filters`, as the list itself would."""
        require(view.actor, view.export_grant, view.resource)
        accepted = view.accepted_parameters() - {"format", *exporting.OF_PAGES}
        unknown = [name for name in view.query if name not in accepted]
        try:
            if unknown:
                detail = f"Unknown parameter; accepted: {', '.join(sorted(accepted))}."
                raise Invalid(errors=[FieldError(f"/{name}", "unknown_parameter", detail) for name in unknown])
            exporting.exported(view)
            view.wanted("fields", view.readable_fields())
        except Invalid as wrong:
            errors = [FieldError(f"/filters{error.pointer}", error.code, error.detail) for error in wrong.errors]
            raise Invalid(wrong.detail, errors=errors, code=wrong.code) from wrong


@jobs.kind(export_files.KIND)
def export(job: Job, actor: Actor) -> Mapping[str, Any]:
    """Write the file; what the requester may not export any more ends the job instead."""
    parameters = job.parameters
    if "file" not in parameters:
        raise expired()
    format_ = FORMATS[parameters["format"]]
    view = asked(parameters["resource"], actor, parameters["filters"])
    with transaction.atomic():
        jobs.advance(job, done=0, total=exporting.at_most(exporting.exported(view)[0], MAX_ROWS))
    with TemporaryFile() as file:
        rows = exporting.write(view, file, format_, lambda done: jobs.advance(job, done=done))
        file.seek(0)
        _keep(job, file, require(actor, view.export_grant, view.resource).reach)
    url = reverse("export-download", args=[job.pk])
    expires_at = (timezone.now() + export_files.KEPT).isoformat().replace("+00:00", "Z")
    return {
        "resource": parameters["resource"],
        "format": parameters["format"],
        "rows": rows,
        "url": url,
        "expires_at": expires_at,
    }


def _keep(job: Job, file: IO[bytes], reach: Reach | None) -> None:
    """Put the file there and write its name down; of two runs of one job, the file of the later one stays."""
    before = job.parameters["file"]
    name = export_files.keep(before, file)
    try:
        with transaction.atomic():
            jobs.write(job, parameters={**job.parameters, "file": name, "reach": reach})
    except jobs.Superseded:
        export_files.remove(name)
        raise
    if name != before:
        export_files.remove(before)


class ExportDownloadView(TenantView):
    """The file of an export."""

    model = Job
    grants = {"get": None}
    token_actions = frozenset({"get"})
    # The file may lie on another server.
    piecewise = frozenset({"get"})

    def writes_down_reading(self, request: Request) -> bool:
        return True

    @extend_schema(
        responses={
            (200, "text/csv"): OpenApiTypes.STR,
            (200, FORMATS["xlsx"].media_type): OpenApiResponse(OpenApiTypes.BINARY),
            (409, "application/problem+json"): OpenApiResponse(
                ProblemSerializer, "There is no file yet, or no longer."
            ),
        }
    )
    def get(self, request: Request, pk: UUID) -> FileResponse:
        """Fetch it: only whoever asked for it, while they may still export the list, and for 24 hours."""
        with transaction.atomic():
            job = self._job(pk)
            view = exportable()[job.parameters["resource"]]
            now = require(self.actor, view.export_grant, view.resource).reach
            self._refuse_without_file(job)
            then = job.parameters.get("reach")
            if now is not None and then is not None and WIDTH[now] < WIDTH[Reach(then)]:
                grant = f"{view.resource}.{view.export_grant}"
                raise Denied(f"The file holds more than your grant {grant} reaches now.", grant=grant)
            format_ = FORMATS[job.parameters["format"]]
            data = {"job": str(job.pk)}
            exporting.record_download(self.actor, view.resource, format_, job.result["rows"], **data)
        try:
            file = export_files.read(job.parameters["file"])
        except FileNotFoundError as error:
            raise expired() from error
        return exporting.attachment(file, format_, job.parameters["resource"].rsplit("/", 1)[-1])

    def _job(self, pk: UUID) -> Job:
        own = Job.objects.visible_to(self.actor).filter(requested_by_id=self.actor.required_id, kind=export_files.KIND)
        if self.actor.token_id is not None:
            own = own.filter(requested_by_token_id=self.actor.token_id)
        job: Job | None = own.filter(pk=pk).first()
        if job is None or job.parameters.get("resource") not in exportable():
            raise NotFound
        return job

    def _refuse_without_file(self, job: Job) -> None:
        if job.state != JobState.DONE:
            raise Conflict("There is no file: see the job.", code="export_not_ready", current_status=job.state)
        if "file" not in job.parameters:
            raise expired()


def expired() -> Conflict:
    return Conflict("The file has been deleted; ask for it again.", code="export_expired")
