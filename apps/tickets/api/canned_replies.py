"""Canned replies over HTTP: who configures templates writes them, who reads templates uses them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer, ReferringInput, strict_input
from apps.core.authorization import Action
from apps.core.errors import FieldError, Invalid
from apps.organizations.api.serializers import TeamSerializer
from apps.tickets import canned_replies
from apps.tickets.choices import Visibility
from apps.tickets.models import CannedReply, Ticket


class CannedReplySerializer(RecordSerializer):
    """A prepared comment; `{{ ticket.number }}` and the like are filled in when it is used. Without a team: for all of them."""

    class Meta:
        model = CannedReply
        fields = ("id", "name", "body", "visibility", "team", "is_active", *ENVELOPE[1:])
        read_only_fields = ENVELOPE
        expandable: ClassVar[dict[str, Any]] = {"team": (TeamSerializer, "teams")}


class RenderInput(ReferringInput):
    ticket = strict.ReferenceField(queryset=Ticket.objects)


class RenderedSerializer(serializers.Serializer[Any]):
    """As `POST /tickets/{id}/comments/` takes it."""

    body = serializers.CharField()
    visibility = serializers.ChoiceField(choices=Visibility.choices)


class CannedReplyViewSet(RecordViewSet):
    """Prepared comments of the organization."""

    model = CannedReply
    resource = "templates"
    serializer_class = CannedReplySerializer
    filterset_class = filters_for(CannedReply, ("name", "visibility", "team", "is_active", "created_at", "updated_at"))
    orderings = ("name", "created_at")
    default_ordering = "name"
    search_columns = ("name", "body")
    grants: ClassVar[Any] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        "render": Action.READ,
        "create": Action.CONFIGURE,
        "partial_update": Action.CONFIGURE,
        "destroy": Action.CONFIGURE,
    }
    export_grant = Action.CONFIGURE

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return canned_replies.create(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return canned_replies.change(record, actor=self.actor, at=timezone.now(), values=values)

    @extend_schema(request=RenderInput, responses=RenderedSerializer)
    @action(detail=True, methods=["post"])
    def render(self, request: Request, pk: Any) -> Response:
        """The reply filled in for one ticket that the caller sees; nothing is said yet."""
        reply = self.record()
        given = strict_input(RenderInput(data=request.data, context={"actor": self.actor}))
        ticket = the_one(
            Ticket.objects.visible_to(self.actor).alive().select_related("requester", "assignee", "team"),
            given["ticket_id"],
        )
        if ticket is None:
            raise Invalid(errors=[FieldError("/ticket", "does_not_exist", f"{given['ticket_id']} does not exist.")])
        body = canned_replies.render(reply, ticket, actor=self.actor)
        return Response({"body": body, "visibility": reply.visibility})
