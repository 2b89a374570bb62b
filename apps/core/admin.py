"""The base of every admin class: the same walls, grants and services as the API.

Django's own permission tables and log are never asked or written; a change through the admin is a service call with one event.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.db.utils import IntegrityError
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from apps.core import constraints, records
from apps.core.actors import Actor
from apps.core.authorization import Action, may, require, within_reach
from apps.core.errors import DomainError
from apps.core.models import Job


class RecordAdmin(ModelAdmin):
    """A kind of record that administrators look after. `resource` names the grants that guard it."""

    resource: ClassVar[str] = ""
    write_action: ClassVar[Action | None] = None

    # A list never counts a whole table, and never offers one.
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 200
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        actor = actor_of(request)
        visible = within_reach(self.model._default_manager.visible_to(actor), actor, Action.READ, self.resource)
        return visible.order_by(*(self.ordering or ("-pk",)))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only the filters that the list shows: any other column, a hash above all, could be guessed letter by letter."""
        shown = {str(name) for name in self.list_filter if isinstance(name, str)}
        return lookup.removesuffix("__exact").removesuffix("__isnull") in shown and "\x00" not in str(value)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """As changeform_view: a refusal is a message."""
        delete = super().delete_view
        return self._answering_refusals(request, lambda: delete(request, object_id, extra_context))

    def _answering_refusals(self, request: HttpRequest, answer: Callable[[], Any]) -> Any:
        try:
            return answer()
        except (DomainError, IntegrityError) as error:
            refusal = constraints.explain(error) if isinstance(error, IntegrityError) else error
            detail = " ".join([refusal.detail, *(wrong.detail for wrong in refusal.errors)])
            self.message_user(request, detail, messages.ERROR)
            return self.response_post_save_change(request, None)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, Action.READ, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request, self.write_action or Action.CREATE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.write_action or Action.UPDATE, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.write_action or Action.DELETE, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Action.READ)

    def _may(self, request: HttpRequest, action: Action, record: Any = None) -> bool:
        actor: Actor | None = getattr(request, "actor", None)
        return actor is not None and may(actor, action, self.resource, record)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choices from the caller's organization only; a foreign id in the form is no choice."""
        kwargs["queryset"] = db_field.remote_field.model._default_manager.visible_to(actor_of(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the record services, from what the form changed."""
        actor, at = actor_of(request), timezone.now()
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        if change:
            self.change_record(records.lock(self.model, obj.pk, actor=actor), actor=actor, at=at, values=values)
        else:
            created = self.create_record(actor=actor, at=at, values=form.cleaned_data)
            require(actor, self.write_action or Action.CREATE, self.resource, created)
            obj.pk = created.pk

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return records.create(self.model, actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return records.change(record, actor=actor, at=at, values=values)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        actor = actor_of(request)
        record = records.lock(self.model, obj.pk, actor=actor)
        if hasattr(record, "deleted_at"):
            records.soft_delete(record, actor=actor, at=timezone.now())
        else:
            records.delete(record, actor=actor, at=timezone.now())

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """A refusal of a service is a message on the page, not an error page."""
        change = super().changeform_view
        return self._answering_refusals(request, lambda: change(request, object_id, form_url, extra_context))

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The service has recorded an event; Django's log stays empty."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """As log_addition."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """As log_addition."""


class ReadOnlyAdmin(RecordAdmin):
    """What can be looked at and never changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AliveAdmin(RecordAdmin):
    """Soft-deleted rows are not listed."""

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        queryset: models.QuerySet[Any] = super().get_queryset(request).filter(deleted_at=None)
        return queryset


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in administrator, with the rights that the middleware loaded."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Long work and how far it is; for whoever may read what people did."""

    resource = "audit"
    list_display = ("kind", "state", "percent", "done", "total", "created_at", "finished_at")
    list_filter = ("state", "kind")
    ordering = ("-created_at",)
    fields = ("kind", "state", "percent", "done", "total", "errors", "created_at", "started_at", "finished_at")
    readonly_fields = ("percent",)

    @admin.display(description="progress")
    def percent(self, job: Job) -> str:
        return f"{job.progress} %"
