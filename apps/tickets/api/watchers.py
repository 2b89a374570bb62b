"""Watchers of a ticket over HTTP. They are added and removed, never changed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import filters_for
from apps.core.api.serializers import RecordSerializer
from apps.core.authorization import Action
from apps.core.errors import NotFound
from apps.tickets import services, watching
from apps.tickets.api.below import BelowTicket
from apps.tickets.models import Watcher
from apps.users.api.availability import ColleagueSerializer


class WatcherSerializer(RecordSerializer):
    """Somebody who follows the ticket."""

    class Meta:
        model = Watcher
        fields = ("id", "user", "created_at")
        read_only_fields = ("id", "created_at")
        expandable: ClassVar[dict[str, Any]] = {"user": (ColleagueSerializer, "users")}


class WatcherViewSet(BelowTicket):
    """Who follows a ticket: they see it like its requester."""

    model = Watcher
    serializer_class = WatcherSerializer
    filterset_class = filters_for(Watcher, ("user", "created_at"))
    orderings = ("created_at",)
    http_method_names = ["get", "post", "delete", "head", "options"]
    grants: ClassVar[Any] = {
        "list": Action.READ,
        "retrieve": Action.READ,
        "create": Action.PARTICIPATE,
        "destroy": Action.PARTICIPATE,
    }

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return watching.watch(self.parent(), actor=self.actor, at=timezone.now(), user_id=values["user_id"])

    def locked(self, request: Request) -> Any:
        """After its ticket, as every service locks; it has no version that anybody could have read."""
        services.lock(self.parent().pk, actor=self.actor)
        watcher = self.visible().select_for_update(of=("self",)).filter(pk=self.record_id()).first()
        if watcher is None:
            raise NotFound
        return watcher

    def delete_record(self, record: Any) -> None:
        watching.unwatch(record, actor=self.actor, at=timezone.now())

    def single(self, record: Any, *, status: int = 200, location: str = "") -> Response:
        # It never changes, so it is always at its first version.
        headers = {"ETag": '"1"'} | ({"Location": location} if location else {})
        return Response(self.represent_all([record])[0], status=status, headers=headers)
