"""Comments over HTTP, and what they said before they were changed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import lookup
from apps.core.api.filters import filters_for
from apps.core.api.nested import NestedViewSet
from apps.core.api.record_views import the_one
from apps.core.api.schema import IF_MATCH
from apps.core.api.serializers import RecordSerializer, no_input
from apps.core.authorization import Action
from apps.tickets import conversation, kinds, rights
from apps.tickets.api.below import Said
from apps.tickets.choices import Visibility
from apps.tickets.models import Comment, CommentEdit, Ticket
from apps.users.api.availability import ColleagueSerializer


class CommentSerializer(RecordSerializer):
    """What somebody said: `body` is Markdown, `html` what it becomes. `@[Ada Lovelace](user:<id>)` mentions somebody."""

    class Meta:
        model = Comment
        fields = (
            "id", "body", "html", "visibility", "author", "is_automatic", "created_at", "edited_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = tuple(name for name in fields if name not in {"body", "visibility"})
        expandable: ClassVar[dict[str, Any]] = {"author": (ColleagueSerializer, "users")}


class CommentViewSet(Said):
    """Public answers and internal notes. Internal ones are not there for those who may not read them."""

    model = Comment
    serializer_class = CommentSerializer
    filterset_class = filters_for(
        Comment, ("visibility", "author", "is_automatic", "created_at", "edited_at", "updated_at")
    )
    orderings = ("created_at",)
    said_by = "author_id"
    grants: ClassVar[Any] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        "create": Action.PARTICIPATE,
        "partial_update": Action.PARTICIPATE,
        "destroy": Action.PARTICIPATE,
        "restore": Action.PARTICIPATE,
    }

    def create_record(self, values: Mapping[str, Any]) -> Any:
        given = {"visibility": Visibility.PUBLIC, **values}
        return conversation.add_comment(self.parent(), actor=self.actor, at=timezone.now(), **given)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return conversation.edit_comment(record, actor=self.actor, at=timezone.now(), **values)

    def delete_record(self, record: Any) -> None:
        conversation.delete_comment(record, actor=self.actor, at=timezone.now())

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: Any, **keys: Any) -> Response:
        """Show a deleted comment again; 409 when it is not deleted."""
        no_input(request.data)
        return self.single(conversation.restore_comment(self.locked(request), actor=self.actor, at=timezone.now()))


class CommentEditSerializer(RecordSerializer):
    """What a comment said until `at`, and who changed it then."""

    class Meta:
        model = CommentEdit
        fields = ("id", "body", "edited_by", "at")
        read_only_fields = fields
        expandable: ClassVar[dict[str, Any]] = {"edited_by": (ColleagueSerializer, "users")}


class CommentEditViewSet(NestedViewSet):
    """Earlier words of a comment. They may have been internal once, so only those read them who read internal comments."""

    model = CommentEdit
    resource = conversation.INTERNAL
    http_method_names = ["get", "head", "options"]
    grants: ClassVar[Any] = {"list": Action.READ}
    serializer_class = CommentEditSerializer
    filterset_class = filters_for(CommentEdit, ("edited_by", "at"))
    orderings = ("at",)
    default_ordering = "at"
    is_exportable = False
    parent_key, parent_field = "comment_pk", "comment_id"

    def parents(self) -> Any:
        tickets = Ticket.objects.visible_to(self.actor).alive()
        ticket = the_one(tickets, lookup.id_of(self.kwargs["ticket_pk"], tickets, kinds.NUMBERS))
        if ticket is None or not rights.sees_internal(self.actor, ticket):
            return Comment.objects.none()
        return Comment.objects.visible_to(self.actor).alive().filter(ticket_id=ticket.pk)

    def visible(self) -> Any:
        return CommentEdit.objects.visible_to(self.actor).filter(comment_id=self.parent().pk)
