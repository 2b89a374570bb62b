"""What an organization sets up for its tickets, where that is more than writing a plain record."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import records, turns
from apps.core.actors import Actor
from apps.core.errors import FieldError, Invalid, StillReferenced
from apps.tickets.choices import FieldType
from apps.tickets.models import Category, CustomField, Tag, Ticket

# Values are stored by these.
IMMUTABLE = ("kind", "key", "field_type")
MAX_CHOICES, MAX_CHOICE_LENGTH = 200, 120


def lock_categories(organization_id: UUID) -> None:
    """Let one move at a time happen in an organization's tree of categories, until the transaction ends.

    Taken before any category is locked, so that two opposite moves neither close a circle nor deadlock.
    """
    turns.take(f"categories:{organization_id}")


def change_category(category: Category, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Category:
    """Change a category, locked after the tree (lock_categories). Raises Invalid when its new parent lies below it."""
    parent_id = values.get("parent_id")
    if parent_id is not None and parent_id != category.parent_id:
        _refuse_cycle(category, parent_id)
    return records.change(category, actor=actor, at=at, values=values)


def _refuse_cycle(category: Category, parent_id: UUID) -> None:
    tree: dict[UUID, UUID | None] = dict(Category.objects.values_list("id", "parent_id"))
    above: UUID | None = parent_id
    while above is not None:
        if above == category.pk:
            detail = "A category cannot lie below itself; accepted: one that is not below this one."
            raise Invalid(errors=[FieldError("/parent", "cycle", detail)])
        above = tree.get(above)


def change_tag(tag: Tag, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> Tag:
    """Raises Invalid for another name: tickets hold the name itself."""
    if values.get("name", tag.name) != tag.name:
        raise Invalid(errors=[FieldError("/name", "immutable", f"Tickets hold it by its name; accepted: {tag.name}.")])
    return records.change(tag, actor=actor, at=at, values=values)


def delete_tag(tag: Tag, *, actor: Actor, at: datetime) -> None:
    """Raises StillReferenced while a ticket has it."""
    if Ticket.objects.filter(tags__contains=[tag.name]).exists():
        raise StillReferenced("Still referenced by tickets.")
    records.delete(tag, actor=actor, at=at)


def create_custom_field(*, actor: Actor, at: datetime, values: Mapping[str, Any]) -> CustomField:
    """Raises Invalid for choices that do not fit the type. A key that the kind has already becomes a neutral 409."""
    _refuse_choices(values["field_type"], values.get("choices", []))
    return records.create(CustomField, actor=actor, at=at, values=values)


def change_custom_field(field: CustomField, *, actor: Actor, at: datetime, values: Mapping[str, Any]) -> CustomField:
    """Raises Invalid for another kind, key or type, and for choices that do not fit. Values that tickets hold stay."""
    errors = [
        FieldError(f"/{name}", "immutable", f"Values are stored by it; accepted: {getattr(field, name)}.")
        for name in IMMUTABLE
        if values.get(name, getattr(field, name)) != getattr(field, name)
    ]
    if errors:
        raise Invalid(errors=errors)
    if "choices" in values:
        _refuse_choices(field.field_type, values["choices"])
    return records.change(field, actor=actor, at=at, values=values)


def _refuse_choices(field_type: str, choices: Any) -> None:
    is_chosen = field_type in {FieldType.CHOICE, FieldType.CHOICES}
    problem = ""
    if not _are_texts(choices):
        problem = f"Not choices; accepted: at most {MAX_CHOICES} texts of at most {MAX_CHOICE_LENGTH} characters."
    elif is_chosen and not choices:
        problem = "Nothing could be chosen; accepted: at least one text."
    elif not is_chosen and choices:
        problem = f"A field of the type {field_type} has no choices; accepted: []."
    elif len(set(choices)) != len(choices):
        problem = "Named twice; accepted: each choice once."
    if problem:
        raise Invalid(errors=[FieldError("/choices", "invalid", problem)])


def _are_texts(choices: Any) -> bool:
    return (
        isinstance(choices, list)
        and len(choices) <= MAX_CHOICES
        and all(isinstance(choice, str) and 0 < len(choice.strip()) <= MAX_CHOICE_LENGTH for choice in choices)
    )
