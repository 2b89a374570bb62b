"""Which model the records of a resource are, for questions about one record. Apps add theirs in ready()."""

from typing import Any
from uuid import UUID

from django.db import models

from apps.core.actors import Actor
from apps.core.authorization import Action, within_reach
from apps.core.errors import NotFound

_subjects: dict[str, type[models.Model]] = {}


def explainable(resource: str, model: type[models.Model]) -> None:
    _subjects[resource] = model


def find_subject(resource: str, pk: UUID, actor: Actor) -> Any:
    """The record, if there is one of that resource that `actor` may read. Raises NotFound."""
    model = _subjects.get(resource)
    record = None
    if model is not None:
        everything = model._default_manager.visible_to(actor)  # type: ignore[attr-defined]
        record = within_reach(everything, actor, Action.READ, resource).filter(pk=pk).first()
    if record is None:
        raise NotFound(f"There is no such record of {resource}.")
    return record
