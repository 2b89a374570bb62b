"""What lives below a ticket, over HTTP: found by those who see the ticket, and hidden with it."""

from typing import Any, ClassVar

from rest_framework.request import Request

from apps.core import records
from apps.core.actors import Actor
from apps.core.api.nested import NestedViewSet
from apps.core.api.versions import expected_version
from apps.core.authorization import require
from apps.core.errors import NotFound
from apps.tickets import conversation, kinds, rights, services
from apps.tickets.choices import Visibility
from apps.tickets.models import Ticket


class TicketPartViewSet(NestedViewSet):
    """`/tickets/{id or number}/<records>/`: records of one ticket that the caller may see, under grants of their own."""

    parent_key, parent_field = "ticket_pk", "ticket_id"
    parent_prefixes = kinds.NUMBERS
    # Where the role table lets nobody take them out as a file.
    is_exportable: ClassVar[bool] = False

    def parents(self) -> Any:
        return Ticket.objects.visible_to(self.actor).alive()

    def parent(self) -> Any:
        """The ticket of the URL, looked up once. Raises NotFound."""
        if "_ticket" not in vars(self):
            self._ticket = super().parent()
        return self._ticket

    def locked(self, request: Request) -> Any:
        """The part, after its ticket: the ticket's lock comes first wherever something below it changes."""
        self.check_visible()
        services.lock(self.parent().pk, actor=self.actor)
        return super().locked(request)


class BelowTicket(TicketPartViewSet):
    """What is guarded by the grants on its ticket: which one a change takes, its service asks."""

    resource = kinds.RESOURCE
    default_ordering = "created_at"
    is_exportable = True

    def visible(self) -> Any:
        return self.model._default_manager.visible_to(self.actor).filter(ticket_id=self.parent().pk)

    def exported(self, queryset: Any) -> Any:
        """All of it, where the grant reaches the ticket."""
        require(self.actor, self.export_grant, self.resource, self.parent())
        return queryset

    def check_reach(self, record: Any) -> None:
        """The grant is one on the ticket, and the service has asked for it."""


def readable(rows: Any, actor: Actor, ticket: Ticket) -> Any:
    """Of a ticket's comments or files those that somebody may read: internal ones are for those who work on it."""
    return rows if rights.sees_internal(actor, ticket) else rows.filter(visibility=Visibility.PUBLIC)


class Worked(TicketPartViewSet):
    """What those alone see who work on the ticket: time and tasks."""

    def visible(self) -> Any:
        return super().visible() if rights.works_on(self.actor, self.parent()) else self.model._default_manager.none()


class Said(BelowTicket):
    """What is public or internal: comments and files."""

    said_by: ClassVar[str]

    def shown(self, rows: Any) -> Any:
        """Of these, what is not deleted."""
        return rows.alive()

    def visible(self) -> Any:
        rows = readable(super().visible(), self.actor, self.parent())
        if self.action != "restore":
            return self.shown(rows)
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
