"""One effect per Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07), however often and however concurrently it is sent."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError
from apps.core.models import IdempotencyKey

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a 2xx answered. `body` is None when it showed a secret that must not be shown again."""

    status: int
    body: str | None
    etag: str
    location: str


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What the key stands for; the same key with another fingerprint is a mistake of the caller."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


def begin(actor: Actor, key: str, print_: str, *, at: datetime) -> Answer | None:
    """The kept answer for `key`, or None when the caller should go on and `keep` one.

    Holds an advisory lock until the transaction ends, so that one of many concurrent senders goes on. Raises Conflict
    `idempotency_in_progress` for the others, DomainError `idempotency_key_reused` when the key came with another request.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", [_lock_name(actor, key)])
        if not cursor.fetchone()[0]:
            raise Conflict(
                "A request with this Idempotency-Key is in progress; send it again in a moment.",
                code="idempotency_in_progress",
                retry_after=1,
            )
    kept: IdempotencyKey | None = IdempotencyKey.objects.filter(
        organization_id=actor.organization_id, actor_id=actor.required_id, key=key
    ).first()
    if kept is None:
        return None
    if kept.created_at < at - KEPT:
        kept.delete()
        return None
    if kept.fingerprint != print_:
        raise DomainError("This Idempotency-Key came with another request before.", code="idempotency_key_reused")
    if kept.body is None:
        raise Conflict(
            f"Done before, and its answer showed a secret once: see {kept.location}.",
            code="shown_once",
            location=kept.location,
        )
    return Answer(kept.status, kept.body, kept.etag, kept.location)


def keep(actor: Actor, key: str, print_: str, answer: Answer, *, at: datetime) -> None:
    """Keep the answer in the transaction of its effect: both are there, or neither."""
    IdempotencyKey.objects.create(
        organization_id=actor.organization_id,
        actor_id=actor.required_id,
        key=key,
        fingerprint=print_,
        status=answer.status,
        body=answer.body,
        etag=answer.etag,
        location=answer.location,
        created_at=at,
    )


def forget_expired(organization_id: UUID, *, at: datetime) -> int:
    """Delete one organization's keys older than KEPT; returns how many."""
    deleted, _ = IdempotencyKey.objects.filter(organization_id=organization_id, created_at__lt=at - KEPT).delete()
    return int(deleted)


def _lock_name(actor: Actor, key: str) -> str:
    return f"idempotency:{actor.organization_id}:{actor.id}:{key}"
