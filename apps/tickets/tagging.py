"""Tags: a vocabulary that grows as it is used."""

from collections.abc import Iterable
from datetime import datetime

from apps.core import records
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid
from apps.tickets.models import Tag
from apps.tickets.models.configuration import TAG

MOST = 50


def known(names: Iterable[str], *, actor: Actor, at: datetime) -> list[str]:
    """The names in lower case, each once and in order; those the vocabulary lacks are added to it. Raises Invalid."""
    wanted = list(dict.fromkeys(name.strip().lower() for name in names))
    if not wanted:
        return []
    if len(wanted) > MOST:
        raise Invalid(errors=[FieldError("/tags", "max_length", f"Too many; accepted: at most {MOST} tags.")])
    for position, name in enumerate(wanted):
        if TAG.regex.fullmatch(name) is None:  # type: ignore[union-attr]
            raise Invalid(errors=[FieldError(f"/tags/{position}", "invalid", f"Not a tag; accepted: {TAG.message}")])
    there = set(Tag.objects.filter(name__in=wanted).values_list("name", flat=True))
    for name in wanted:
        if name not in there:
            records.create(Tag, actor=actor, at=at, values={"name": name})
    return wanted
