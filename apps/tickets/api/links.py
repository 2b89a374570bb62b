"""Links between tickets, as either end tells them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer, ReferringInput
from apps.core.api.versions import expected_version
from apps.core.authorization import Action, require
from apps.core.errors import Stale
from apps.tickets import kinds, relations
from apps.tickets.api.below import TicketPartViewSet
from apps.tickets.choices import LinkType
from apps.tickets.models import Link, Ticket

OUTWARD, INWARD = "outward", "inward"
WORDS = sorted({*LinkType.values, *relations.INVERSE.values()})


class LinkInput(ReferringInput):
    """Read as a sentence: this ticket <type> the ticket `to`."""

    type = strict.ChoiceField(choices=LinkType.choices)
    to = strict.ReferenceField(queryset=Ticket.objects)


class LinkSerializer(RecordSerializer):
    """A link, read from the ticket of the address; `inward` ones were made from the other end."""

    type = serializers.SerializerMethodField()
    direction = serializers.SerializerMethodField()
    to = serializers.SerializerMethodField()
    to_number = serializers.SerializerMethodField()
    to_title = serializers.SerializerMethodField()
    to_status = serializers.SerializerMethodField()

    class Meta:
        model = Link
        fields = (
            "id", "type", "direction", "to", "to_number", "to_title", "to_status", "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE

    @extend_schema_field({"type": "string", "enum": WORDS})
    def get_type(self, link: Any) -> str:
        return str(link.link_type if link.is_outward else relations.INVERSE[link.link_type])

    @extend_schema_field({"type": "string", "enum": [OUTWARD, INWARD]})
    def get_direction(self, link: Any) -> str:
        return OUTWARD if link.is_outward else INWARD

    @extend_schema_field({"type": "string", "format": "uuid"})
    def get_to(self, link: Any) -> Any:
        return other_end(link).pk

    @extend_schema_field({"type": "string"})
    def get_to_number(self, link: Any) -> str:
        return str(other_end(link).number)

    @extend_schema_field({"type": "string"})
    def get_to_title(self, link: Any) -> str:
        return str(other_end(link).title)

    @extend_schema_field({"type": "string"})
    def get_to_status(self, link: Any) -> str:
        return str(other_end(link).status)


def other_end(link: Any) -> Any:
    return link.to if link.is_outward else link.ticket


class LinkViewSet(TicketPartViewSet):
    """How a ticket hangs together with others that the caller may see."""

    model = Link
    resource = kinds.RESOURCE
    http_method_names = ["get", "post", "delete", "head", "options"]
    grants: ClassVar[Mapping[str, Action | None]] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        "create": Action.UPDATE,
        "destroy": Action.UPDATE,
    }
    serializer_class = LinkSerializer
    filterset_class = filters_for(Link, ("created_at",))
    orderings = ("created_at",)
    default_ordering = "created_at"

    def visible(self) -> Any:
        """Links of this ticket from either end; whoever may not see the other ticket sees no link to it."""
        here, seen = self.parent().pk, self.parents().values("pk")
        ends = Q(ticket_id=here, to_id__in=seen) | Q(to_id=here, ticket_id__in=seen)
        return Link.objects.visible_to(self.actor).filter(ends)

    def shaped(self, queryset: Any) -> Any:
        return super().shaped(queryset).select_related("ticket", "to")

    def represent_all(self, rows: list[Any]) -> list[Any]:
        for row in rows:
            row.is_outward = row.ticket_id == self.parent().pk
        return super().represent_all(rows)

    def check_reach(self, record: Any) -> None:
        require(self.actor, Action.UPDATE, self.resource, self.parent())

    @extend_schema(request=LinkInput)
    def create(self, request: Request, **keys: Any) -> Response:
        """Link this ticket to another; 409 `cycle` where it would stand above itself."""
        return super().create(request, **keys)

    def writer(self, request: Request, record: Any = None) -> Any:
        return LinkInput(data=request.data, context={"actor": self.actor})

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return relations.link(
            self.parent(), actor=self.actor, at=timezone.now(), link_type=values["type"], to_id=values["to_id"]
        )

    def locked(self, request: Request) -> Any:
        """The service locks both tickets, in their order, and finds out whether the link is still there. None ever changes."""
        version = expected_version(request, is_required=self.caller.requires_if_match)
        found = self.record()
        self.check_reach(found)
        if version is not None and found.version not in version:
            raise Stale(f"It is at version {found.version} now; read it again.", current_version=found.version)
        return found

    def delete_record(self, record: Any) -> None:
        relations.unlink(record, actor=self.actor, at=timezone.now())
