"""Assignment over HTTP: rules with a dry run, the teams' queues, and what waits in them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import strict
from apps.core.api.filters import filters_for
from apps.core.api.pagination import invalid_parameter
from apps.core.api.resources import ENVELOPE
from apps.core.api.serializers import RecordSerializer, ReferringInput, StrictInput, strict_input
from apps.core.api.views import TenantView
from apps.core.authorization import Action
from apps.core.errors import FieldError
from apps.organizations.api.serializers import TeamSerializer
from apps.organizations.models import Team
from apps.tickets import kinds, rights
from apps.tickets.api.configuration import CONFIGURED, ConfigurationViewSet
from apps.tickets.assignment import configuring, dry_runs, rules, waiting
from apps.tickets.choices import Destination, Priority
from apps.tickets.models import AssignmentQueue, AssignmentRule, Ticket

RESOURCE = "assignment_rules"
MOST_WAITING = 200
LARGEST_POSITION = 2_147_483_647

MATCH = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {}},
    "description": f"Every field named must hold, by one of its values: {', '.join(rules.FIELDS)}. {{}}: every ticket.",
    "example": {"priority": [1, 2], "source": ["phone"]},
}
SKILLS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "skill": {"type": "string", "format": "uuid"},
            "level": {"type": "integer", "minimum": 1, "maximum": 5},
            "is_required": {"type": "boolean"},
        },
        "required": ["skill"],
    },
    "description": "What whoever gets it should be good at.",
}
MINUTES = {
    "type": "object",
    "additionalProperties": {"type": "integer"},
    "description": "By priority, how long somebody may take to accept; one that is not named: as long as they like.",
    "example": {"1": 5, "2": 15, "3": 60},
}


class CheckedField(serializers.Field[Any, Any, Any, Any], ABC):
    """JSON that the domain checks as a whole, with pointers to what is wrong in it; what it names the service looks up."""

    @abstractmethod
    def faults(self, data: Any) -> list[FieldError]:
        """All that is wrong with its form."""

    def to_internal_value(self, data: Any) -> Any:
        errors = self.faults(data)
        if errors:
            raise serializers.ValidationError(_nested(errors))
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def _nested(errors: list[FieldError]) -> Any:
    """Below the field's own name, as serializers nest them."""
    found: dict[str, Any] = {}
    for error in errors:
        steps = error.pointer.strip("/").split("/")[1:]
        detail = [serializers.ErrorDetail(error.detail, error.code)]
        if not steps:
            return detail
        below = found
        for step in steps[:-1]:
            below = below.setdefault(step, {})
        below[steps[-1]] = detail
    return found


@extend_schema_field(MATCH)
class MatchField(CheckedField):
    """Which tickets."""

    def faults(self, data: Any) -> list[FieldError]:
        return rules.wrong_match(data)


@extend_schema_field(SKILLS)
class SkillsField(CheckedField):
    """Which people."""

    def faults(self, data: Any) -> list[FieldError]:
        return rules.wrong_skills(data)


@extend_schema_field(MINUTES)
class MinutesField(CheckedField):
    """How long they may take."""

    def faults(self, data: Any) -> list[FieldError]:
        return configuring.wrong_minutes(data)


