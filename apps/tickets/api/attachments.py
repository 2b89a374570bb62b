"""Files of tickets over HTTP: sent as multipart/form-data, fetched as bytes that no browser runs."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.http import FileResponse, HttpRequest
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import lookup, strict
from apps.core.api.filters import filters_for
from apps.core.api.record_views import the_one
from apps.core.api.refusals import UnsupportedMediaType
from apps.core.api.schema import IF_MATCH, ProblemSerializer
from apps.core.api.serializers import RecordSerializer, ReferringInput, no_input, strict_input
from apps.core.api.uploads import MEDIA_TYPE, UploadParser
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.core.errors import NotFound
from apps.tickets import attachment_files, attachments, kinds
from apps.tickets.api.below import Said, readable
from apps.tickets.attachment_files import Upload
from apps.tickets.choices import Visibility
from apps.tickets.models import Attachment, Comment, Ticket
from apps.users.api.availability import ColleagueSerializer

NO_ROOM = OpenApiResponse(ProblemSerializer, "There is no room for the file now.")


class AttachmentSerializer(RecordSerializer):
    """A file on a ticket; `…/download/` below it is its content."""

    class Meta:
        model = Attachment
        fields = (
            "id", "name", "content_type", "size_bytes", "sha256", "visibility", "comment", "uploaded_by", "created_at",
            "updated_at", "version",
        )  # fmt: skip
        read_only_fields = tuple(name for name in fields if name != "visibility")
        expandable: ClassVar[dict[str, Any]] = {"uploaded_by": (ColleagueSerializer, "users")}


class AttachmentInput(ReferringInput):
    """One file. `comment` is one of the caller's own on this ticket."""

    file = serializers.FileField(allow_empty_file=True)
    visibility = strict.ChoiceField(choices=Visibility.choices, required=False)
    comment = strict.ReferenceField(queryset=Comment.objects, required=False)


class AttachmentViewSet(Said):
    """Files of a ticket. Internal ones are not there for those who may not read internal comments."""

    model = Attachment
    serializer_class = AttachmentSerializer
    filterset_class = filters_for(
        Attachment, ("visibility", "comment", "uploaded_by", "content_type", "sha256", "created_at", "updated_at")
    )
    orderings = ("created_at",)
    said_by = "uploaded_by_id"
    grants: ClassVar[Any] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        "create": Action.PARTICIPATE,
        "partial_update": Action.PARTICIPATE,
        "destroy": Action.PARTICIPATE,
        "restore": Action.PARTICIPATE,
    }
    # Files come slowly, and go to another server perhaps: in no transaction.
    piecewise = frozenset({"create"})
    is_upload = False

    def shown(self, rows: Any) -> Any:
        return attachments.shown(rows)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        self.is_upload = request.method == "POST" and self.lookup_field not in kwargs
        return super().initialize_request(request, *args, **kwargs)

    def get_parsers(self) -> list[Any]:
        """Forms for a new file alone. The document, which knows the action beforehand, names nothing else there."""
        if getattr(self, "action", None) == "create":
            return [UploadParser()]
        return [UploadParser(), *super().get_parsers()] if self.is_upload else super().get_parsers()

    @extend_schema(
        request=AttachmentInput,
        responses={201: AttachmentSerializer, (507, "application/problem+json"): NO_ROOM},
    )
    def create(self, request: Request, **keys: Any) -> Response:
        """Attach one file, in a form with the parts `file`, `visibility` and `comment`; without `visibility` it is public."""
        with transaction.atomic():
            ticket = self.parent()
            attachments.refuse_to_attach(ticket, actor=self.actor)
        with transaction.atomic():
            given = self.given(request)
            attachments.refuse_beyond_quota(self.actor.organization_id, given["file"].size)
        upload = attachments.looked_through(given["file"], given["file"].name)
        key = attachment_files.store(self.actor.organization_id, upload.file)
        try:
            with transaction.atomic():
                return self.once(
                    request, _print(given, upload), lambda: self.attach(request, ticket, given, upload, key)
                )
        finally:
            # Unless its row was written: this was refused, failed, or had been sent before.
            attachments.discard(self.actor.organization_id, key)

    def given(self, request: Request) -> dict[str, Any]:
        """The form; read once, also where the request is tried again."""
        if "_given" not in vars(self):
            try:
                data = request.data
            except exceptions.UnsupportedMediaType as error:
                raise UnsupportedMediaType(f"The media type is not accepted; accepted: {MEDIA_TYPE}.") from error
            values = strict_input(AttachmentInput(data=data, context={"actor": self.actor}))
            self._given: dict[str, Any] = {"visibility": Visibility.PUBLIC, "comment_id": None, **values}
        return self._given

    def attach(self, request: Request, ticket: Any, given: Mapping[str, Any], upload: Upload, key: str) -> Response:
        """Write the row down in the transaction at hand."""
        attachment = attachments.add_attachment(
            ticket,
            upload,
            actor=self.actor,
            at=timezone.now(),
            storage_key=key,
            visibility=given["visibility"],
            comment_id=given["comment_id"],
        )
        return self.single(attachment, status=201, location=f"{request.path}{attachment.pk}/")

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        given = {"visibility": record.visibility, **values}
        return attachments.change_visibility(record, actor=self.actor, at=timezone.now(), **given)

    def delete_record(self, record: Any) -> None:
        attachments.delete_attachment(record, actor=self.actor, at=timezone.now())

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: Any, **keys: Any) -> Response:
        """Show a deleted file again; 409 when it is not deleted."""
        no_input(request.data)
        restored = attachments.restore_attachment(self.locked(request), actor=self.actor, at=timezone.now())
        return self.single(restored)


class AttachmentDownloadView(TenantView):
    """The content of a file, for whoever sees the file."""

    model = Attachment
    resource = kinds.RESOURCE
    grants: ClassVar[Any] = {"get": Action.READ}
    # It may lie on another server.
    piecewise = frozenset({"get"})

    @extend_schema(responses={(200, "*/*"): OpenApiTypes.BINARY})
    def get(self, request: Request, ticket_pk: Any, pk: UUID) -> FileResponse:
        """Fetch it, to be saved: with the name it was sent under, in a type that its content has."""
        with transaction.atomic():
            tickets = Ticket.objects.visible_to(self.actor).alive()
            ticket = the_one(tickets, lookup.id_of(ticket_pk, tickets, kinds.NUMBERS))
            if ticket is None:
                raise NotFound
            files = attachments.shown(readable(Attachment.objects.visible_to(self.actor), self.actor, ticket))
            attachment = the_one(files.filter(ticket_id=ticket.pk), pk)
        if attachment is None:
            raise NotFound
        response = FileResponse(attachment_files.read(attachment.storage_key), content_type=attachment.content_type)
        for name, value in attachments.headers(attachment).items():
            response[name] = value
        return response


def _print(given: Mapping[str, Any], upload: Upload) -> bytes:
    """What an Idempotency-Key stands for: the same file under the same name, whatever the form around it looks like."""
    return "\0".join((upload.sha256, upload.name, given["visibility"], str(given["comment_id"]))).encode()
