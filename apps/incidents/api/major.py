"""Major incidents over HTTP."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.pagination import invalid_parameter
from apps.core.api.schema import IF_MATCH
from apps.core.api.serializers import ReferringInput, StrictInput, strict_input
from apps.core.authorization import Action
from apps.incidents import handover, major, report, report_text, standing
from apps.incidents.api.insight import PromisedUpdateSerializer, ReportSerializer, report_answer
from apps.incidents.api.serializers import IncidentSerializer
from apps.incidents.choices import HandoverOutcome, LeadRole
from apps.incidents.models import MAX_INTERVAL_MINUTES, MIN_INTERVAL_MINUTES, Incident
from apps.tickets.addresses import MAX_ADDRESS
from apps.tickets.api.serializers import ReasonInput
from apps.tickets.api.views import TicketActions
from apps.users.models import User

FORMATTED = frozenset({"format"})
# The report as a document: who makes it, and of what type it is.
DOCUMENTS: Mapping[str, tuple[Callable[[Incident, report.Report], str], str]] = {
    "markdown": (report_text.as_document, "text/markdown"),
    "html": (report_text.as_page, "text/html"),
}


class LeadInput(ReferringInput):
    """Why, and who leads it, who speaks, how often, and where those who work on it meet."""

    reason = strict.TextField(max_length=2000)
    commander = strict.ReferenceField(queryset=User.objects, required=False)
    communications_lead = strict.ReferenceField(queryset=User.objects, required=False)
    update_interval_minutes = strict.IntegerField(
        min_value=MIN_INTERVAL_MINUTES, max_value=MAX_INTERVAL_MINUTES, required=False
    )
    bridge_url = strict.TextField(max_length=MAX_ADDRESS, required=False)


class PaceInput(StrictInput):
    """Another interval, and why."""

    reason = strict.TextField(max_length=2000)
    update_interval_minutes = strict.IntegerField(min_value=MIN_INTERVAL_MINUTES, max_value=MAX_INTERVAL_MINUTES)


class BridgeInput(StrictInput):
    """Where those who work on it meet: an https address, or empty for nowhere."""

    bridge_url = strict.TextField(max_length=MAX_ADDRESS, allow_blank=True)


class HandOverInput(ReferringInput):
    """Which role, to whom, and why."""

    role = strict.ChoiceField(choices=LeadRole.choices)
    to = strict.ReferenceField(queryset=User.objects)
    reason = strict.TextField(max_length=2000)


class TakeOverInput(StrictInput):
    """Which role; and why, for who was not asked."""

    role = strict.ChoiceField(choices=LeadRole.choices)
    reason = strict.TextField(max_length=2000, required=False)


class DeclineInput(StrictInput):
    """Which role, and why not."""

    role = strict.ChoiceField(choices=LeadRole.choices)
    reason = strict.TextField(max_length=2000)


class HandoverSerializer(serializers.Serializer[Any]):
    """That somebody was asked to take a role over, and what they answered."""

    role = serializers.ChoiceField(choices=LeadRole.choices)
    holder = serializers.UUIDField(source="holder_id", allow_null=True)
    to = serializers.UUIDField(source="to_id")
    offered_by = serializers.UUIDField(source="offered_by_id", allow_null=True)
    reason = serializers.CharField()
    offered_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(choices=HandoverOutcome.choices)
    answer = serializers.CharField()


class MajorSerializer(serializers.Serializer[Any]):
    """How a major incident stands."""

    major_status = serializers.CharField(allow_blank=True)
    major_since = serializers.DateTimeField(allow_null=True)
    commander = serializers.UUIDField(source="commander_id", allow_null=True)
    communications_lead = serializers.UUIDField(source="communications_lead_id", allow_null=True)
    update_interval_minutes = serializers.IntegerField(allow_null=True)
    next_update_due_at = serializers.DateTimeField(allow_null=True)
    is_update_overdue = serializers.BooleanField()
    overdue_intervals = serializers.IntegerField(
        help_text="How many intervals have begun without the update that is due."
    )
    review_due_at = serializers.DateTimeField(allow_null=True)
    bridge_url = serializers.URLField(
        allow_null=True, help_text="Where those who work on it meet; null for everybody else."
    )
    updates: Any = PromisedUpdateSerializer(many=True)
    handovers: Any = HandoverSerializer(many=True)


class MajorActions(TicketActions):
    """The second life of an incident."""

    grants: ClassVar[Mapping[str, Action | None]] = {
        **TicketActions.grants,
        "propose_major": Action.UPDATE,
        "accept_major": Action.APPROVE,
        "reject_major": Action.APPROVE,
        "demote_major": Action.APPROVE,
        "major_report": Action.READ,
        "major": Action.READ,
        # For those who lead it, and those who approve: the service asks for that.
        "pace_major": Action.UPDATE,
        "bridge_major": Action.UPDATE,
        "hand_over": Action.UPDATE,
        "take_over": Action.UPDATE,
        "decline": Action.UPDATE,
    }

    def accepted_parameters(self) -> frozenset[str]:
        return FORMATTED if self.action == "major_report" else super().accepted_parameters()

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

    @extend_schema(responses=MajorSerializer)
    @action(detail=True, methods=["get"])
    def major(self, request: Request, pk: Any) -> Response:
        """How it stands: who leads it, when the next public update is due, what became of the others, who was asked to take over."""
        incident, at = self.whole(), timezone.now()
        return Response(MajorSerializer(standing.read(incident, actor=self.actor, at=at)).data)

    @extend_schema(request=PaceInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/pace")
    def pace_major(self, request: Request, pk: Any) -> Response:
        """Let public updates be due by another interval, counted from now on; for who leads it, speaks for it, or approves."""
        return self.move_major(request, major.pace, PaceInput)

    @extend_schema(request=BridgeInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/bridge")
    def bridge_major(self, request: Request, pk: Any) -> Response:
        """Let those who work on it meet at another address; for who leads it, speaks for it, or approves."""
        return self.move_major(request, major.bridge, BridgeInput)

    @extend_schema(request=HandOverInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/hand-over")
    def hand_over(self, request: Request, pk: Any) -> Response:
        """Ask somebody to take a role over; until they do nothing changes. For who leads it, speaks for it, or approves."""
        return self.move_major(request, handover.offer, HandOverInput)

    @extend_schema(request=TakeOverInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/take-over")
    def take_over(self, request: Request, pk: Any) -> Response:
        """Have a role from now on: whoever was asked; and who approves also unasked, with the reason."""
        return self.move_major(request, handover.take_over, TakeOverInput)

    @extend_schema(request=DeclineInput, responses=IncidentSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="major/decline")
    def decline(self, request: Request, pk: Any) -> Response:
        """Decline what the caller was asked for; or withdraw it. 409 `not_offered` where nobody is asked."""
        return self.move_major(request, handover.refuse, DeclineInput)

    @extend_schema(
        responses={
            200: ReportSerializer,
            (200, "text/markdown"): OpenApiTypes.STR,
            (200, "text/html"): OpenApiTypes.STR,
        },
        parameters=[OpenApiParameter("format", str, enum=list(DOCUMENTS), description="A document instead of JSON.")],
    )
    @action(detail=True, methods=["get"], url_path="major/report")
    def major_report(self, request: Request, pk: Any) -> Any:
        """Who led it, what happened, how long it took, and whether everybody was told in time."""
        incident = self.whole()
        wanted = self.query.get("format")
        if wanted is not None and wanted not in DOCUMENTS:
            raise invalid_parameter("format", f"Not a format; accepted: {', '.join(DOCUMENTS)}.", "invalid_choice")
        found = report.write(incident, actor=self.actor, at=timezone.now())
        if wanted is None:
            return Response(report_answer(incident, found))
        made, media_type = DOCUMENTS[wanted]
        return HttpResponse(made(incident, found), content_type=f"{media_type}; charset=utf-8")

    def whole(self) -> Incident:
        """The incident of the URL with its own row. Raises NotFound."""
        incident: Incident = self.reread(self.record())
        return incident
