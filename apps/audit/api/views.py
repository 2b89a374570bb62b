"""The event log over HTTP: read, never written."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.audit.api.serializers import EventSerializer
from apps.audit.models import Event
from apps.core.api.filters import filters_for
from apps.core.api.views import RecordViewSet
from apps.core.authorization import Action
from apps.core.errors import NotFound


class EventViewSet(RecordViewSet):
    """Everything that happened in the caller's organization."""

    model = Event
    resource = "audit"
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
    http_method_names = ["get", "head", "options"]
    grants = {"list": Action.READ, "retrieve": Action.READ}

    def retrieve(self, request: Request, pk: Any) -> Response:
        event: Any = self.visible().filter(pk=self.record_id()).first()
        if event is None:
            raise NotFound
        # An event has no version: it never changes.
        return Response(self.represent_all([event])[0], headers={"ETag": '"1"'})
