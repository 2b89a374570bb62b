"""Timers over HTTP: read, and given another deadline by hand."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import lookup
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.api.serializers import strict_input
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.core.errors import NotFound
from apps.sla import explaining, timers
from apps.sla.api.serializers import (
    OF_TICKET,
    DeadlineInput,
    TicketTimersSerializer,
    TimerExplanationSerializer,
    TimerSerializer,
)
from apps.sla.choices import Agreement
from apps.sla.models import Timer
from apps.tickets import kinds, rights
from apps.tickets.models import Ticket

BESIDE = ("version", "calendar_version")


class TimerViewSet(RecordViewSet):
    """Timers of the tickets that the caller sees, whatever became of them."""

    model = Timer
    resource = "sla"
    http_method_names = ["get", "post", "head", "options"]
    grants: ClassVar[Any] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        "explain": Action.READ,
        "deadline": Action.CONFIGURE,
    }
    serializer_class = TimerSerializer
    filterset_class = filters_for(
        Timer,
        (
            "ticket",
            "metric",
            "agreement",
            "stage",
            "version",
            "team",
            "started_at",
            "ended_at",
            "due_at",
            "breached_at",
        ),
    )
    orderings = ("started_at",)
    default_ordering = "-started_at"
    export_grant = Action.CONFIGURE

    def visible(self) -> Any:
        return Timer.objects.of_visible_tickets(self.actor, Ticket.objects.all()).select_related(*BESIDE)

    def retrieve(self, request: Request, pk: Any) -> Response:
        return Response(self.represent_all([self.record()])[0])

    @extend_schema(responses=TimerExplanationSerializer)
    @action(detail=True, methods=["get"])
    def explain(self, request: Request, pk: Any) -> Response:
        """Every stretch, by which rule it began, and what of it was counted by which version of the calendar."""
        return Response(explaining.explain(self.record(), timezone.now()))

    @extend_schema(request=DeadlineInput, responses=TimerSerializer)
    @action(detail=True, methods=["post"])
    def deadline(self, request: Request, pk: Any) -> Response:
        """Promise another deadline. Pauses do not move it unless it is floating; a breach until now stays."""
        timer, given = self.record(), strict_input(DeadlineInput(data=request.data))
        timers.set_deadline(timer, actor=self.actor, at=timezone.now(), **given)
        return Response(self.represent_all([self.record()])[0])


class TicketTimersView(TenantView):
    """The timers of one ticket: all for those who work on it, what was promised to them for its requester and watchers."""

    model = Ticket
    resource = kinds.RESOURCE
    grants: ClassVar[Any] = {"get": Action.READ}

    @extend_schema(responses=TicketTimersSerializer)
    def get(self, request: Request, pk: Any) -> Response:
        """In the order in which they began."""
        tickets = Ticket.objects.visible_to(self.actor).alive()
        ticket = the_one(tickets, lookup.id_of(pk, tickets, kinds.NUMBERS))
        if ticket is None:
            raise NotFound
        found = Timer.objects.filter(ticket_id=ticket.pk).select_related(*BESIDE)
        if not rights.works_on(self.actor, ticket):
            found = found.filter(agreement=Agreement.SLA)
        serializer = TimerSerializer(context={"actor": self.actor, "fields": OF_TICKET, "now": timezone.now()})
        rows = found.order_by("started_at", "metric", "sequence")
        return Response({"results": [serializer.to_representation(timer) for timer in rows]})
