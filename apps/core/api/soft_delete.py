"""Records that are deleted softly: hidden from then on, and restorable."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import records
from apps.core.api.record_views import RecordViewSet
from apps.core.api.schema import IF_MATCH
from apps.core.api.serializers import no_input
from apps.core.authorization import Action, may
from apps.core.errors import NotFound


class SoftDeleteViewSet(RecordViewSet):
    """DELETE hides, `POST …/restore/` brings back; only those who may delete find what is hidden."""

    grants: ClassVar[Any] = {**RecordViewSet.grants, "restore": Action.DELETE}
    # Actions that say of a hidden record that it is deleted, to those who may know.
    finds_hidden: ClassVar[frozenset[str]] = frozenset({"restore"})

    def visible(self) -> Any:
        everything = super().visible()
        is_found = self.action in self.finds_hidden and may(self.actor, Action.DELETE, self.resource)
        return everything if is_found else everything.alive()

    def locked(self, request: Request) -> Any:
        record = super().locked(request)
        # Somebody may have deleted it while this waited for the lock.
        if self.action == "partial_update" and record.is_deleted:
            raise NotFound
        return record

    def delete_record(self, record: Any) -> None:
        records.soft_delete(record, actor=self.actor, at=timezone.now())

    def restore_record(self, record: Any) -> Any:
        return records.restore(record, actor=self.actor, at=timezone.now())

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: Any) -> Response:
        """Bring a deleted record back; 409 when it is not deleted."""
        no_input(request.data)
        return self.single(self.restore_record(self.locked(request)))
