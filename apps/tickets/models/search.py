"""What a ticket is found by."""

from django.contrib.postgres.search import SearchVectorField
from django.db import models

from apps.core.fields import TenantForeignKey
from apps.core.models import TenantModel
from apps.tickets.models.ticket import Ticket


class SearchDocument(TenantModel):
    """The words of one ticket: those that everybody who sees it may find it by, and those of internal notes as well.

    `public_words`: number and title (weight A), description (B), public comments (C). `all_words`: internal comments too.
    Kept by `tickets.search`; asked through a walled function, because row-level security takes away the GIN index.
    """

    ticket = TenantForeignKey["Ticket", "Ticket"](
        Ticket, models.CASCADE, related_name="search_documents", db_index=False
    )
    kind = models.CharField(max_length=20)
    public_words = SearchVectorField()
    all_words = SearchVectorField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "ticket"], name="search_document_once")]

    def __str__(self) -> str:
        return f"words of {self.ticket_id}"
