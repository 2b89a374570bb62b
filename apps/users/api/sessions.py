"""Where somebody is signed in, and how they end it from afar."""

from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import filters_for
from apps.core.api.serializers import RecordSerializer
from apps.core.api.views import RecordViewSet
from apps.users import services
from apps.users.models import Session


class SessionSerializer(RecordSerializer):
    """One sign-in on one device."""

    is_current = serializers.SerializerMethodField()

    class Meta:
        model = Session
        fields = ("id", "created_at", "rotated_at", "idle_until", "absolute_until", "user_agent", "address", "is_current")
        read_only_fields = fields

    def get_is_current(self, session: Session) -> bool:
        return bool(session.pk == self.context["actor"].session_id)


class SessionViewSet(RecordViewSet):
    """The caller's live sessions."""

    model = Session
    serializer_class = SessionSerializer
    filterset_class = filters_for(Session, ("created_at",))
    orderings = ("created_at",)
    http_method_names: ClassVar[list[str]] = ["get", "delete", "head", "options"]
    grants: ClassVar[dict[str, Any]] = {"list": None, "retrieve": None, "destroy": None}
    is_tenant_route = False

    def visible(self) -> Any:
        now = timezone.now()
        own = Session.objects.visible_to(self.actor).filter(user_id=self.actor.required_id, revoked_at=None)
        return own.filter(idle_until__gt=now, absolute_until__gt=now)

    def retrieve(self, request: Request, pk: Any) -> Response:
        return Response(self.represent_all([self.record()])[0])

    def delete_record(self, record: Any) -> None:
        services.end_session(record, actor=self.actor, at=timezone.now())
