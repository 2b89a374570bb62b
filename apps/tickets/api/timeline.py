"""Everything that happened to a ticket, in order, over HTTP."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import lookup, pagination
from apps.core.api.record_views import the_one
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.core.errors import NotFound
from apps.tickets import kinds, timeline
from apps.tickets.choices import Visibility
from apps.tickets.models import Ticket


class WhoSerializer(serializers.Serializer[Any]):
    """Whoever did it, by the name they had then; the platform itself has no id."""

    id = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()


class ToldCommentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    body = serializers.CharField()
    html = serializers.CharField()


class ToldFileSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    name = serializers.CharField()


class TimelineEntrySerializer(serializers.Serializer[Any]):
    """One fact: `changes` has of each field the value before and after; a comment's words are as they stand now."""

    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    actor = WhoSerializer()
    event = serializers.CharField()
    summary = serializers.CharField()
    changes = serializers.DictField(child=serializers.ListField(child=serializers.JSONField()))
    comment = ToldCommentSerializer(allow_null=True)
    attachment = ToldFileSerializer(allow_null=True)
    assignment = serializers.DictField(
        child=serializers.JSONField(),
        allow_null=True,
        help_text="Who was considered when it was assigned, and why not; for those who work on it.",
    )


class TimelineSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = TimelineEntrySerializer(many=True)


class TimelineView(TenantView):
    """What happened to a ticket: everything for those who work on it, public facts for its requester and watchers."""

    model = Ticket
    resource = kinds.RESOURCE
    grants: ClassVar[Any] = {"get": Action.READ}
    parameters = frozenset({"cursor", "page_size"})

    @extend_schema(
        parameters=[
            OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
            OpenApiParameter("cursor", str, description="From `next` or `previous`, as given."),
        ],
        responses=TimelineSerializer,
    )
    def get(self, request: Request, pk: Any) -> Response:
        """Oldest first."""
        tickets = Ticket.objects.visible_to(self.actor).alive()
        ticket = the_one(tickets, lookup.id_of(pk, tickets, kinds.NUMBERS))
        if ticket is None:
            raise NotFound
        page = pagination.paginate(timeline.facts(ticket, self.actor), "at", request, self.query)
        results = timeline.told(page.rows, ticket, self.actor)
        return Response({"next": page.next, "previous": page.previous, "results": results})
