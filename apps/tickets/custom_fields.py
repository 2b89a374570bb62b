"""Custom fields: values of the types that an organization declared, checked against the declarations."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.dateparse import parse_datetime

from apps.core.actors import Actor
from apps.core.authorization import Action, Reach, decide
from apps.core.errors import FieldError, Invalid
from apps.tickets import kinds
from apps.tickets.addresses import MAX_ADDRESS, is_web
from apps.tickets.choices import FieldType
from apps.tickets.models import CustomField, Ticket
from apps.users.models import User

MAX_TEXT = 5000
# Whoever sends more wrong keys than this learns nothing from the rest.
MAX_ERRORS = 100
YEARS = range(1970, 2201)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
Values = Mapping[str, Any]
REQUIRED = f"""
SELECT 1 FROM {CustomField._meta.db_table}
WHERE organization_id = %s AND kind = %s AND is_active AND is_required AND (%s OR is_public) LIMIT 1
"""  # noqa: S608 - our table


def complete(kind: str, given: Values, *, actor: Actor) -> dict[str, Any]:
    """The values of a new ticket. Raises Invalid for an unknown key, a wrong type, or a required field that is missing."""
    if not given and not _is_any_required(kind, actor):
        return {}
    fields = _writable(kind, actor)
    values, errors = _read(fields, given)
    errors += [
        FieldError(f"/custom_fields/{key}", "required", f"{field.label} is required.")
        for key, field in fields.items()
        if field.is_required and _is_blank(given.get(key))
    ]
    _refuse(errors)
    return {key: value for key, value in values.items() if value is not None}


def merge(ticket: Ticket, given: Values, *, actor: Actor) -> dict[str, Any]:
    """What the ticket has, with the given keys changed; null takes one away. Raises Invalid."""
    fields = _writable(ticket.kind, actor)
    values, errors = _read(fields, given)
    errors += [
        FieldError(f"/custom_fields/{key}", "required", f"{fields[key].label} is required; it cannot be taken away.")
        for key, value in values.items()
        if fields[key].is_required and _is_blank(value)
    ]
    _refuse(errors)
    merged = {**ticket.custom_fields, **values}
    return {key: value for key, value in merged.items() if value is not None}


def carried(ticket: Ticket, kind: str) -> dict[str, Any]:
    """What a ticket of `kind` that comes out of `ticket` takes over: values that its own fields of the same keys accept.

    What those require and this lacks is for whoever works on it next.
    """
    fields = CustomField.objects.filter(kind=kind, is_active=True, key__in=list(ticket.custom_fields))
    declared = {field.key: field for field in fields}
    values, _ = _read(declared, {key: value for key, value in ticket.custom_fields.items() if key in declared})
    return values


def readable(kind: str, *, actor: Actor) -> frozenset[str] | None:
    """The keys that the actor may read on tickets of this kind: None for all, a requester's are those that are public."""
    if _works_on(kind, actor):
        return None
    return frozenset(CustomField.objects.filter(kind=kind, is_public=True).values_list("key", flat=True))


def _works_on(kind: str, actor: Actor) -> bool:
    return decide(actor, Action.UPDATE, kinds.get(kind).resource).reach not in {None, Reach.OWN}


def _writable(kind: str, actor: Actor) -> dict[str, CustomField]:
    fields = CustomField.objects.filter(kind=kind, is_active=True)
    if not _works_on(kind, actor):
        fields = fields.filter(is_public=True)
    return {field.key: field for field in fields.order_by("position", "key")}


def _is_any_required(kind: str, actor: Actor) -> bool:
    """Most tickets come without values of their own, so this is asked of each, and by hand: a third of the ORM's price."""
    with connection.cursor() as cursor:
        cursor.execute(REQUIRED, [actor.organization_id, kind, _works_on(kind, actor)])
        return cursor.fetchone() is not None


def _read(fields: Mapping[str, CustomField], given: Values) -> tuple[dict[str, Any], list[FieldError]]:
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for key, value in given.items():
        pointer = f"/custom_fields/{key}"
        if key not in fields:
            if len(errors) == MAX_ERRORS:
                break
            accepted = ", ".join(fields) or "none"
            errors.append(FieldError(pointer, "unknown_field", f"No such custom field; accepted: {accepted}."))
            continue
        try:
            values[key] = None if value is None else READERS[FieldType(fields[key].field_type)](fields[key], value)
        except ValueError as refusal:
            errors.append(FieldError(pointer, "invalid", f"{fields[key].label}: accepted is {refusal}."))
    return values, errors


def _is_blank(value: Any) -> bool:
    return value is None or value in ("", [])


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise Invalid(errors=errors)


def _text(field: CustomField, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\x00" in value:
        raise ValueError(f"a text of at most {MAX_TEXT} characters")
    return value


def _integer(field: CustomField, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**53:
        raise ValueError("a whole number within ±2^53")
    return int(value)


def _decimal(field: CustomField, value: Any) -> str:
    """Kept as text: a float would change it."""
    try:
        number = Decimal(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or len(number.as_tuple().digits) > 30 or abs(number.adjusted()) > 20:
        raise ValueError('a decimal number of at most 30 digits, such as "12.50"')
    return format(number, "f")


def _boolean(field: CustomField, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _date(field: CustomField, value: Any) -> str:
    day: date | None = None
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and DAY.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None or day.year not in YEARS:
        raise ValueError(f"a date as YYYY-MM-DD, {YEARS[0]} to {YEARS[-1]}")
    return day.isoformat()


def _instant(field: CustomField, value: Any) -> str:
    instant: datetime | None = None
    try:
        instant = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or instant.year not in YEARS:
        raise ValueError("an instant with its offset, such as 2026-11-21T08:30:00Z")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _choice(field: CustomField, value: Any) -> str:
    if not isinstance(value, str) or value not in field.choices:
        raise ValueError(f"one of {', '.join(field.choices)}")
    return value


def _choices(field: CustomField, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item in field.choices for item in value):
        raise ValueError(f"a list of {', '.join(field.choices)}")
    return list(dict.fromkeys(value))


def _user(field: CustomField, value: Any) -> str:
    try:
        person = User.objects.alive().filter(pk=UUID(value)).first() if isinstance(value, str) else None
    except ValueError:
        person = None
    if person is None:
        raise ValueError("the id of a person of the organization")
    return str(person.pk)


def _url(field: CustomField, value: Any) -> str:
    if not is_web(value):
        raise ValueError(f"an address of at most {MAX_ADDRESS} characters that begins with http:// or https://")
    return str(value)


READERS: Mapping[FieldType, Callable[[CustomField, Any], Any]] = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.INSTANT: _instant,
    FieldType.CHOICE: _choice,
    FieldType.CHOICES: _choices,
    FieldType.USER: _user,
    FieldType.URL: _url,
}
