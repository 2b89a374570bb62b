"""What lives below a ticket, over HTTP: found by those who see the ticket, and hidden with it."""

from typing import Any, ClassVar

from rest_framework.request import Request

from apps.core import records
from apps.core.api.nested import NestedViewSet
from apps.core.api.versions import expected_version
from apps.core.errors import NotFound
from apps.tickets import conversation, kinds, services
from apps.tickets.choices import Visibility
from apps.tickets.models import Ticket

NUMBERS = frozenset({"INC", "REQ", "PRB", "CHG"})


class BelowTicket(NestedViewSet):
    """`/tickets/{id or number}/<records>/`. Which grant of the ticket a change takes, its service asks."""

    resource = kinds.RESOURCE
    parent_key, parent_field = "ticket_pk", "ticket_id"
    parent_prefixes = NUMBERS
    default_ordering = "created_at"

    def parents(self) -> Any:
        return Ticket.objects.visible_to(self.actor).alive()

    def visible(self) -> Any:
        return self.model._default_manager.visible_to(self.actor).filter(ticket_id=self.parent().pk)

    def check_reach(self, record: Any) -> None:
        """The grant is one on the ticket, and the service has asked for it."""


class Said(BelowTicket):
    """What is public or internal: comments and files."""

    said_by: ClassVar[str]

    def visible(self) -> Any:
        rows = super().visible()
        if not conversation.sees_internal(self.actor):
            rows = rows.filter(visibility=Visibility.PUBLIC)
        if self.action != "restore":
            return rows.alive()
        # Who may bring it back may know that it is there.
        is_all = conversation.changes_all(self.actor)
        return rows if is_all else rows.filter(**{self.said_by: self.actor.required_id})

    def locked(self, request: Request) -> Any:
        """The record of the URL, locked after its ticket as every service does it, at the version the caller read."""
        version = expected_version(request, is_required=self.caller.requires_if_match)
        services.lock(self.parent().pk, actor=self.actor)
        self.check_visible()
        record = records.lock(self.model, self.record_id(), actor=self.actor, expected_version=version)
        if record.is_deleted and self.action != "restore":
            raise NotFound
        return record
