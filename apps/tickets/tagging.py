"""Tags: a vocabulary that grows as it is used."""

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from apps.core import records
from apps.core.actors import Actor
from apps.core.authorization import Action, may
from apps.core.errors import FieldError, Invalid
from apps.tickets.kinds import RESOURCE
from apps.tickets.models import Tag
from apps.tickets.models.configuration import TAG

MOST = 50


def known(names: Iterable[str], *, actor: Actor, at: datetime) -> list[str]:
    """The names in lower case, each once and in order. What the vocabulary lacks is added to it by those who work on tickets.

    Raises Invalid, also for a new word from a requester.
    """
    wanted = list(dict.fromkeys(name.strip().lower() for name in names))
    if not wanted:
        return []
    if len(wanted) > MOST:
        raise Invalid(errors=[FieldError("/tags", "max_length", f"Too many; accepted: at most {MOST} tags.")])
    for position, name in enumerate(wanted):
        if TAG.regex.fullmatch(name) is None:  # type: ignore[union-attr]
            raise Invalid(errors=[FieldError(f"/tags/{position}", "invalid", f"Not a tag; accepted: {TAG.message}")])
    there = set(Tag.objects.filter(name__in=wanted).values_list("name", flat=True))
    missing = [name for name in wanted if name not in there]
    if missing and not may(actor, Action.UPDATE, RESOURCE):
        raise Invalid(
            errors=[
                FieldError(f"/tags/{wanted.index(name)}", "does_not_exist", "Accepted: tags that are in use here.")
                for name in missing
            ]
        )
    # Sorted, so that two who add the same ones wait for each other in one order.
    for name in sorted(missing):
        _add(name, actor=actor, at=at)
    return wanted


def _add(name: str, *, actor: Actor, at: datetime) -> None:
    """Somebody else may have added it meanwhile; then it is there."""
    try:
        with transaction.atomic():
            records.create(Tag, actor=actor, at=at, values={"name": name})
    except IntegrityError:
        if not Tag.objects.filter(name=name).exists():
            raise
