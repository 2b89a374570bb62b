"""The base of every admin class: the same walls, grants and services as the API.

Django's own permission tables and log are never asked or written; a change through the admin is a service call with one event.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.utils import IntegrityError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold import paginator
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.core import constraints, denials, records
from apps.core.actors import Actor
from apps.core.authorization import Action, may, require, within_reach
from apps.core.errors import DomainError
from apps.core.models import Job

# How deep a list is turned page by page; further back leads a search or a filter, not a slow OFFSET.
MOST_PAGES = 200
# How many rows one action touches at most; the page's tick boxes offer no more.
MOST_AT_ONCE = 200


class InfinitePaginator(paginator.InfinitePaginator):
    """Pages of a list that nobody counts: one row more than is shown tells whether another page follows.

    Of this name, because the theme's header asks for it before it shows how many results there are.
    """

    template_name = "core/pagination.html"
    has_more = False

    @property
    def count(self) -> int:
        """Only the bound of validate_number: how many rows can be reached page by page."""
        return int(self.per_page) * MOST_PAGES

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        rows = list(self.object_list[first : first + self.per_page + 1])
        self.has_more = len(rows) > self.per_page and number < MOST_PAGES
        return _Page(rows[: self.per_page], number, self)


class _Page(paginator.InfinitePage):
    def has_next(self) -> bool:
        paginator: Any = self.paginator
        return bool(paginator.has_more)


PERIODS: Mapping[str, tuple[str, timedelta]] = {
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}


class PeriodFilter(admin.SimpleListFilter):
    """The rows of the last hour, day, week or month. A subclass names its time column."""

    title = "time"
    parameter_name = "since"
    column: ClassVar[str] = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, label) for key, (label, _) in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        _, period = PERIODS.get(str(self.value()), ("", None))
        return queryset.filter(**{f"{self.column}__gte": timezone.now() - period}) if period else queryset


class WordFilter(admin.SimpleListFilter, ABC):
    """Rows whose column holds one of the words that the code knows; asking the table for them would read all of it."""

    @abstractmethod
    def words(self) -> list[str]:
        """The words, in the order in which they are offered."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, word.replace("_", " ")) for word in self.words()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class RecordAdmin(ModelAdmin):
    """A kind of record that administrators look after. `resource` names the grants that guard it."""

    resource: ClassVar[str] = ""
    write_action: ClassVar[Action | None] = None

    # What may stand in a list's address beside its filters: where links from other pages lead.
    linked_lookups: ClassVar[tuple[str, ...]] = ()
    actions: Any = ()
    actions_detail: Any = ()

    # A list never counts a whole table, and never offers one.
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    list_disable_select_all = True
    list_fullwidth = True
    empty_value_display = "-"
    formfield_overrides = {  # type: ignore[misc,assignment]
        models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 4})}
    }
    change_form_outer_before_template: Any = "core/record_actions.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        actor = actor_of(request)
        visible = within_reach(self.model._default_manager.visible_to(actor), actor, Action.READ, self.resource)
        return visible.order_by(*(self.ordering or ("-pk",)))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only the filters that the list shows: any other column, a hash above all, could be guessed letter by letter."""
        shown = {_parameter(entry) for entry in self.list_filter} | set(self.linked_lookups)
        return lookup.removesuffix("__exact").removesuffix("__isnull") in shown and "\x00" not in str(value)

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Every reference to what can be searched: a list of 50,000 choices helps nobody."""
        return [
            field.name
            for field in self.model._meta.fields
            if isinstance(field, models.ForeignKey)
            and (found := self.admin_site._registry.get(field.related_model)) is not None
            and found.search_fields
        ]

    def get_actions(self, request: HttpRequest) -> Any:
        """The class's own; Django's deletion of many rows writes past the services."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def changeform_actions(self, request: HttpRequest, record: Any) -> list[tuple[str, str]]:
        """The same actions for the page of one record: (name, label)."""
        return [(name, str(label)) for name, (_, _, label) in self.get_actions(request).items()]

    def do_each(
        self, request: HttpRequest, queryset: Any, grant: Action, verb: Callable[[Any, Actor, datetime], Any], done: str
    ) -> None:
        """`verb` with each selected row, locked and in reach of `grant`; a refusal keeps no other row from its turn."""
        actor, at, count = actor_of(request), timezone.now(), 0
        for pk in list(queryset.order_by("pk").values_list("pk", flat=True)[:MOST_AT_ONCE]):
            try:
                with transaction.atomic():
                    row = self.locked(pk, actor=actor)
                    require(actor, grant, self.resource, row)
                    verb(row, actor, at)
                    count += 1
            except (DomainError, IntegrityError) as error:
                denials.note(request, error)
                self.message_user(request, words_of(error), messages.ERROR)
        if count:
            self.message_user(request, f"{done}: {count}", messages.SUCCESS)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """As changeform_view: a refusal is a message."""
        delete = super().delete_view
        return self._answering_refusals(request, lambda: delete(request, object_id, extra_context))

    def _answering_refusals(self, request: HttpRequest, answer: Callable[[], Any]) -> Any:
        try:
            return answer()
        except (DomainError, IntegrityError) as error:
            denials.note(request, error)
            self.message_user(request, words_of(error), messages.ERROR)
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
        """Through the services, from what the form changed; references by `<name>_id`, as the services take them."""
        actor, at = actor_of(request), timezone.now()
        if change:
            values = self._by_id({name: form.cleaned_data[name] for name in form.changed_data})
            self.change_record(self.locked(obj.pk, actor=actor), actor=actor, at=at, values=values)
        else:
            created = self.create_record(actor=actor, at=at, values=self._by_id(form.cleaned_data))
            require(actor, self.write_action or Action.CREATE, self.resource, created)
            obj.pk = created.pk

    def _by_id(self, values: Mapping[str, Any]) -> dict[str, Any]:
        references = {field.name for field in self.model._meta.concrete_fields if field.is_relation}
        return {
            f"{name}_id" if name in references else name: getattr(value, "pk", None) if name in references else value
            for name, value in values.items()
        }

    def locked(self, pk: Any, *, actor: Actor) -> Any:
        """The row that is to be written; a subclass takes first what its verbs need locked before it."""
        return records.lock(self.model, pk, actor=actor)

    def create_record(self, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return records.create(self.model, actor=actor, at=at, values=values)

    def change_record(self, record: Any, *, actor: Actor, at: Any, values: dict[str, Any]) -> Any:
        return records.change(record, actor=actor, at=at, values=values)

    def delete_record(self, record: Any, *, actor: Actor, at: Any) -> None:
        verb: Callable[..., Any] = records.soft_delete if hasattr(record, "deleted_at") else records.delete
        verb(record, actor=actor, at=at)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        actor = actor_of(request)
        self.delete_record(self.locked(obj.pk, actor=actor), actor=actor, at=timezone.now())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only what was asked for. The service decides what goes with it, and refuses what is still referenced."""
        return [str(row) for row in objs], {self.opts.verbose_name_plural: len(objs)}, set(), []

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """A refusal of a service is a message on the page, not an error page."""
        change = super().changeform_view
        return self._answering_refusals(request, lambda: change(request, object_id, form_url, extra_context))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        record = kwargs.get("obj")
        context["record_actions"] = self.changeform_actions(request, record) if record else []
        return super().render_change_form(request, context, *args, **kwargs)

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


