"""The log in the admin: read, filtered, never changed; dead deliveries are replayed by the service."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from apps.audit import services
from apps.audit.models import Dispatch, Event, RowChange
from apps.core import events
from apps.core.admin import PeriodFilter, ReadOnlyAdmin, WordFilter, pretty
from apps.core.authorization import Action
from apps.core.records import noun

# Columns by which a row of another app can be named without knowing its model.
NAME_COLUMNS = ("full_name", "name", "title")
DOORS = ("api", "admin", "task", "command")


def subject_models() -> dict[str, Any]:
    """Models by the word that their events start with."""
    return {noun(model): model for model in apps.get_models()}


def names_of(wanted: Mapping[Any, Iterable[UUID]]) -> dict[UUID, str]:
    """What people call these rows: one query per model, however many rows. Rows that are gone have no name."""
    found: dict[UUID, str] = {}
    for model, ids in wanted.items():
        fields = {field.name for field in model._meta.fields}
        column = next((name for name in NAME_COLUMNS if name in fields), None)
        if column is not None:
            found.update(model._default_manager.filter(pk__in=set(ids)).values_list("pk", column))
    return found


def link_to(model: Any, pk: UUID, name: str) -> SafeString | str:
    if model is None or not admin.site.is_registered(model):
        return name
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])
    return format_html('<a class="text-link" href="{}">{}</a>', address, name)


class NamingChangeList(ChangeList):
    """Gives the rows of a page, once they are known, the names of what they are about."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        log: Any = self.model_admin
        log.give_names(self.result_list)


class NamingAdmin(ReadOnlyAdmin):
    """A log whose rows hold ids: shows names in their place, and the same on the page of one row."""

    resource = "audit"

    # Abstract in all but name: the admin has a metaclass of its own.
    def give_names(self, rows: Iterable[Any]) -> None:
        """Give each of `rows` the names to show, in one query for all. Each log says how."""
        raise NotImplementedError

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return NamingChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.give_names([row])
        return row


class NameFilter(WordFilter):
    title, parameter_name = "event", "name"

    def words(self) -> list[str]:
        return list(events.declared())


class SubjectFilter(WordFilter):
    title, parameter_name = "about", "subject_type"

    def words(self) -> list[str]:
        return sorted({name.partition(".")[0] for name in events.declared()})


class ViaFilter(WordFilter):
    title, parameter_name = "by way of", "via"

    def words(self) -> list[str]:
        return list(DOORS)


@admin.register(Event)
class EventAdmin(NamingAdmin):
    """Everything that happened in the organization, newest first."""

    list_display = ("at", "name", "shown_subject", "shown_actor", "shown_operator", "via")
    list_display_links = ("at",)
    list_filter = (PeriodFilter, NameFilter, SubjectFilter, ViaFilter, "actor_kind")
    search_fields = ("actor_label",)
    ordering = ("-at", "-id")
    linked_lookups = ("actor_id", "subject_id")
    fields = (
        "at",
        "recorded_at",
        "name",
        "shown_meaning",
        "shown_subject",
        "shown_actor",
        "shown_operator",
        "via",
        "request_id",
        "shown_changes",
        "shown_data",
        "shown_rows",
    )
    readonly_fields = (
        "shown_meaning",
        "shown_subject",
        "shown_actor",
        "shown_operator",
        "shown_changes",
        "shown_data",
        "shown_rows",
    )

    def give_names(self, rows: Iterable[Any]) -> None:
        models, wanted = subject_models(), defaultdict(set)
        for event in rows:
            event.subject_model = models.get(event.subject_type)
            if event.subject_model is not None:
                wanted[event.subject_model].add(event.subject_id)
        names = names_of(wanted)
        for event in rows:
            event.subject_name = names.get(event.subject_id, "")

    @display(description="about")
    def shown_subject(self, event: Any) -> SafeString | str:
        kind = event.subject_type.replace("_", " ")
        return link_to(event.subject_model, event.subject_id, f"{kind} {event.subject_name}".strip())

    @display(description="who", ordering="actor_label")
    def shown_actor(self, event: Event) -> str:
        return event.actor_label

    @display(description="on behalf of", label={"platform": "warning"})
    def shown_operator(self, event: Event) -> str:
        return "platform" if "operator_of" in event.data else ""

    @display(description="meaning")
    def shown_meaning(self, event: Event) -> str:
        return events.declared().get(event.name, "")

    @display(description="changes")
    def shown_changes(self, event: Event) -> str:
        return pretty(event.changes)

    @display(description="data")
    def shown_data(self, event: Event) -> str:
        return pretty(event.data)

    @display(description="row changes")
    def shown_rows(self, event: Event) -> SafeString:
        address = f"{reverse('admin:audit_rowchange_changelist')}?row_id__exact={event.subject_id}"
        return format_html('<a class="text-link" href="{}">All of this record</a>', address)


