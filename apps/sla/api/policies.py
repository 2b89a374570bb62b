"""Policies over HTTP: written as drafts, tried, published, withdrawn."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from django.db.models import OuterRef, Subquery
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import records
from apps.core.api.filters import filters_for
from apps.core.api.job_serializer import JobSerializer
from apps.core.api.nested import NestedViewSet
from apps.core.api.problems import MAX_ERRORS, field_errors
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.api.serializers import RecordSerializer, strict_input
from apps.core.api.versions import expected_version
from apps.core.authorization import Action
from apps.core.errors import Conflict, FieldError, Invalid
from apps.sla import adopting, checking, dry_runs, policies, withdrawing
from apps.sla.api.policy_serializers import (
    DraftInput,
    DryRunInput,
    DryRunSerializer,
    PolicySerializer,
    PublishInput,
    SettingsSerializer,
    VersionRowSerializer,
    VersionSerializer,
)
from apps.sla.choices import Adoption, VersionState
from apps.sla.models import Policy, PolicyVersion, Settings

READ_OR_CONFIGURE: Mapping[str, Action | None] = {
    "list": Action.READ,
    "retrieve": Action.READ,
    "create": Action.CONFIGURE,
    "partial_update": Action.CONFIGURE,
    "destroy": Action.CONFIGURE,
}


def _version_in(state: str) -> Any:
    return Subquery(PolicyVersion.objects.filter(policy_id=OuterRef("pk"), state=state).values("pk")[:1])


class PolicyViewSet(RecordViewSet):
    """Policies in their order. Deleting one withdraws it: it promises nothing more, and a job cancels its live timers."""

    model = Policy
    resource = "sla"
    grants: ClassVar[Any] = {**READ_OR_CONFIGURE, "publish": Action.CONFIGURE, "dry_run": Action.CONFIGURE}
    serializer_class = PolicySerializer
    filterset_class = filters_for(Policy, ("name", "agreement", "is_active", "position", "created_at", "updated_at"))
    orderings = ("position", "name", "created_at")
    default_ordering = "position"
    search_columns = ("name", "description")
    export_grant = Action.CONFIGURE

    def visible(self) -> Any:
        versions = {f"{state}_version": _version_in(state) for state in (VersionState.PUBLISHED, VersionState.DRAFT)}
        return super().visible().annotate(**versions)

    def single(self, record: Any, *, status: int = 200, location: str = "") -> Response:
        """Read again where it was just written: which versions it has no row of its own says."""
        found = record if hasattr(record, "draft_version") else the_one(self.visible(), record.pk)
        return super().single(found, status=status, location=location)

    def create_record(self, values: Mapping[str, Any]) -> Any:
        return policies.create(actor=self.actor, at=timezone.now(), values=values)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return policies.change(record, actor=self.actor, at=timezone.now(), values=values)

    @extend_schema(responses={202: JobSerializer, 204: None})
    def destroy(self, request: Request, pk: Any) -> Response:
        """Withdraw it. Where timers run by it a job ends them: 202."""
        policy = self.locked(request)
        if not policy.is_active:
            raise Conflict("It is withdrawn already; publishing a draft promises it again.", code="already_withdrawn")
        job = withdrawing.withdraw(policy, actor=self.actor, at=timezone.now())
        return Response(status=204) if job is None else self.accepted(job)

    @extend_schema(request=PublishInput, responses={200: VersionSerializer, 202: JobSerializer})
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: Any) -> Response:
        """Measure new tickets by the draft. With `adoption` "migrate" open ones too, which a job does: 202."""
        policy = self.locked(request)
        given = strict_input(PublishInput(data=request.data, context={"actor": self.actor}))
        adoption, at = given.get("adoption", Adoption.NEW_ONLY), timezone.now()
        version = _named(policy, given.get("version_id"))
        published = policies.publish(version, actor=self.actor, at=at, adoption=adoption)
        if adoption == Adoption.MIGRATE:
            return self.accepted(adopting.request(published, actor=self.actor, at=at))
        return Response(_version_answer(published, self.actor))

    @extend_schema(request=DryRunInput, responses=DryRunSerializer)
    @action(detail=True, methods=["post"], url_path="dry-run")
    def dry_run(self, request: Request, pk: Any) -> Response:
        """Which deadlines of open tickets the draft would move, breach or take back, by the engine itself; nothing is written."""
        given = strict_input(DryRunInput(data=request.data, context={"actor": self.actor}))
        version = _named(self.record(), given.get("version_id"))
        limit = given.get("limit", dry_runs.MOST_TICKETS)
        return Response(dry_run_answer(dry_runs.dry_run(version, actor=self.actor, at=timezone.now(), limit=limit)))


def _named(policy: Policy, version_id: Any) -> PolicyVersion:
    """The version that is named, or the draft. Raises Invalid, Conflict."""
    versions = policy.versions.select_related("policy")
    if version_id is None:
        draft: PolicyVersion | None = versions.filter(state=VersionState.DRAFT).first()
        if draft is None:
            raise Conflict("It has no draft; accepted: a policy with one.", code="no_draft")
        return draft
    found: PolicyVersion | None = versions.filter(pk=version_id).first()
    if found is None:
        raise Invalid(errors=[FieldError("/version", "does_not_exist", f"{version_id} does not exist.")])
    return found


def _version_answer(version: PolicyVersion, actor: Any) -> dict[str, Any]:
    return VersionSerializer(context={"actor": actor}).to_representation(version)


def dry_run_answer(found: dry_runs.DryRun) -> dict[str, Any]:
    """As `DryRunSerializer` describes it."""
    rows = [asdict(moved) for moved in found.moved]
    return {
        "version": found.version_id,
        "tickets": found.tickets,
        "looked_at": found.looked_at,
        "is_complete": found.is_complete,
        "counts": found.counts,
        "results": [{"timer": row.pop("timer_id"), "ticket": row.pop("ticket_id"), **row} for row in rows],
    }


class PolicyVersionViewSet(NestedViewSet):
    """What a policy said, says and is about to say. Only a draft can be written, and only as a whole."""

    model = PolicyVersion
    resource = "sla"
    http_method_names = ["get", "post", "head", "options"]
    grants: ClassVar[Any] = {name: READ_OR_CONFIGURE[name] for name in ("list", "retrieve", "create")}
    serializer_class = VersionSerializer
    filterset_class = filters_for(PolicyVersion, ("number", "state", "created_at", "published_at", "retired_at"))
    orderings = ("number", "created_at")
    default_ordering = "-number"
    export_grant = Action.CONFIGURE
    parent_key = "policy_pk"
    parent_field = "policy_id"

    def parents(self) -> Any:
        return Policy.objects.visible_to(self.actor)

    def reader(self) -> type[RecordSerializer]:
        return VersionRowSerializer if getattr(self, "action", "") == "list" else VersionSerializer

    def single(self, record: Any, *, status: int = 200, location: str = "") -> Response:
        """Without an ETag: it is never changed."""
        headers = {"Location": location} if location else {}
        return Response(self.represent_all([record])[0], status=status, headers=headers)

    def writer(self, request: Request, record: Any = None) -> Any:
        return DraftInput(data=request.data)

    def _content(self, data: Any) -> Any:
        """A draft's content. Raises Invalid with all that is wrong, in its fields and within what they hold."""
        try:
            return strict_input(DraftInput(data=data))
        except serializers.ValidationError as refusal:
            errors = list(field_errors(refusal.get_full_details()))
            told = {error.pointer.split("/")[1] for error in errors if error.pointer}
            beside = checking.check(data)[0] if isinstance(data, dict) else []
            errors += [error for error in beside if error.pointer.split("/")[1] not in told]
            raise Invalid(errors=errors[:MAX_ERRORS]) from refusal

    @extend_schema(request=DraftInput, responses={201: VersionSerializer})
    def create(self, request: Request, **keys: Any) -> Response:
        """A draft, in the place of the one there is. `warnings` tells what is allowed and probably not meant."""
        policy = records.lock(Policy, self.parent().pk, actor=self.actor)
        content = self._content(request.data)
        version = policies.draft(policy, actor=self.actor, at=timezone.now(), content=content)
        return self.single(version, status=201, location=f"{request.path}{version.pk}/")


class SettingsViewSet(RecordViewSet):
    """How the organization chooses among policies that match: the first in order, or the earliest deadline."""

    model = Settings
    resource = "sla"
    serializer_class = SettingsSerializer
    http_method_names = ["get", "patch", "head", "options"]
    grants: ClassVar[Any] = {"retrieve": Action.READ, "partial_update": Action.CONFIGURE}

    def record(self) -> Any:
        at = timezone.now()
        return self.visible().first() or Settings(
            organization_id=self.actor.organization_id, created_at=at, updated_at=at
        )

    def locked(self, request: Request) -> Any:
        """Made by the first change where there is none."""
        version = expected_version(request, is_required=self.caller.requires_if_match)
        row = policies.settings(self.actor.organization_id, at=timezone.now())
        return records.lock(Settings, row.pk, actor=self.actor, expected_version=version)

    def change_record(self, record: Any, values: Mapping[str, Any]) -> Any:
        return policies.choose_by(values.get("selection", record.selection), actor=self.actor, at=timezone.now())

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        return self.single(self.record())

    def partial_update(self, request: Request, pk: Any = None) -> Response:
        return super().partial_update(request, pk)
