"""What lives below a ticket, whatever its kind: `/tickets/{id or number}/…/`."""

from typing import Any, ClassVar

from rest_framework.request import Request

from apps.core.api.lookup import id_of
from apps.core.api.nested import NestedViewSet
from apps.core.api.record_views import the_one
from apps.core.errors import NotFound
from apps.tickets import services
from apps.tickets.models import Ticket

PREFIXES = frozenset({"INC", "REQ", "PRB", "CHG"})


class TicketPartViewSet(NestedViewSet):
    """Records of one ticket that the caller may see."""

    parent_key, parent_field = "ticket_pk", "ticket_id"
    # The role table lets nobody take these out as a file.
    is_exportable: ClassVar[bool] = False

    def parents(self) -> Any:
        return Ticket.objects.visible_to(self.actor).alive()

    def parent(self) -> Any:
        """The ticket of the URL, by id or number, looked up once. Raises NotFound."""
        if "_ticket" not in vars(self):
            tickets = self.parents()
            found = the_one(tickets, id_of(self.kwargs[self.parent_key], tickets, PREFIXES))
            if found is None:
                raise NotFound
            self._ticket = found
        return self._ticket

    def locked(self, request: Request) -> Any:
        """The part, after its ticket: the ticket's lock comes first wherever something below it changes."""
        self.check_visible()
        services.lock(self.parent().pk, actor=self.actor)
        return super().locked(request)
