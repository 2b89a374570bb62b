"""Tickets over HTTP: the unified queue, and the base of every practice's own view."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import records
from apps.core.api import filters
from apps.core.api.bulk import BulkViewSet
from apps.core.api.record_views import RecordViewSet, Rows
from apps.core.api.schema import IF_MATCH
from apps.core.api.serializers import RecordSerializer, StrictInput, strict_input
from apps.core.api.soft_delete import SoftDeleteViewSet
from apps.core.api.versions import expected_version
from apps.core.authorization import Action, within_reach
from apps.core.errors import NotFound
from apps.tickets import following, kinds, relations, services, verbs
from apps.tickets.api import bulk, searching
from apps.tickets.api.filters import ME, TicketFilter
from apps.tickets.api.serializers import (
    AssignInput,
    CommentInput,
    ConvertInput,
    EscalateInput,
    FollowUpInput,
    HoldInput,
    MergeInput,
    NoInput,
    OverrideInput,
    ReasonInput,
    ResolveInput,
    SplitInput,
    TicketSerializer,
)
from apps.tickets.assignment import offers
from apps.tickets.models import Ticket

PEOPLE = ("assignee", "requester", "opened_by", "last_reopened_by", "watcher")
TRANSITION_GRANTS: Mapping[str, Action] = {
    "claim": Action.ASSIGN,
    "accept": Action.ASSIGN,
    "reject": Action.ASSIGN,
    "assign": Action.ASSIGN,
    "start": Action.UPDATE,
    "hold": Action.UPDATE,
    "resume": Action.UPDATE,
    "resolve": Action.RESOLVE,
    "escalate": Action.UPDATE,
    "override_priority": Action.UPDATE,
    "merge": Action.UPDATE,
    "unmerge": Action.UPDATE,
    "split": Action.UPDATE,
    "convert": Action.UPDATE,
    # Whoever reads it and may open one.
    "follow_up": Action.READ,
    # A requester may, from some states: the lifecycle asks for the rest.
    "close": Action.READ,
    "reopen": Action.READ,
    "cancel": Action.READ,
}


class TicketActions(BulkViewSet, SoftDeleteViewSet):
    """What the queue and every practice's view have in common. Lists read the base table alone (G4)."""

    model: ClassVar[type[Any]] = Ticket
    # Of one practice's view; every kind's where it is empty.
    kind: ClassVar[str] = ""
    grants: ClassVar[Any] = {**SoftDeleteViewSet.grants, **BulkViewSet.grants, **TRANSITION_GRANTS}
    filterset_class: ClassVar[Any] = TicketFilter
    orderings: tuple[str, ...] = (
        "opened_at", "created_at", "updated_at", "priority", "sla_due_at", "number", "resolved_at", "closed_at",
    )  # fmt: skip
    default_ordering = "-opened_at"
    # By their documents (tickets.finding), not by these columns; comments are searched too.
    search_columns = ("number", "title", "description")
    lookup_value_converter = "record"
    bulk_actions: ClassVar[Any] = bulk.ACTIONS

    # --- what is there

    def everything(self) -> Any:
        """Base rows of this view's kind, for lists and locks."""
        rows = Ticket.objects.visible_to(self.actor)
        return rows.of_kind(self.kind) if self.kind else rows

    def visible(self) -> Any:
        is_one = self.action == "retrieve" and self.kind
        rows = self.model.objects.visible_to(self.actor) if is_one else self.everything()
        reached = within_reach(rows, self.actor, Action.READ, self.resource)
        if not self.finds_deleted():
            return reached.alive()
        # To those who may delete it alone: to others it is like what never was.
        return reached.alive() | within_reach(reached, self.actor, Action.DELETE, self.resource)

    def found(self) -> tuple[Any, str]:
        """As the query asks; searched words leave the newest tickets that have them."""
        rows, ordering = self.narrowed()
        return searching.found(self, rows), ordering

    def narrowed(self) -> tuple[Any, str]:
        """As the filters leave it, before anything is searched."""
        for name in PEOPLE:
            if self.query.get(name) == ME:
                self.query[name] = str(self.actor.required_id)
        ordering = filters.choose_ordering(self.query, self.orderings, self.default_ordering)
        rows = filters.apply_filters(self.visible(), self.filterset_class, self.query)
        return self.shaped(rows.in_phases(kinds.phases_of(self.statuses()))), ordering

    def statuses(self) -> list[str]:
        """Those that the query narrows the list to, of however many kinds."""
        given = [self.query[name] for name in ("status", "status__in") if name in self.query]
        return given[0].split(",") if given else []

    def list(self, request: Request) -> Any:
        """Best hits first where words are searched and no ordering is given."""
        return searching.answer(self, request) if searching.is_by_rank(self.query) else super().list(request)

    def represent_all(self, rows: Rows) -> Rows:
        """With the words marked where they were searched for."""
        return searching.marked(self, rows, super().represent_all(rows))

    def locked(self, request: Request) -> Any:
        """The base row of the URL, locked, at the version the caller read if they said which (G3)."""
        version = expected_version(request, is_required=self.caller.requires_if_match)
        self.check_visible()
        ticket = records.lock(Ticket, self.record_id(), actor=self.actor, expected_version=version)
        if ticket.is_deleted and not self.finds_deleted():
            raise NotFound
        self.check_reach(ticket)
        return ticket

    def bulk_record(self, pk: Any, params: Mapping[str, Any]) -> Any:
        if "into_id" in params:
            # As for a single merge: with the other one, before it is locked alone.
            relations.lock_all((pk, params["into_id"]), actor=self.actor)
        if not self.visible().filter(pk=pk).exists():
            raise NotFound
        return services.lock(pk, actor=self.actor)

    # --- the five verbs, through services

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return services.create(self.kind, actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        at = timezone.now()
        to = {
            name: values[name]
            for name in services.OWNERSHIP
            if name in values and values[name] != getattr(record, name)
        }
        rest = {name: value for name, value in values.items() if name not in services.OWNERSHIP}
        # First what stays: another team's ticket may be out of the caller's reach.
        if rest or not to:
            record = self.change_fields(record, rest, at=at)
        if to:
            record = verbs.do(record, "assign", actor=self.actor, at=at, **to)
        return self.reread(record)

    def change_fields(self, ticket: Any, values: Mapping[str, Any], *, at: Any) -> Any:
        return services.change(ticket, actor=self.actor, at=at, values=values)

    def delete_record(self, record: Any) -> None:
        services.delete(record, actor=self.actor, at=timezone.now())

    def restore_record(self, record: Any) -> Any:
        return self.reread(services.restore(record, actor=self.actor, at=timezone.now()))

    # --- the verbs of its life

    def do(self, request: Request, verb: str, reader: type[StrictInput]) -> Response:
        ticket = self.locked(request)
        given = strict_input(reader(data=request.data, context={"actor": self.actor}))
        return self.answer_with(verbs.do(ticket, verb, actor=self.actor, at=timezone.now(), **given))

    def answer_with(self, ticket: Ticket) -> Response:
        return self.single(self.reread(ticket))

    def reread(self, ticket: Any) -> Any:
        """The row that this view shows of one ticket, as it is now: what its fact set off may have changed it further.

        Not narrowed to the caller's reach: who gave it to another team is shown once more how they left it.
        """
        return self.model.objects.get(pk=ticket.pk)

    @extend_schema(request=NoInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, pk: Any) -> Response:
        """Take it over; 409 `already_claimed` names the owner."""
        return self.do(request, "claim", NoInput)

    @extend_schema(request=NoInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: Any) -> Response:
        """Begin to work on what the team's queue offered to the caller; 409 `not_offered` when it did not, or not any more."""
        ticket = self.locked(request)
        strict_input(NoInput(data=request.data, context={"actor": self.actor}))
        return self.answer_with(offers.accept(ticket, actor=self.actor, at=timezone.now()))

    @extend_schema(request=ReasonInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: Any) -> Response:
        """Let somebody else have what was offered to the caller; it goes to the next one at once."""
        ticket = self.locked(request)
        given = strict_input(ReasonInput(data=request.data, context={"actor": self.actor}))
        return self.answer_with(offers.reject(ticket, actor=self.actor, at=timezone.now(), **given))

    @extend_schema(request=AssignInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: Any) -> Response:
        """Give it to a team, a person or both; a note becomes an internal comment."""
        return self.do(request, "assign", AssignInput)

    @extend_schema(request=NoInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: Any) -> Response:
        """Begin to work on it."""
        return self.do(request, "start", NoInput)

    @extend_schema(request=HoldInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: Any) -> Response:
        """Let it wait; the comment is required and public for awaiting_requester, `until` is for scheduled."""
        return self.do(request, "hold", HoldInput)

    @extend_schema(request=CommentInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: Any) -> Response:
        """It waits no more."""
        return self.do(request, "resume", CommentInput)

    @extend_schema(request=ResolveInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: Any) -> Response:
        """Say how it was solved."""
        return self.do(request, "resolve", ResolveInput)

    @extend_schema(request=CommentInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: Any) -> Response:
        """Close what is resolved; a requester confirms by it."""
        return self.do(request, "close", CommentInput)

    @extend_schema(request=ReasonInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: Any) -> Response:
        """It is not solved."""
        return self.do(request, "reopen", ReasonInput)

    @extend_schema(request=ReasonInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: Any) -> Response:
        """It is not wanted any more."""
        return self.do(request, "cancel", ReasonInput)

    @extend_schema(request=EscalateInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def escalate(self, request: Request, pk: Any) -> Response:
        """To another team, or up the hierarchy."""
        return self.do(request, "escalate", EscalateInput)

    @extend_schema(request=OverrideInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], url_path="override-priority")
    def override_priority(self, request: Request, pk: Any) -> Response:
        """Set the priority by hand; null gives it back to the matrix."""
        return self.do(request, "override-priority", OverrideInput)

    @extend_schema(request=MergeInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: Any) -> Response:
        """Cancel it in favour of another of its kind; 409 `merged` or `finished` when that one cannot take it."""
        self.check_visible()
        given = strict_input(MergeInput(data=request.data, context={"actor": self.actor}))
        # Both in one order, before this one alone: or two opposite merges would wait for each other.
        relations.lock_all((self.record_id(), given["into_id"]), actor=self.actor)
        return self.answer_with(verbs.do(self.locked(request), "merge", actor=self.actor, at=timezone.now(), **given))

    @extend_schema(request=NoInput, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def unmerge(self, request: Request, pk: Any) -> Response:
        """Undo its merge: it is as it was before."""
        self.check_visible()
        relations.lock_merge(self.record_id(), actor=self.actor)
        return self.do(request, "unmerge", NoInput)

    @extend_schema(request=SplitInput, parameters=[IF_MATCH], responses={201: TicketSerializer})
    @action(detail=True, methods=["post"])
    def split(self, request: Request, pk: Any) -> Response:
        """Make one of its comments a ticket of its own."""
        return self.do_new(request, "split", SplitInput)

    @extend_schema(request=ConvertInput, parameters=[IF_MATCH], responses={201: TicketSerializer})
    @action(detail=True, methods=["post"])
    def convert(self, request: Request, pk: Any) -> Response:
        """Cancel it in favour of a new ticket of another kind."""
        return self.do_new(request, "convert", ConvertInput)

    @extend_schema(request=FollowUpInput, parameters=[IF_MATCH], responses={201: TicketSerializer})
    @action(detail=True, methods=["post"], url_path="follow-up")
    def follow_up(self, request: Request, pk: Any) -> Response:
        """Open a new ticket that goes on where this one was closed, linked to it; 409 `not_closed` before that."""
        ticket = self.locked(request)
        given = strict_input(FollowUpInput(data=request.data, context={"actor": self.actor}))
        return self.answer_new(following.follow_up(ticket, actor=self.actor, at=timezone.now(), **given))

    def do_new(self, request: Request, verb: str, reader: type[StrictInput]) -> Response:
        """For verbs that make another ticket, perhaps of another kind."""
        ticket = self.locked(request)
        given = strict_input(reader(data=request.data, context={"actor": self.actor}))
        return self.answer_new(verbs.do(ticket, verb, actor=self.actor, at=timezone.now(), **given))

    def answer_new(self, made: Any) -> Response:
        """Shown as the unified queue would."""
        headers = {"ETag": f'"{made.version}"', "Location": reverse("tickets-detail", args=[made.pk])}
        return Response(TicketSerializer(context={"actor": self.actor}).to_representation(made), 201, headers=headers)

    # --- shapes

    def finds_deleted(self) -> bool:
        return self.action in self.finds_hidden

    def reader(self) -> type[RecordSerializer]:
        return self.serializer_class


class TicketViewSet(TicketActions):
    """The unified queue over all kinds. A ticket is opened at its own practice's address."""

    resource = kinds.RESOURCE
    serializer_class = TicketSerializer
    number_prefixes = kinds.NUMBERS
    http_method_names = RecordViewSet.http_method_names
    grants: ClassVar[Any] = {name: grant for name, grant in TicketActions.grants.items() if name != "create"}
