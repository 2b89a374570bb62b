"""Which open incidents a new one looks like: a hint for agents, never a decision."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.postgres.search import TrigramSimilarity
from django.db.models import Q, QuerySet

from apps.core.events import Fact, after
from apps.incidents.models import DuplicateSuspicion, Incident
from apps.tickets.choices import Kind
from apps.tickets.models import Ticket

WINDOW = timedelta(days=7)
# Of an organization with more open incidents than this, only the newest are looked at.
MOST_COMPARED = 500
MOST_SUSPECTED = 5
# Trigram similarity of the titles, 0 to 1; with the same configuration item less is enough.
ALIKE, ALIKE_ON_SAME_ITEM = 0.45, 0.30


@dataclass(frozen=True, slots=True)
class Likeness:
    """An incident that looks like another one, and how much (percent)."""

    ticket: Ticket
    percent: int
    is_same_item: bool


@after("incident.created", consumer="incidents.duplicates")
def suspect(event: Fact) -> None:
    """Write down what the new incident looks like; once, however often the event is delivered."""
    incident = Ticket.objects.alive().filter(pk=event.subject_id).first()
    if incident is None:
        return
    earlier = Ticket.objects.exclude(pk=incident.pk).filter(opened_at__lte=incident.opened_at)
    found = alike(earlier, title=incident.title, item_id=incident.configuration_item_id, at=incident.opened_at)
    DuplicateSuspicion.objects.bulk_create(
        (
            DuplicateSuspicion(
                organization_id=incident.organization_id,
                incident_id=incident.pk,
                other_id=likeness.ticket.pk,
                percent=likeness.percent,
                is_same_item=likeness.is_same_item,
                created_at=event.at,
            )
            for likeness in found
        ),
        ignore_conflicts=True,
    )


def alike(among: "QuerySet[Ticket]", *, title: str, item_id: UUID | None, at: datetime) -> list[Likeness]:
    """The open incidents of the week before `at` (UTC) that look most like one of that title on that item."""
    recent = among.of_kind(Kind.INCIDENT).alive().open().filter(opened_at__gte=at - WINDOW)  # type: ignore[attr-defined]
    newest = recent.order_by("-opened_at", "-id").values("pk")[:MOST_COMPARED]
    compared = Ticket.objects.filter(pk__in=newest).annotate(likeness=TrigramSimilarity("title", title))
    is_alike = Q(likeness__gte=ALIKE)
    if item_id is not None:
        is_alike |= Q(likeness__gte=ALIKE_ON_SAME_ITEM, configuration_item_id=item_id)
    found = compared.filter(is_alike).order_by("-likeness", "-opened_at", "-id")[:MOST_SUSPECTED]
    return [
        Likeness(ticket, round(ticket.likeness * 100), item_id is not None and ticket.configuration_item_id == item_id)
        for ticket in found
    ]


def suspected(incident: Incident, among: "QuerySet[Ticket]") -> Iterable[Likeness]:
    """What was suspected when it came, most alike first, of those tickets in `among`."""
    rows = DuplicateSuspicion.objects.filter(incident_id=incident.pk, other__in=among).select_related("other")
    return [
        Likeness(row.other, row.percent, row.is_same_item)
        for row in rows.order_by("-percent", "-other__opened_at", "-other_id")
    ]
