"""Escalation over HTTP: policies and what they would do, the chains of a ticket, and saying that one comes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import lookup, strict
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.api.serializers import RecordSerializer, ReferringInput, strict_input
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.core.errors import NotFound
from apps.sla.api.policies import READ_OR_CONFIGURE
from apps.sla.api.policy_serializers import ENVELOPE, ConditionField, ObjectsField
from apps.sla.escalation import acknowledging, outlook, policies
from apps.sla.models import EscalationPolicy
from apps.tickets import kinds, rights
from apps.tickets.api.serializers import NoInput
from apps.tickets.models import Ticket


def _refuse_what_is_no_list(field: Any, data: Any) -> None:
    if not isinstance(data, list):
        field.fail("not_a_list")


class ClausesField(ConditionField):
    """A condition, which is a list; the service says what is wrong in it."""

    default_error_messages: ClassVar[Any] = {"not_a_list": "Not a list; accepted: a list of clauses."}

    def to_internal_value(self, data: Any) -> Any:
        _refuse_what_is_no_list(self, data)
        return super().to_internal_value(data)


class StepsField(ObjectsField):
    """Steps, which are a list; the service says what is wrong in them."""

    default_error_messages: ClassVar[Any] = {"not_a_list": "Not a list; accepted: a list of steps."}

    def to_internal_value(self, data: Any) -> Any:
        _refuse_what_is_no_list(self, data)
        return super().to_internal_value(data)


class EscalationPolicySerializer(RecordSerializer):
    """A chain: for which tickets it begins, and what happens step by step until somebody comes."""

    match = ClausesField(required=False)
    steps = StepsField(
        help_text='Each `{"after_minutes", "actions", "repeats"?, "repeat_minutes"?}`; minutes are counted from the step before.'
    )
    position = strict.IntegerField(min_value=0, max_value=1_000_000, required=False)

    class Meta:
        model = EscalationPolicy
        fields = (
            "id", "name", "description", "chain", "begins", "match", "steps", "calendar", "position", "is_active",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE


class PreviewInput(ReferringInput):
    """For which ticket."""

    ticket = strict.ReferenceField(queryset=Ticket.objects)


class CalledSerializer(serializers.Serializer[Any]):
    """Who would be told, how, and by which word they are meant."""

    user = serializers.UUIDField()
    name = serializers.CharField()
    how = serializers.ChoiceField(choices=["notice", "page"])
    word = serializers.CharField()


class PreviewStepSerializer(serializers.Serializer[Any]):
    step = serializers.IntegerField()
    at = serializers.DateTimeField()
    repeats_at: Any = serializers.ListField(child=serializers.DateTimeField())
    people: Any = CalledSerializer(many=True)
    does: Any = serializers.ListField(child=serializers.CharField())
    because: Any = serializers.ListField(
        child=serializers.CharField(), help_text="What is strange: nobody is there, or out."
    )


class PreviewSerializer(serializers.Serializer[Any]):
    """What would happen if nobody came from now on. Nothing of it is written."""

    policy = serializers.UUIDField()
    ticket = serializers.UUIDField()
    is_matching = serializers.BooleanField()
    results: Any = PreviewStepSerializer(many=True)


class EscalationPolicyViewSet(RecordViewSet):
    """Chains in their order. Those that have begun keep their steps; of one that is switched off they end."""

    model = EscalationPolicy
    resource = "sla"
    grants: ClassVar[Any] = {**READ_OR_CONFIGURE, "preview": Action.READ}
    serializer_class = EscalationPolicySerializer
    filterset_class = filters_for(
        EscalationPolicy, ("name", "chain", "begins", "is_active", "position", "created_at", "updated_at")
    )
    orderings = ("position", "name", "created_at")
    default_ordering = "position"
    search_columns = ("name", "description")
    export_grant = Action.CONFIGURE

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return policies.create(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return policies.change(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        policies.delete(record, actor=self.actor, at=timezone.now())

    @extend_schema(request=PreviewInput, responses=PreviewSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: Any) -> Response:
        """Who would be told of a ticket, step by step, if nobody came from now on; nothing is written."""
        policy = self.record()
        given = strict_input(PreviewInput(data=request.data, context={"actor": self.actor}))
        ticket = _ticket(given["ticket_id"], self.actor)
        return Response(outlook.preview(policy, ticket, at=timezone.now()))


def _ticket(pk: Any, actor: Any) -> Ticket:
    """One that the caller works on. Raises NotFound."""
    found: Ticket | None = the_one(Ticket.objects.visible_to(actor).alive(), pk)
    if found is None or not rights.works_on(actor, found):
        raise NotFound
    return found


class FiringSerializer(serializers.Serializer[Any]):
    step = serializers.IntegerField()
    round = serializers.IntegerField()
    due_at = serializers.DateTimeField()
    fired_at = serializers.DateTimeField()


class RunSerializer(serializers.Serializer[Any]):
    """One chain on the ticket."""

    id = serializers.UUIDField()
    policy = serializers.UUIDField()
    policy_name = serializers.CharField()
    because = serializers.CharField()
    began_at = serializers.DateTimeField()
    next_step = serializers.IntegerField(allow_null=True, help_text="From 1; null once it has ended.")
    steps = serializers.IntegerField()
    next_due_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    end_reason = serializers.CharField(allow_blank=True)
    firings: Any = FiringSerializer(many=True)


class TicketEscalationSerializer(serializers.Serializer[Any]):
    """Who has the ticket in hand, and what happens if nobody does."""

    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.UUIDField(allow_null=True)
    results: Any = RunSerializer(many=True)


class OfTicket(TenantView):
    """What is asked of one ticket by those who work on it."""

    model = Ticket
    resource = kinds.RESOURCE
    finds_hidden: ClassVar[frozenset[str]] = frozenset()

    def check_visible(self) -> None:
        self.ticket(self.kwargs["pk"])

    def ticket(self, pk: Any) -> Ticket:
        tickets = Ticket.objects.visible_to(self.actor).alive()
        found: Ticket | None = the_one(tickets, lookup.id_of(pk, tickets, kinds.NUMBERS))
        if found is None:
            raise NotFound
        return found


class TicketEscalationView(OfTicket):
    """The chains of one ticket."""

    grants: ClassVar[Any] = {"get": Action.READ}

    @extend_schema(responses=TicketEscalationSerializer)
    def get(self, request: Request, pk: Any) -> Response:
        """For those who work on it; whoever asked for it, or watches it, sees none."""
        ticket = self.ticket(pk)
        if not rights.works_on(self.actor, ticket):
            return Response({"acknowledged_at": None, "acknowledged_by": None, "results": []})
        return Response(outlook.of_ticket(ticket))


class AcknowledgeView(OfTicket):
    """Saying that one comes."""

    grants: ClassVar[Any] = {"post": Action.UPDATE}

    @extend_schema(request=NoInput, responses=TicketEscalationSerializer)
    def post(self, request: Request, pk: Any) -> Response:
        """I have it in hand: its chains end, and nobody else is called. Saying it twice changes nothing."""
        strict_input(NoInput(data=request.data))
        ticket = acknowledging.acknowledge(self.ticket(pk), actor=self.actor, at=timezone.now())
        return Response(outlook.of_ticket(ticket))
