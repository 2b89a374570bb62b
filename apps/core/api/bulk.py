"""One verb on many records: each row by itself, with its own rights, its own transaction and its own answer."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import orjson
import structlog
from django.db import transaction
from django.db.utils import OperationalError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import denials, idempotency, records
from apps.core.api import keys, problems, strict
from apps.core.api.record_views import RecordViewSet, the_one
from apps.core.api.serializers import StrictInput, no_input, strict_input
from apps.core.api.views import MAX_TRIES, TRY_AGAIN
from apps.core.authorization import Action, require
from apps.core.errors import FieldError, Invalid, NotFound

log = structlog.get_logger(__name__)

MAX_IDS = 500
Result = dict[str, Any]


def _no_params(view: Any, data: Any) -> Mapping[str, Any]:
    no_input(data)
    return {}


def reading(serializer: type[StrictInput]) -> Callable[[Any, Any], Mapping[str, Any]]:
    """`params` as this serializer reads them."""
    return lambda view, data: strict_input(serializer(data=data, context={"actor": view.actor}))


@dataclass(frozen=True, slots=True)
class BulkAction:
    """What happens to one row: `run(view, record, params)` on the locked record, in the row's transaction.

    `verb` is the single action that it stands for; it needs the same grant. `read(view, data)` validates `params`, once.
    """

    verb: str
    run: Callable[[Any, Any, Mapping[str, Any]], object]
    read: Callable[[Any, Any], Mapping[str, Any]] = _no_params
    status: int = 200


def _changes(view: RecordViewSet, data: Any) -> Mapping[str, Any]:
    values: Mapping[str, Any] = strict_input(
        view.serializer_class(data=data, partial=True, context={"actor": view.actor})
    )
    return values


UPDATE = BulkAction("partial_update", lambda view, record, params: view.change_record(record, params), read=_changes)
DELETE = BulkAction("destroy", lambda view, record, params: view.delete_record(record), status=204)


class BulkRequest(StrictInput):
    """Which records, and what to do with each."""

    ids = serializers.ListField(child=strict.IdField(), min_length=1, max_length=MAX_IDS)
    action = strict.TextField(max_length=60)
    params = serializers.DictField(required=False)


class BulkResult(serializers.Serializer[Any]):
    """What became of one record: the status that the single action would have answered."""

    id = serializers.UUIDField()
    status = serializers.IntegerField()
    code = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)


class BulkResults(serializers.Serializer[Any]):
    """One for each id, in their order."""

    results: Any = BulkResult(many=True)


class BulkViewSet(RecordViewSet):
    """Adds `POST …/bulk/`. `bulk_actions` says what may be done, `grants["bulk"]` the least that it takes to ask."""

    bulk_actions: ClassVar[Mapping[str, BulkAction]] = {"update": UPDATE, "delete": DELETE}
    piecewise = frozenset({"bulk"})
    grants: ClassVar[Mapping[str, Action | None]] = {**RecordViewSet.grants, "bulk": Action.UPDATE}

    @extend_schema(request=BulkRequest, responses=BulkResults)
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """Do one thing to up to 500 records. A row that is refused keeps no other from being done."""
        # Before anything reads the body as it comes.
        sent = SentKey.of(self, request)
        given = strict_input(BulkRequest(data=request.data))
        _refuse_twice(given["ids"])
        chosen = self._chosen(given["action"])
        with transaction.atomic():
            grant = self.grants[chosen.verb]
            if grant is not None:
                require(self.actor, grant, self.resource)
            params = self._params(chosen, given.get("params", {}))
            if sent is not None:
                sent.claim()
        return Response({"results": [self._one(pk, chosen, params, sent) for pk in given["ids"]]})

    def _chosen(self, name: str) -> BulkAction:
        if name not in self.bulk_actions:
            detail = f"Not an action; accepted: {', '.join(self.bulk_actions)}."
            raise Invalid(errors=[FieldError("/action", "invalid_choice", detail)])
        return self.bulk_actions[name]

    def _params(self, chosen: BulkAction, data: Any) -> Mapping[str, Any]:
        try:
            return chosen.read(self, data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"params": error.detail}) from error

    def _one(self, pk: UUID, chosen: BulkAction, params: Mapping[str, Any], sent: "SentKey | None") -> Result:
        """The row's own transaction, tried again where PostgreSQL undid it for another's sake."""
        for attempt in range(1, MAX_TRIES + 1):
            try:
                with transaction.atomic():
                    return self._done(pk, chosen, params, sent)
            except OperationalError as error:
                if attempt == MAX_TRIES or getattr(error.__cause__, "sqlstate", "") not in TRY_AGAIN:
                    return self._refused(pk, error)
            except Exception as error:  # the other rows go on; what nobody foresaw is logged and says 500
                return self._refused(pk, error)
        raise AssertionError("unreachable")

    def _refused(self, pk: UUID, error: Exception) -> Result:
        """The row's answer; who tries ids one after another is told of as if they had asked for each."""
        problem = problems.as_domain_error(error)
        if problem.status >= 500:
            log.error("bulk_row_failed", problem=problem.code, exc_info=error)
        if problem.status in denials.STATUSES:
            self.tell_of_denial(problem, pk=str(pk))
        return {"id": str(pk), "status": problem.status, "code": problem.code, "detail": problem.detail}

    def _done(self, pk: UUID, chosen: BulkAction, params: Mapping[str, Any], sent: "SentKey | None") -> Result:
        before = sent.result(pk) if sent is not None else None
        if before is not None:
            return before
        record = self.bulk_record(pk, params)
        grant = self.grants[chosen.verb]
        if grant is not None:
            require(self.actor, grant, self.resource, record)
        chosen.run(self, record, params)
        result = {"id": str(pk), "status": chosen.status}
        if sent is not None:
            sent.keep(pk, result)
        return result

    def bulk_record(self, pk: UUID, params: Mapping[str, Any]) -> Any:
        """The record, locked; where `params` name others that have to be locked before it, these first.

        Raises NotFound for what this caller cannot see, however that came to be.
        """
        if the_one(self.visible(), pk) is None:
            raise NotFound
        record = records.lock(self.model, pk, actor=self.actor)
        if getattr(record, "is_deleted", False):
            raise NotFound
        return record


