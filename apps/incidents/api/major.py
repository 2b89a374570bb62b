"""Major incidents over HTTP."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.schema import IF_MATCH
from apps.core.api.serializers import ReferringInput, StrictInput, strict_input
from apps.core.authorization import Action
from apps.incidents import major, report
from apps.incidents.api.insight import ReportSerializer, report_answer
from apps.incidents.api.serializers import IncidentSerializer
from apps.incidents.models import MAX_INTERVAL_MINUTES, MIN_INTERVAL_MINUTES, Incident
from apps.tickets.api.serializers import ReasonInput
from apps.tickets.api.views import TicketActions
from apps.users.models import User


class LeadInput(ReferringInput):
    """Why, and who leads it, who speaks, how often."""

    reason = strict.TextField(max_length=2000)
    commander = strict.ReferenceField(queryset=User.objects, required=False)
    communications_lead = strict.ReferenceField(queryset=User.objects, required=False)
    update_interval_minutes = strict.IntegerField(
        min_value=MIN_INTERVAL_MINUTES, max_value=MAX_INTERVAL_MINUTES, required=False
    )


class MajorActions(TicketActions):
    """The second life of an incident."""

    grants: ClassVar[Mapping[str, Action | None]] = {
        **TicketActions.grants,
        "propose_major": Action.UPDATE,
        "accept_major": Action.APPROVE,
        "reject_major": Action.APPROVE,
        "demote_major": Action.APPROVE,
        "major_report": Action.READ,
    }

    def move_major(self, request: Request, verb: Callable[..., Incident], reader: type[StrictInput]) -> Response:
        ticket = self.locked(request)
        given = strict_input(reader(data=request.data, context={"actor": self.actor}))
        return self.answer_with(verb(ticket, actor=self.actor, at=timezone.now(), **given))

    @extend_schema(request=LeadInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/propose")
    def propose_major(self, request: Request, pk: Any) -> Response:
        """Ask for it to become a major incident; who would lead it may be named already."""
        return self.move_major(request, major.propose, LeadInput)

    @extend_schema(request=LeadInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/accept")
    def accept_major(self, request: Request, pk: Any) -> Response:
        """Make it a major incident: priority 1, led by the commander (the caller unless named), updates every 30 minutes."""
        return self.move_major(request, major.accept, LeadInput)

    @extend_schema(request=ReasonInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/reject")
    def reject_major(self, request: Request, pk: Any) -> Response:
        """It stays an incident like others."""
        return self.move_major(request, major.reject, ReasonInput)

    @extend_schema(request=ReasonInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/demote")
    def demote_major(self, request: Request, pk: Any) -> Response:
        """It is a major incident no more; its priority and who led it stay."""
        return self.move_major(request, major.demote, ReasonInput)

    @extend_schema(responses=ReportSerializer)
    @action(detail=True, methods=["get"], url_path="major/report")
    def major_report(self, request: Request, pk: Any) -> Response:
        """Who led it, what happened, how long it took, and whether everybody was told in time."""
        incident = self.whole()
        return Response(report_answer(incident, report.write(incident, actor=self.actor, at=timezone.now())))

    def whole(self) -> Incident:
        """The incident of the URL with its own row. Raises NotFound."""
        incident: Incident = self.reread(self.record())
        return incident
