"""Create, change and delete a plain record: the verbs of every lookup-like resource.

Each is one transaction's worth of work for the caller's transaction: lock, check, write, record one event.
"""

from collections.abc import Container, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.db.models.deletion import ProtectedError, RestrictedError

from apps.core import events, turns
from apps.core.actors import Actor
from apps.core.errors import Conflict, NotFound, Stale, StillReferenced
from apps.core.models import SoftDeleteModel, VersionedModel

V = TypeVar("V", bound=VersionedModel)
S = TypeVar("S", bound=SoftDeleteModel)


def noun(model: type[models.Model] | models.Model) -> str:
    """The word that a model's events start with: BusinessCalendar is `business_calendar`. A ticket says its kind."""
    own: str | None = getattr(model, "event_noun", None)
    return own if isinstance(own, str) else str(model._meta.verbose_name).replace(" ", "_")


def declare_events(model: type[models.Model], *verbs: str) -> None:
    """Publish `<noun>.<verb>` for a plain record; created, updated and deleted unless named."""
    for verb in verbs or ("created", "updated", "deleted"):
        events.declare(f"{noun(model)}.{verb}", f"{str(model._meta.verbose_name).capitalize()} {verb}.")


def create(
    model: type[V], *, actor: Actor, at: datetime, values: Mapping[str, Any], beside: events.Changes | None = None
) -> V:
    """A new row in the actor's organization. IntegrityError on a duplicate becomes a neutral 409 at the edge.

    `beside` is what belongs to the same fact and stands in other tables.
    """
    row = model(organization_id=actor.organization_id, created_at=at, updated_at=at, **values)
    row.save(force_insert=True)
    changes = {name: (None, value) for name, value in plain(row, values).items()}
    events.record(f"{noun(model)}.created", row, actor=actor, at=at, changes={**changes, **(beside or {})})
    return row


def lock(model: type[V], pk: UUID, *, actor: Actor, expected_version: Container[int] | None = None) -> V:
    """The row, locked until the transaction ends. Raises NotFound, or Stale when its version is none of `expected_version`."""
    there = model._default_manager.visible_to(actor).filter(pk=pk)
    row: Any = there.select_for_update(of=("self",), skip_locked=True).first()
    if row is None:
        # Not there, or held. PostgreSQL lets the waiters of a row that keeps changing pass one another until some time out.
        turns.take(f"{model._meta.db_table}:{pk}")
        row = there.select_for_update(of=("self",)).first()
    if row is None:
        raise NotFound
    locked: V = row
    if expected_version is not None and locked.version not in expected_version:
        raise Stale(f"It is at version {locked.version} now; read it again.", current_version=locked.version)
    return locked


def change(
    row: V,
    *,
    actor: Actor,
    at: datetime,
    values: Mapping[str, Any],
    verb: str = "updated",
    beside: events.Changes | None = None,
    told: Mapping[str, Any] | None = None,
) -> V:
    """Write what differs of `values` into a locked row; nothing differs, nothing happens.

    `beside` is what changed with it in other tables: it makes a new version too, and is told by the same event.
    `told` is what else the event says.
    """
    before = plain(row, values)
    for name, value in values.items():
        setattr(row, name, value)
    after = plain(row, values)
    differing = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
    if not differing and not beside:
        return row
    row.version += 1
    row.updated_at = at
    row.save(update_fields=[*differing, "version", "updated_at"])
    changes = {**differing, **(beside or {})}
    events.record(f"{noun(row)}.{verb}", row, actor=actor, at=at, changes=changes, **(told or {}))
    return row


def delete(row: VersionedModel, *, actor: Actor, at: datetime) -> None:
    """Really delete a locked row. Raises StillReferenced while others point at it."""
    events.record(f"{noun(row)}.deleted", row, actor=actor, at=at)
    try:
        row.delete()
    except (ProtectedError, RestrictedError) as refusal:
        held_by: Any = getattr(refusal, "protected_objects", None) or getattr(refusal, "restricted_objects", ())
        kinds = sorted({str(other._meta.verbose_name_plural) for other in held_by})
        raise StillReferenced(f"Still referenced by {', '.join(kinds)}.") from refusal


def soft_delete(row: S, *, actor: Actor, at: datetime) -> S:
    """Hide a locked row; history and references keep it. Raises Conflict when it is deleted already."""
    if row.is_deleted:
        raise Conflict("It is deleted already.", code="already_deleted")
    return change(row, actor=actor, at=at, values={"deleted_at": at}, verb="deleted")


def restore(row: S, *, actor: Actor, at: datetime) -> S:
    """Bring a soft-deleted row back. Raises Conflict when it is not deleted."""
    if not row.is_deleted:
        raise Conflict("It is not deleted.", code="not_deleted")
    return change(row, actor=actor, at=at, values={"deleted_at": None}, verb="restored")


def plain(row: models.Model, names: Mapping[str, Any]) -> dict[str, Any]:
    """The named fields as an event keeps them: ids for relations, everything else as it is."""
    fields: list[Any] = [row._meta.get_field(name) for name in names]
    return {field.name: getattr(row, field.attname) for field in fields}