def _refuse_twice(ids: list[UUID]) -> None:
    seen: set[UUID] = set()
    errors = []
    for position, pk in enumerate(ids):
        if pk in seen:
            errors.append(FieldError(f"/ids/{position}", "duplicate", "Named twice; accepted: each id once."))
        seen.add(pk)
    if errors:
        raise Invalid(errors=errors)


@dataclass(frozen=True, slots=True)
class SentKey:
    """An Idempotency-Key, and the rows that it has done: sent again, they answer what they did; the others are tried again."""

    view: BulkViewSet
    key: str
    fingerprint: str

    @classmethod
    def of(cls, view: BulkViewSet, request: Request) -> "SentKey | None":
        key = keys.idempotency_key(request)
        if key is None:
            return None
        return cls(view, key, idempotency.fingerprint("POST", request.get_full_path(), keys.read_body(request)))

    def claim(self) -> None:
        """Bind the key to this request. Raises DomainError `idempotency_key_reused` when it came with another."""
        actor, at = self.view.actor, timezone.now()
        if idempotency.begin(actor, self.key, self.fingerprint, at=at) is None:
            idempotency.keep(actor, self.key, self.fingerprint, idempotency.Answer(200, "", "", ""), at=at)

    def result(self, pk: UUID) -> Result | None:
        """Holds the row's lock until its transaction ends. Raises Conflict `idempotency_in_progress`."""
        kept = idempotency.begin(self.view.actor, self._name(pk), self.fingerprint, at=timezone.now())
        return orjson.loads(kept.body) if kept is not None and kept.body else None

    def keep(self, pk: UUID, result: Result) -> None:
        answer = idempotency.Answer(result["status"], orjson.dumps(result).decode(), "", "")
        idempotency.keep(self.view.actor, self._name(pk), self.fingerprint, answer, at=timezone.now())

    def _name(self, pk: UUID) -> str:
        return f"bulk:{hashlib.sha256(self.key.encode()).hexdigest()}:{pk}"
