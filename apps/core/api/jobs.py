"""Long work over HTTP: asked for elsewhere, watched here."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import filters_for
from apps.core.api.job_serializer import JobSerializer
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.authorization import Action, may
from apps.core.errors import NotFound
from apps.core.models import Job


class JobViewSet(RecordViewSet):
    """The caller's own jobs; whoever may read the audit log sees everybody's."""

    model = Job
    resource = "audit"
    serializer_class = JobSerializer
    filterset_class = filters_for(Job, ("kind", "state", "created_at"))
    http_method_names = ["get", "head", "options"]
    # Being signed in is enough for one's own, which `visible` narrows to.
    grants = {"list": None, "retrieve": None}
    token_actions = frozenset({"list", "retrieve"})

    def visible(self) -> Any:
        everything = Job.objects.visible_to(self.actor)
        if self.actor.token_id is not None:
            # A program watches its own work and not its owner's, whatever else its scopes let it read.
            return everything.filter(requested_by_token_id=self.actor.token_id)
        if may(self.actor, Action.READ, self.resource):
            return everything
        return everything.filter(requested_by_id=self.actor.required_id)

    def retrieve(self, request: Request, pk: Any) -> Response:
        job = the_one(self.visible(), self.record_id())
        if job is None:
            raise NotFound
        # A job has no version: nobody changes it but its own work.
        return Response(self.represent_all([job])[0])
