"""Rules that propose major incidents, over HTTP."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer, ReferringInput, strict_input
from apps.core.authorization import Action
from apps.incidents import candidates
from apps.incidents.models import MAX_INTERVAL_MINUTES, MIN_INTERVAL_MINUTES, MOST_CHILDREN, MajorRule
from apps.sla.api.escalation import ClausesField
from apps.tickets.api.configuration import CONFIGURED


class MajorRuleSerializer(RecordSerializer):
    """Which incidents become candidates by themselves; the first rule by position that holds decides."""

    match = ClausesField(required=False)
    position = strict.IntegerField(required=False, min_value=0, max_value=candidates.LAST_POSITION)
    more_children_than = strict.IntegerField(required=False, allow_null=True, min_value=0, max_value=MOST_CHILDREN)
    update_interval_minutes = strict.IntegerField(
        required=False, allow_null=True, min_value=MIN_INTERVAL_MINUTES, max_value=MAX_INTERVAL_MINUTES
    )

    class Meta:
        model = MajorRule
        fields = (
            "id", "name", "position", "is_active", "match", "more_children_than", "proposes", "commander",
            "communications_lead", "update_interval_minutes", "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE


class TrialInput(ReferringInput):
    """How many of the newest open incidents; and which rule alone, in force or not. Else those that are in force."""

    limit = strict.IntegerField(required=False, min_value=1, max_value=candidates.MOST_TRIED)
    rule = strict.ReferenceField(queryset=MajorRule.objects, required=False)


class FoundSerializer(serializers.Serializer[Any]):
    ticket = serializers.UUIDField(source="ticket.pk")
    number = serializers.CharField(source="ticket.number")
    title = serializers.CharField(source="ticket.title")
    priority = serializers.IntegerField(source="ticket.priority")
    rule = serializers.UUIDField(source="rule.pk")
    would_be_proposed = serializers.BooleanField(source="rule.proposes")


class MajorTrialSerializer(serializers.Serializer[Any]):
    looked_at = serializers.IntegerField()
    results = FoundSerializer(many=True)


class MajorRuleViewSet(RecordViewSet):
    """Rules in their order. None is in force until it is switched on; what was proposed stays proposed."""

    model = MajorRule
    resource = candidates.RESOURCE
    grants: ClassVar[Any] = {**CONFIGURED, "dry_run": Action.CONFIGURE}
    export_grant = Action.CONFIGURE
    serializer_class = MajorRuleSerializer
    filterset_class = filters_for(MajorRule, ("name", "position", "is_active", "proposes", "created_at", "updated_at"))
    orderings = ("position", "name", "created_at")
    default_ordering = "position"
    search_columns = ("name",)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return candidates.create(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return candidates.change(record, actor=self.actor, at=timezone.now(), values=values)

    @extend_schema(request=TrialInput, responses=MajorTrialSerializer)
    @action(detail=False, methods=["post"], url_path="dry-run")
    def dry_run(self, request: Request) -> Response:
        """Which of the newest open incidents the rules, or one of them alone, would propose. Nothing is changed."""
        given = strict_input(TrialInput(data=request.data, context={"actor": self.actor}))
        only = MajorRule.objects.filter(pk=given["rule_id"]).first() if "rule_id" in given else None
        limit = given.get("limit", candidates.USUAL_TRIAL)
        looked_at, hits = candidates.try_out(actor=self.actor, limit=limit, only=only)
        return Response(MajorTrialSerializer({"looked_at": looked_at, "results": hits}).data)
