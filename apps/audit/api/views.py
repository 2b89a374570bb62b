"""The event log and its undelivered part over HTTP: read, never written."""

from typing import Any

from django.db.models import QuerySet
from django_filters import filters
from django_filters.filterset import FilterSet
from rest_framework.request import Request
from rest_framework.response import Response

from apps.audit.api.serializers import DispatchSerializer, EventSerializer
from apps.audit.models import Dispatch, Event
from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet
from apps.core.authorization import Action
from apps.core.errors import NotFound


class LogViewSet(RecordViewSet):
    """Rows that nobody writes over HTTP, and that have no version of their own."""

    resource = "audit"
    http_method_names = ["get", "head", "options"]
    grants = {"list": Action.READ, "retrieve": Action.READ}

    def retrieve(self, request: Request, pk: Any) -> Response:
        row: Any = self.visible().filter(pk=self.record_id()).first()
        if row is None:
            raise NotFound
        return Response(self.represent_all([row])[0])


class EventViewSet(LogViewSet):
    """Everything that happened in the caller's organization."""

    model = Event
    serializer_class = EventSerializer
    filterset_class = filters_for(
        Event,
        (
            "name",
            "subject_type",
            "subject_id",
            "actor_kind",
            "actor_id",
            "at",
            "recorded_at",
            "request_id",
            "via",
            "is_historic",
        ),
    )
    orderings = ("at", "recorded_at")
    default_ordering = "-at"

    def retrieve(self, request: Request, pk: Any) -> Response:
        response = super().retrieve(request, pk)
        # An event has no version: it never changes.
        response["ETag"] = '"1"'
        return response


class DispatchFilter(FilterSet):
    """By state, which two columns tell, and by what is to be delivered to whom."""

    state = filters.ChoiceFilter(choices=[("waiting", "waiting"), ("dead", "dead")], method="in_state")
    event_id = filters.UUIDFilter()
    consumer = filters.CharFilter()

    class Meta:
        model = Dispatch
        fields: list[str] = []

    def in_state(self, queryset: QuerySet[Dispatch], name: str, value: str) -> QuerySet[Dispatch]:
        return queryset.filter(dead_at__isnull=value == "waiting")


class DispatchViewSet(LogViewSet):
    """Events on their way, or given up. What has arrived is not here; `manage.py replay_dispatches` tries the dead again."""

    model = Dispatch
    serializer_class = DispatchSerializer
    filterset_class = DispatchFilter
    orderings = ("next_at",)
    default_ordering = "-next_at"

    def visible(self) -> Any:
        return super().visible().filter(done_at=None)