class AssignmentRuleSerializer(RecordSerializer):
    """Which tickets go to which team; the first rule by position that holds decides."""

    match = MatchField(required=False)
    skills = SkillsField(required=False)
    position = strict.IntegerField(required=False, min_value=0, max_value=LARGEST_POSITION)

    class Meta:
        model = AssignmentRule
        fields = (
            "id", "name", "position", "is_active", "match", "destination", "team", "skills",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE
        expandable: ClassVar[dict[str, Any]] = {"team": (TeamSerializer, "teams")}


class DraftRuleInput(ReferringInput):
    """A rule that is not there yet; with `replaces` in the place of one that is."""

    match = MatchField(required=False)
    destination = strict.ChoiceField(choices=Destination.choices, required=False)
    team: Any = strict.ReferenceField(queryset=Team.objects.all(), required=False, allow_null=True)
    position = strict.IntegerField(required=False, min_value=0, max_value=LARGEST_POSITION)
    replaces: Any = strict.ReferenceField(
        queryset=AssignmentRule.objects.all(),
        required=False,
        allow_null=True,
        help_text="Which rule it is tried instead of, at that one's position unless it names another.",
    )


class RuleTrialInput(StrictInput):
    """How many of the newest tickets, and which rule is tried beside those that are in force."""

    limit = strict.IntegerField(required=False, min_value=1, max_value=dry_runs.MOST_TICKETS)
    rule = DraftRuleInput(required=False)


class RoutedSerializer(serializers.Serializer[Any]):
    ticket = serializers.UUIDField(source="ticket_id")
    number = serializers.CharField()
    title = serializers.CharField()
    team = serializers.UUIDField(source="team_id", allow_null=True, help_text="Which has it now.")
    would_be = serializers.UUIDField(
        source="would_be_id", allow_null=True, help_text="To which the rules would send it."
    )
    rule = serializers.UUIDField(
        source="rule_id", allow_null=True, help_text="null for the draft, and where none holds."
    )
    is_by_draft = serializers.BooleanField()


class RuleHitsSerializer(serializers.Serializer[Any]):
    rule = serializers.UUIDField(source="rule_id", allow_null=True, help_text="null for the draft.")
    name = serializers.CharField()
    tickets = serializers.IntegerField()


class RuleTrialSerializer(serializers.Serializer[Any]):
    looked_at = serializers.IntegerField()
    unmatched = serializers.IntegerField(help_text="For which no rule holds.")
    moved = serializers.IntegerField(help_text="Which would go to another team than has them now.")
    rules = RuleHitsSerializer(many=True)
    results = RoutedSerializer(many=True)


class AssignmentRuleViewSet(ConfigurationViewSet):
    """Rules that find the team of a new ticket which names none."""

    model = AssignmentRule
    resource = RESOURCE
    grants: ClassVar[Any] = {**CONFIGURED, "dry_run": Action.CONFIGURE}
    serializer_class = AssignmentRuleSerializer
    filterset_class = filters_for(
        AssignmentRule, ("name", "position", "is_active", "destination", "team", "created_at", "updated_at")
    )
    orderings = ("position", "name", "created_at")
    default_ordering = "position"
    search_columns = ("name",)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return configuring.create_rule(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return configuring.change_rule(record, actor=self.actor, at=timezone.now(), values=values)

    @extend_schema(request=RuleTrialInput, responses=RuleTrialSerializer)
    @action(detail=False, methods=["post"], url_path="dry-run")
    def dry_run(self, request: Request) -> Response:
        """Where the rules, with a draft among them if one is given, would send the newest tickets. Nothing is changed."""
        given = strict_input(RuleTrialInput(data=request.data, context={"actor": self.actor}))
        found = dry_runs.dry_run(actor=self.actor, draft=given.get("rule"), limit=given.get("limit", dry_runs.USUAL))
        return Response(RuleTrialSerializer(found).data)


class AssignmentQueueSerializer(RecordSerializer):
    """How one team's tickets find their person."""

    accept_minutes = MinutesField(required=False)

    class Meta:
        model = AssignmentQueue
        fields = (
            "id", "team", "is_active", "method", "needs_presence", "needs_shift", "counts_on_hold", "accept_minutes",
            "most_tries", "hands_back", "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = ENVELOPE
        expandable: ClassVar[dict[str, Any]] = {"team": (TeamSerializer, "teams")}


class AssignmentQueueViewSet(ConfigurationViewSet):
    """Teams that give their work out by themselves, and how. A team that is not among them does it by hand."""

    model = AssignmentQueue
    resource = RESOURCE
    serializer_class = AssignmentQueueSerializer
    filterset_class = filters_for(AssignmentQueue, ("team", "is_active", "method", "created_at", "updated_at"))
    orderings = ("created_at",)
    default_ordering = "created_at"

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return configuring.create_queue(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return configuring.change_queue(record, actor=self.actor, at=timezone.now(), values=values)


class WaitingSerializer(serializers.Serializer[Any]):
    ticket = serializers.UUIDField()
    number = serializers.CharField()
    title = serializers.CharField()
    priority = serializers.ChoiceField(choices=Priority.choices)
    team = serializers.UUIDField()
    waiting_since = serializers.DateTimeField()
    waited_seconds = serializers.IntegerField()
    why = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="How many of the team each reason keeps from it; `eligible` could take it. For those who work on it.",
    )


class QueueAgeSerializer(serializers.Serializer[Any]):
    team = serializers.UUIDField(source="team_id")
    count = serializers.IntegerField()
    since = serializers.DateTimeField()
    oldest_seconds = serializers.IntegerField()


@extend_schema_serializer(many=False)
class WaitingListSerializer(serializers.Serializer[Any]):
    """The first 200 of what waits, in the order in which it is given out, and of each team how much that is and how old.

    Of the teams only those on whose tickets the caller works.
    """

    results = WaitingSerializer(many=True)
    teams = QueueAgeSerializer(many=True)


class WaitingView(TenantView):
    """Tickets that wait in their team's queue, because nobody is eligible."""

    resource = kinds.RESOURCE
    grants: ClassVar[Any] = {"get": Action.READ}
    parameters = frozenset({"team"})

    @extend_schema(
        responses=WaitingListSerializer, parameters=[OpenApiParameter("team", str, description="Of this team alone.")]
    )
    def get(self, request: Request) -> Response:
        """Of the tickets that the caller sees."""
        at = timezone.now()
        tickets = Ticket.objects.visible_to(self.actor)
        if "team" in self.query:
            team_id = rules.as_id(self.query["team"])
            if team_id is None:
                raise invalid_parameter("team", "Not an id; accepted: a UUID.", "invalid")
            tickets = tickets.filter(team_id=team_id)
        found = waiting.waiting(tickets).order_by("priority", "opened_at", "id")
        rows = list(found[:MOST_WAITING])
        worked_on = rights.works_on_each(self.actor, rows)
        why = waiting.reasons([row for row in rows if row.pk in worked_on], at)
        results = [
            {
                "ticket": row.pk,
                "number": row.number,
                "title": row.title,
                "priority": row.priority,
                "team": row.team_id,
                "waiting_since": row.waiting_since,
                "waited_seconds": waiting.seconds(row.waiting_since, at),
                **({"why": why.get(row.pk, {})} if row.pk in worked_on else {}),
            }
            for row in rows
        ]
        teams = {row.team_id for row in rows if row.pk in worked_on}
        if not all(rights.reads_all(self.actor, resource) for resource in kinds.resources().values()):
            tickets = tickets.filter(team_id__in=teams)
        ages = QueueAgeSerializer(waiting.ages(tickets, at), many=True).data
        return Response({"results": results, "teams": ages})