class StateFilter(admin.SimpleListFilter):
    """Where a delivery is; those that have arrived are the bulk, and shown only when asked for."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Waiting"), ("dead", "Dead"), ("done", "Done")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "done":
            return queryset.exclude(done_at=None)
        undone = queryset.filter(done_at=None)
        return {"waiting": undone.filter(dead_at=None), "dead": undone.exclude(dead_at=None)}.get(
            str(self.value()), undone
        )


class ConsumerFilter(WordFilter):
    title, parameter_name = "consumer", "consumer"

    def words(self) -> list[str]:
        return sorted({consumer.name for name in events.declared() for consumer in events.consumers_of(name)})


@admin.register(Dispatch)
class DispatchAdmin(NamingAdmin):
    """Events on their way to a consumer, or given up."""

    list_display = ("shown_event", "consumer", "shown_state", "attempts", "next_at", "last_error")
    list_filter = (StateFilter, ConsumerFilter)
    # As the unique key of deliveries has them, newest event first.
    ordering = ("-event_id", "-consumer")
    linked_lookups = ("event_id",)
    fields = (
        "shown_event",
        "consumer",
        "shown_state",
        "attempts",
        "next_at",
        "running_until",
        "done_at",
        "dead_at",
        "last_error",
    )
    readonly_fields = ("shown_event", "shown_state")
    actions = ("replay",)

    def give_names(self, rows: Iterable[Any]) -> None:
        names = dict(Event.objects.filter(pk__in=[row.event_id for row in rows]).values_list("pk", "name"))
        for dispatch in rows:
            dispatch.event_name = names.get(dispatch.event_id, "")

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        return ("consumer",)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Action.VERIFY)

    @admin.action(description="Try dead deliveries again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: Any) -> None:
        self.do_each(
            request,
            queryset,
            Action.VERIFY,
            lambda dispatch, actor, at: services.replay(dispatch, actor=actor, at=at),
            "Deliveries begun anew",
        )

    @display(description="event")
    def shown_event(self, dispatch: Any) -> SafeString | str:
        return link_to(Event, dispatch.event_id, dispatch.event_name or "event")

    @display(description="state", label={"dead": "danger", "waiting": "warning", "done": "success"})
    def shown_state(self, dispatch: Dispatch) -> str:
        return dispatch.state


class TableFilter(WordFilter):
    title, parameter_name = "table", "table_name"

    def words(self) -> list[str]:
        return sorted(model._meta.db_table for model in apps.get_models() if hasattr(model, "tenant_field"))


class OperationFilter(WordFilter):
    title, parameter_name = "operation", "operation"

    def words(self) -> list[str]:
        return ["INSERT", "UPDATE", "DELETE"]


@admin.register(RowChange)
class RowChangeAdmin(NamingAdmin):
    """What changed in the tables themselves, whoever changed it."""

    list_display = ("at", "table_name", "shown_row", "operation", "shown_columns", "shown_actor", "via")
    list_display_links = ("at",)
    list_filter = (PeriodFilter, TableFilter, OperationFilter)
    ordering = ("-at", "-id")
    linked_lookups = ("row_id",)
    fields = ("at", "table_name", "shown_row", "operation", "shown_actor", "via", "request_id", "shown_diff")
    readonly_fields = ("shown_row", "shown_actor", "shown_diff")

    def give_names(self, rows: Iterable[Any]) -> None:
        models = {model._meta.db_table: model for model in apps.get_models()}
        user_model, wanted = apps.get_model(settings.AUTH_USER_MODEL), defaultdict(set)
        for change in rows:
            change.row_model = models.get(change.table_name)
            if change.row_model is not None:
                wanted[change.row_model].add(change.row_id)
            if change.actor_id:
                wanted[user_model].add(change.actor_id)
        names = names_of(wanted)
        for change in rows:
            change.row_name = names.get(change.row_id, "")
            change.actor_name = names.get(change.actor_id, "")

    @display(description="row")
    def shown_row(self, change: Any) -> SafeString | str:
        kind = change.row_model._meta.verbose_name if change.row_model else change.table_name
        return link_to(change.row_model, change.row_id, f"{kind} {change.row_name}".strip())

    @display(description="actor")
    def shown_actor(self, change: Any) -> str:
        return change.actor_name or ("a platform operator" if change.actor_id else "the platform")

    @display(description="columns")
    def shown_columns(self, change: RowChange) -> str:
        names = sorted(change.diff) if change.operation == "UPDATE" else []
        return ", ".join(names) or "-"

    @display(description="difference")
    def shown_diff(self, change: RowChange) -> str:
        return pretty(change.diff)
