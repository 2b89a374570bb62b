"""Incidents over HTTP."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import pagination
from apps.core.api.serializers import RecordSerializer, strict_input
from apps.core.authorization import Action
from apps.incidents import duplicates, metrics, services
from apps.incidents.api.insight import (
    MetricsSerializer,
    SuspicionInput,
    SuspicionsSerializer,
    metrics_answer,
    suspicions_answer,
)
from apps.incidents.api.major import MajorActions
from apps.incidents.api.serializers import IncidentRowSerializer, IncidentSerializer
from apps.incidents.lifecycle import RESOURCE
from apps.incidents.models import Incident
from apps.tickets import relations
from apps.tickets.choices import Kind
from apps.tickets.kinds import PREFIXES

# Answered with rows of the base table (G4).
ROWS = frozenset({"list", "children"})
PAGED = frozenset({"page_size", "cursor", "fields"})


class ChildrenSerializer(serializers.Serializer[Any]):
    """A page of children."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results: Any = IncidentRowSerializer(many=True)


class IncidentViewSet(MajorActions):
    """Incidents, by id or number."""

    model: ClassVar[type[Any]] = Incident
    resource = RESOURCE
    kind = Kind.INCIDENT
    serializer_class = IncidentSerializer
    number_prefixes = frozenset({PREFIXES[Kind.INCIDENT]})
    grants: ClassVar[Mapping[str, Action | None]] = {
        **MajorActions.grants,
        "children": Action.READ,
        "metrics": Action.READ,
        "suspected_duplicates": Action.READ,
        # A requester would learn of others' incidents by typing.
        "suspect": Action.UPDATE,
    }

    def reader(self) -> type[RecordSerializer]:
        return IncidentRowSerializer if getattr(self, "action", "") in ROWS else IncidentSerializer

    def reread(self, ticket: Any) -> Any:
        return ticket if isinstance(ticket, Incident) else super().reread(ticket)

    def locked(self, request: Request) -> Any:
        """Below another parent it is hung as every link is made: one at a time, and what is above before what is below."""
        parent_id = _named_parent(request.data) if self.action == "partial_update" else None
        if parent_id is not None:
            self.check_visible()
            relations.lock_to_hang((self.record_id(),), parent_id, actor=self.actor)
        return super().locked(request)

    def bulk_record(self, pk: UUID, params: Mapping[str, Any]) -> Any:
        if params.get(services.PARENT) is not None:
            relations.lock_to_hang((pk,), params[services.PARENT], actor=self.actor)
        return super().bulk_record(pk, params)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return services.create(actor=self.actor, at=timezone.now(), values=values)

    def change_fields(self, ticket: Any, values: Mapping[str, Any], *, at: Any) -> Any:
        return services.change(self.reread(ticket), actor=self.actor, at=at, values=values)

    def accepted_parameters(self) -> frozenset[str]:
        return PAGED if self.action == "children" else super().accepted_parameters()

    @extend_schema(responses=ChildrenSerializer)
    @action(detail=True, methods=["get"])
    def children(self, request: Request, pk: Any) -> Response:
        """Its children as far as the caller may see them, oldest first."""
        below = self.visible().filter(parent_id=self.record().pk)
        page = pagination.paginate(below, "opened_at", request, self.query)
        return Response({"next": page.next, "previous": page.previous, "results": self.represent_all(page.rows)})

    @extend_schema(responses=MetricsSerializer)
    @action(detail=True, methods=["get"])
    def metrics(self, request: Request, pk: Any) -> Response:
        """How its handling measures, as of now."""
        incident = self.whole()
        return Response(metrics_answer(incident, metrics.measure(incident, at=timezone.now())))

    @extend_schema(responses=SuspicionsSerializer)
    @action(detail=True, methods=["get"], url_path="suspected-duplicates")
    def suspected_duplicates(self, request: Request, pk: Any) -> Response:
        """What it looked like when it was opened, of what the caller may see; most alike first."""
        found = duplicates.suspected(self.record(), among=self.visible())
        return Response(suspicions_answer(found, {"actor": self.actor}))

    @extend_schema(request=SuspicionInput, responses={200: SuspicionsSerializer})
    @action(detail=False, methods=["post"], url_path="suspected-duplicates")
    def suspect(self, request: Request) -> Response:
        """What an incident that is just being typed looks like; nothing is written."""
        given = strict_input(SuspicionInput(data=request.data, context={"actor": self.actor}))
        at, item_id = timezone.now(), given.get("configuration_item_id")
        found = duplicates.alike(self.visible(), title=given["title"], item_id=item_id, at=at)
        return Response(suspicions_answer(found, {"actor": self.actor}))


def _named_parent(body: Any) -> UUID | None:
    """What is no id is refused when the body is read."""
    named = body.get("parent") if isinstance(body, Mapping) else None
    try:
        return UUID(str(named)) if named else None
    except ValueError:
        return None
