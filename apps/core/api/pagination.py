"""Keyset pagination: each page starts where the last one ended, so a deep page costs what the first one does."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.db.models import F, Q
from rest_framework.request import Request

from apps.core.errors import FieldError, Invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
EXACT_COUNT_LIMIT = 10_000
SALT = "cursor"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One column of an ordering. Nulls come last, in either direction."""

    column: str
    is_descending: bool
    is_nullable: bool

    def expression(self, *, is_reversed: bool) -> Any:
        descending = self.is_descending != is_reversed
        column = F(self.column)
        if not self.is_nullable:
            return column.desc() if descending else column.asc()
        if is_reversed:
            return column.desc(nulls_first=True) if descending else column.asc(nulls_first=True)
        return column.desc(nulls_last=True) if descending else column.asc(nulls_last=True)

    def beyond(self, value: Any, *, is_reversed: bool) -> Q:
        """Rows strictly past `value` in the direction of travel."""
        if value is None:
            # Nulls are last: nothing is past them going forward, everything that has a value is going back.
            return Q(**{f"{self.column}__isnull": False}) if is_reversed else Q(pk__in=[])
        operator = "lt" if self.is_descending != is_reversed else "gt"
        past = Q(**{f"{self.column}__{operator}": value})
        if self.is_nullable and not is_reversed:
            past |= Q(**{f"{self.column}__isnull": True})
        return past

    def same(self, value: Any) -> Q:
        return Q(**{f"{self.column}__isnull": True}) if value is None else Q(**{self.column: value})


@dataclass(frozen=True, slots=True)
class Page:
    """What a list answers: the rows of this page, and the addresses of its neighbours."""

    rows: list[Any]
    next: str | None
    previous: str | None


def invalid_parameter(name: str, detail: str, code: str = "invalid") -> Invalid:
    return Invalid(detail, errors=[FieldError(f"/{name}", code, detail)], code="invalid_parameter")


def page_size(parameters: dict[str, str]) -> int:
    """1 to 200, default 50. Raises Invalid otherwise."""
    given = parameters.get("page_size", str(DEFAULT_PAGE_SIZE))
    if not (given.isascii() and given.isdigit() and len(given) <= 4 and 1 <= int(given) <= MAX_PAGE_SIZE):
        raise invalid_parameter(
            "page_size", f"page_size is not accepted; accepted: 1 to {MAX_PAGE_SIZE}.", "out_of_range"
        )
    return int(given)


def sort_keys(model: type[models.Model], ordering: str) -> list[SortKey]:
    """`-opened_at` as keys, the primary key last so that no two rows are equal."""
    names = (
        [ordering] if ordering.lstrip("-") in {"id", "pk"} else [ordering, "-id" if ordering.startswith("-") else "id"]
    )
    keys = []
    for name in names:
        field = model._meta.get_field(name.lstrip("-"))
        keys.append(SortKey(name.lstrip("-"), name.startswith("-"), bool(getattr(field, "null", False))))
    return keys


def paginate(queryset: models.QuerySet[Any], ordering: str, request: Request, parameters: dict[str, str]) -> Page:
    """One page of `queryset` by `ordering` (already checked against the allow-list). Raises Invalid on a forged cursor."""
    size = page_size(parameters)
    keys = sort_keys(queryset.model, ordering)
    is_reversed, values = False, None
    if "cursor" in parameters:
        is_reversed, values = read_cursor(parameters["cursor"], ordering, keys, queryset.model)
        queryset = queryset.filter(_after(keys, values, is_reversed=is_reversed))
    ordered = queryset.order_by(*(key.expression(is_reversed=is_reversed) for key in keys))
    rows = list(ordered[: size + 1])
    has_more, rows = len(rows) > size, rows[:size]
    if is_reversed:
        rows.reverse()
    has_next, has_previous = (values is not None, has_more) if is_reversed else (has_more, values is not None)
    return Page(
        rows,
        _link(request, ordering, keys, rows[-1], is_reversed=False) if rows and has_next else None,
        _link(request, ordering, keys, rows[0], is_reversed=True) if rows and has_previous else None,
    )


def batch(queryset: models.QuerySet[Any], ordering: str, last: Any, size: int) -> list[Any]:
    """The next `size` rows behind the row `last` (None: the first ones), for whoever reads a whole list."""
    keys = sort_keys(queryset.model, ordering)
    if last is not None:
        queryset = queryset.filter(_after(keys, [getattr(last, key.column) for key in keys], is_reversed=False))
    return list(queryset.order_by(*(key.expression(is_reversed=False) for key in keys))[:size])


def _after(keys: Sequence[SortKey], values: Sequence[Any], *, is_reversed: bool) -> Q:
    """The rows past `values`, lexicographically; the bound on the first column alone is what an index can use."""
    past, equal = Q(), Q()
    for key, value in zip(keys, values, strict=True):
        past |= equal & key.beyond(value, is_reversed=is_reversed)
        equal &= key.same(value)
    first, value = keys[0], values[0]
    if value is not None and not (first.is_nullable and not is_reversed):
        operator = "lte" if first.is_descending != is_reversed else "gte"
        return Q(**{f"{first.column}__{operator}": value}) & past
    return past


def _link(request: Request, ordering: str, keys: Sequence[SortKey], row: Any, *, is_reversed: bool) -> str:
    return link(request, ordering, [getattr(row, key.column) for key in keys], is_reversed=is_reversed)


def link(request: Request, ordering: str, values: Sequence[Any], *, is_reversed: bool) -> str:
    """The same list from `values` on, forwards or backwards, by a cursor that nobody else can make."""
    payload = json.dumps([ordering, int(is_reversed), values], cls=PreciseEncoder)
    parameters = {**request.query_params.dict(), "cursor": signing.Signer(salt=SALT).sign_object(json.loads(payload))}
    return f"{request.build_absolute_uri(request.path)}?{urlencode(parameters)}"


class PreciseEncoder(DjangoJSONEncoder):
    """Instants with all their microseconds; Django's cuts them to milliseconds, which would skip or repeat rows."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)


def read_cursor(
    cursor: str, ordering: str, keys: Sequence[SortKey], model: type[models.Model]
) -> tuple[bool, list[Any]]:
    """Direction and values of a cursor that we signed for this ordering. Raises Invalid for any other."""
    try:
        signed_ordering, is_reversed, raw = signing.Signer(salt=SALT).unsign_object(cursor)
        if signed_ordering != ordering or len(raw) != len(keys):
            raise ValueError("the cursor belongs to another ordering")
        values = [model._meta.get_field(key.column).to_python(value) for key, value in zip(keys, raw, strict=True)]  # type: ignore[union-attr]
    except (signing.BadSignature, ValueError, TypeError, ValidationError, UnicodeError) as error:
        raise invalid_parameter(
            "cursor", "The cursor is not one of ours for this ordering; follow `next` and `previous` as given."
        ) from error
    return bool(is_reversed), values


def count(queryset: models.QuerySet[Any]) -> dict[str, Any]:
    """Exact up to 10,000; beyond, the planner's estimate, and said so."""
    exact = queryset.order_by().values("pk")[: EXACT_COUNT_LIMIT + 1].count()
    if exact <= EXACT_COUNT_LIMIT:
        return {"count": exact}
    sql, parameters = queryset.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        plan = cursor.fetchone()[0]
    estimate = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"]
    return {"count": max(int(estimate), EXACT_COUNT_LIMIT + 1), "count_is_estimate": True}
