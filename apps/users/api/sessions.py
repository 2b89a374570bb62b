"""Where somebody is signed in, and how they end it from afar."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import filters_for
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.api.serializers import RecordSerializer
from apps.core.api.versions import expected_version
from apps.core.errors import NotFound, Stale
from apps.users import services
from apps.users.models import Session


class SessionSerializer(RecordSerializer):
    """One sign-in on one device."""

    is_current = serializers.SerializerMethodField()

    class Meta:
        model = Session
        fields = (
            "id",
            "created_at",
            "rotated_at",
            "idle_until",
            "absolute_until",
            "user_agent",
            "address",
            "is_current",
        )
        read_only_fields = fields

    def get_is_current(self, session: Session) -> bool:
        return bool(session.pk == self.context["actor"].session_id)


class SessionViewSet(RecordViewSet):
    """The caller's own live sessions."""

    model = Session
    serializer_class = SessionSerializer
    filterset_class = filters_for(Session, ("created_at",))
    orderings = ("created_at",)
    http_method_names = ["get", "delete", "head", "options"]
    grants = {"list": None, "retrieve": None, "destroy": None}
    is_tenant_route = False
    is_exportable = False

    def visible(self) -> Any:
        now = timezone.now()
        own = Session.objects.visible_to(self.actor).filter(user_id=self.actor.required_id, revoked_at=None)
        return own.filter(idle_until__gt=now, absolute_until__gt=now)

    def retrieve(self, request: Request, pk: Any) -> Response:
        record = the_one(self.visible(), self.record_id())
        if record is None:
            raise NotFound
        return Response(self.represent_all([record])[0])

    def destroy(self, request: Request, pk: Any) -> Response:
        """Ends it: its tokens are refused from the next request on. It has no version, so no tag of If-Match fits."""
        if expected_version(request, is_required=False) is not None:
            raise Stale("A session has no version; send no If-Match, or *.")
        session = the_one(self.visible().select_related("user").select_for_update(of=("self",)), self.record_id())
        if session is None:
            raise NotFound
        services.end_session(session, actor=self.actor, at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
