"""Work logs and tasks: internal, so whoever may not read them is refused whatever ticket they name."""

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
from apps.core.api.resources import ENVELOPE
from apps.core.api.schema import IF_MATCH
from apps.core.api.serializers import ComputedField, RecordSerializer, no_input
from apps.core.authorization import Action
from apps.organizations.api.serializers import TeamSerializer
from apps.tickets import work
from apps.tickets.api.below import Worked
from apps.tickets.models import Task, Worklog
from apps.tickets.models.work import MAX_MINUTES
from apps.users.api.availability import ColleagueSerializer

MAX_DEPENDENCIES = 50


class WorklogSerializer(RecordSerializer):
    """Minutes that somebody worked on the ticket."""

    minutes = strict.IntegerField(min_value=1, max_value=MAX_MINUTES)
    started_at = strict.InstantField(required=False)

    class Meta:
        model = Worklog
        fields = (
            "id", "ticket", "author", "minutes", "started_at", "note", "is_billable", "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "ticket", "author")
        expandable: ClassVar[dict[str, Any]] = {"author": (ColleagueSerializer, "users")}


class WorklogViewSet(Worked):
    """Time spent on a ticket."""

    model = Worklog
    resource = work.WORKLOGS
    serializer_class = WorklogSerializer
    filterset_class = filters_for(Worklog, ("author", "is_billable", "started_at", "minutes", "created_at"))
    orderings = ("started_at", "created_at", "minutes")
    default_ordering = "started_at"

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return work.log_work(self.parent(), actor=self.actor, at=timezone.now(), **values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return work.change_worklog(record, actor=self.actor, at=timezone.now(), values=values)

    def delete_record(self, record: Any) -> None:
        work.delete_worklog(record, actor=self.actor, at=timezone.now())


class DependenciesField(serializers.ListField, ComputedField):
    """The ids of the tasks that must be done before."""

    child: Any = strict.IdField()

    def computed(self, instance: Any, context: Any) -> list[Any]:
        return sorted(dependency.depends_on_id for dependency in instance.dependencies.all())


class TaskSerializer(RecordSerializer):
    """An item of the ticket's checklist."""

    depends_on = DependenciesField(required=False, max_length=MAX_DEPENDENCIES)

    class Meta:
        model = Task
        fields = (
            "id", "ticket", "title", "team", "assignee", "order", "depends_on", "done_at", "done_by", "created_by",
            "created_at", "updated_at", "version",
        )  # fmt: skip
        read_only_fields = (*ENVELOPE, "ticket", "done_at", "done_by", "created_by")
        extra_kwargs: ClassVar[dict[str, Any]] = {"order": {"max_value": 32767}}
        expandable: ClassVar[dict[str, Any]] = {
            "team": (TeamSerializer, "teams"),
            "assignee": (ColleagueSerializer, "users"),
        }


class TaskViewSet(Worked):
    """A ticket's checklist."""

    model = Task
    resource = work.TASKS
    serializer_class = TaskSerializer
    grants: ClassVar[Any] = {**Worked.grants, "done": Action.UPDATE, "reopen": Action.UPDATE}
    filterset_class = filters_for(Task, ("team", "assignee", "order", "done_at", "created_at"))
    orderings = ("order", "created_at", "done_at")
    default_ordering = "order"

    def shaped(self, queryset: Any) -> Any:
        return super().shaped(queryset).prefetch_related("dependencies")

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return work.add_task(self.parent(), actor=self.actor, at=timezone.now(), **values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        plain = {name: value for name, value in values.items() if name != "depends_on"}
        return work.change_task(
            record, actor=self.actor, at=timezone.now(), values=plain, depends_on=values.get("depends_on")
        )

    def delete_record(self, record: Any) -> None:
        work.delete_task(record, actor=self.actor, at=timezone.now())

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def done(self, request: Request, pk: Any, **keys: Any) -> Response:
        """It is done; 409 `waiting` while a task that it depends on is not."""
        no_input(request.data)
        return self.single(work.finish_task(self.locked(request), actor=self.actor, at=timezone.now()))

    @extend_schema(request=None, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: Any, **keys: Any) -> Response:
        """It is to be done again."""
        no_input(request.data)
        return self.single(work.reopen_task(self.locked(request), actor=self.actor, at=timezone.now()))