def _parameter(entry: Any) -> str:
    """What a list filter is called in the address."""
    if isinstance(entry, str):
        return entry
    return str(entry[0] if isinstance(entry, tuple) else entry.parameter_name)


def words_of(error: DomainError | IntegrityError) -> str:
    refusal = constraints.explain(error) if isinstance(error, IntegrityError) else error
    details = [wrong.detail for wrong in refusal.errors]
    return " ".join(details if details and refusal.detail == refusal.title else [refusal.detail, *details])


def pretty(value: Any) -> str:
    """JSON as people read it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder)
    return format_html('<pre class="font-mono text-xs whitespace-pre-wrap">{}</pre>', text)


def lines(links: Iterable[tuple[str, str]]) -> SafeString:
    """Links, (address, words), below each other; a dash for none."""
    return format_html_join("", '<div><a class="text-link" href="{}">{}</a></div>', links) or format_html("-")


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> SafeString:
    """A plain table; a dash without rows."""
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )
    if not body:
        return format_html("-")
    head = format_html_join("", '<th scope="col">{}</th>', ((name,) for name in heads))
    return format_html(
        '<div class="matrix-frame"><table class="matrix told"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        head,
        body,
    )


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in administrator, with the rights that the middleware loaded."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Long work that somebody asked for, and what came of it. Not what it was given: that may be a file of personal data."""

    resource = "audit"
    list_display = ("kind", "shown_state", "shown_progress", "created_at", "started_at", "finished_at")
    list_filter = ("state",)
    search_fields = ("kind",)
    ordering = ("-created_at", "-id")
    fields = (
        "kind",
        "shown_state",
        "shown_progress",
        "created_at",
        "started_at",
        "finished_at",
        "shown_result",
        "shown_errors",
    )
    readonly_fields = ("shown_state", "shown_progress", "shown_result", "shown_errors")

    @display(description="state", label={"queued": "info", "running": "warning", "done": "success", "failed": "danger"})
    def shown_state(self, job: Job) -> str:
        return str(job.state)

    @display(description="progress")
    def shown_progress(self, job: Job) -> str:
        return f"{job.done} of {job.total}" if job.total else f"{job.progress} %"

    @display(description="result")
    def shown_result(self, job: Job) -> str:
        return pretty(job.result)

    @display(description="errors")
    def shown_errors(self, job: Job) -> str:
        return pretty(job.errors)
