"""Query parameters, strictly: declared filters only, one value each, and 400 that names what is accepted."""

from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django import forms
from django.db import models
from django.db.models import Q
from django_filters import filters as f
from django_filters.constants import EMPTY_VALUES
from django_filters.filterset import FilterSet
from django_filters.utils import translate_validation
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from apps.core.api import strict
from apps.core.api.pagination import invalid_parameter
from apps.core.errors import FieldError, Invalid
from apps.core.fields import TenantForeignKey

MAX_SEARCH_LENGTH = 200


class InstantFormField(forms.Field):
    """As strict.InstantField reads a body."""

    def to_python(self, value: Any) -> Any:
        try:
            return strict.InstantField().to_internal_value(value)
        except ValidationError as error:
            details: Any = error.get_full_details()
            (wrong,) = details
            raise forms.ValidationError(wrong["message"], code=wrong["code"]) from error


class TrueFalseFormField(forms.Field):
    """true or false; Django's own takes anything else for "no matter"."""

    def to_python(self, value: Any) -> Any:
        if value not in {"true", "false"}:
            raise forms.ValidationError("Not a boolean; accepted: true, false.", code="invalid")
        return value == "true"


class StrictDateTimeFilter(f.Filter):
    """An instant with its offset; a naive one would depend on who asks."""

    field_class = InstantFormField


class BooleanFilter(f.Filter):
    field_class = TrueFalseFormField


class NumberFilter(f.NumberFilter):
    """A whole number."""

    field_class = forms.IntegerField  # type: ignore[assignment]


class UUIDInFilter(f.BaseInFilter, f.UUIDFilter):
    """Comma-separated ids."""


class TextInFilter(f.BaseInFilter, f.CharFilter):
    """Comma-separated texts."""


class ChoiceInFilter(f.BaseInFilter, f.ChoiceFilter):
    """Comma-separated choices."""


def filters_for(model: type[models.Model], names: Iterable[str]) -> type[FilterSet]:
    """A filter set with what each field's type allows: equality, `__in`, and `__gte`, `__lte` on instants, days and numbers."""
    declared: dict[str, Any] = {}
    for name in names:
        declared.update(_for_field(name, model._meta.get_field(name)))  # type: ignore[arg-type]
    declared["Meta"] = type("Meta", (), {"model": model, "fields": []})
    return type(f"{model.__name__}Filter", (FilterSet,), declared)


def _for_field(name: str, field: "models.Field[Any, Any]") -> dict[str, f.Filter]:
    if isinstance(field, TenantForeignKey | models.UUIDField):
        # By id, without looking the record up: a foreign id finds nothing, exactly like one that never was.
        column = field.attname
        return {name: f.UUIDFilter(field_name=column), f"{name}__in": UUIDInFilter(field_name=column, lookup_expr="in")}
    if isinstance(field, models.DateTimeField):
        bounds = {
            f"{name}__{bound}": StrictDateTimeFilter(field_name=name, lookup_expr=bound) for bound in ("gte", "lte")
        }
        return dict(bounds)
    if isinstance(field, models.DateField):
        days = {f"{name}__{bound}": _day(name, bound) for bound in ("gte", "lte")}
        return {name: _day(name, "exact"), **days}
    if isinstance(field, models.BooleanField):
        return {name: BooleanFilter(field_name=name)}
    if isinstance(field, models.IntegerField):
        numbers = {f"{name}__{bound}": NumberFilter(field_name=name, lookup_expr=bound) for bound in ("gte", "lte")}
        return {name: NumberFilter(field_name=name), **numbers}
    if field.choices:
        return {
            name: f.ChoiceFilter(field_name=name, choices=field.choices),
            f"{name}__in": ChoiceInFilter(field_name=name, lookup_expr="in", choices=field.choices),
        }
    return {name: f.CharFilter(field_name=name), f"{name}__in": TextInFilter(field_name=name, lookup_expr="in")}


def _day(name: str, lookup: str) -> f.DateFilter:
    return f.DateFilter(field_name=name, lookup_expr=lookup, input_formats=["%Y-%m-%d"])


def read_parameters(request: Request, accepted: Iterable[str]) -> dict[str, str]:
    """The query as one value per name. Raises Invalid on an unknown name, a repeated one, or text no database stores."""
    allowed = set(accepted)
    for name, values in request.query_params.lists():
        if name not in allowed:
            raise invalid_parameter(
                name, f"Unknown parameter; accepted: {', '.join(sorted(allowed))}.", "unknown_parameter"
            )
        if len(values) > 1:
            raise invalid_parameter(name, "Give this parameter once.", "repeated_parameter")
        if "\x00" in values[0] or any("\ud800" <= character <= "\udfff" for character in values[0]):
            raise invalid_parameter(name, "NUL characters and lone surrogates are not accepted.")
    return {name: values[0] for name, values in request.query_params.lists()}


def apply_filters(queryset: models.QuerySet[Any], filterset_class: type[FilterSet], parameters: dict[str, str]) -> Any:
    """`queryset` narrowed by the declared filters. Raises Invalid with a pointer per bad value."""
    given = frozenset(parameters).intersection(_filters(filterset_class))
    if not given:
        return queryset
    for name in sorted(given):
        if not parameters[name].strip():
            # django-filter would leave a blank one out, and answer with everything.
            raise invalid_parameter(name, "Give a value, or leave the parameter out.", "blank")
    filterset = _only(filterset_class, given)(data=parameters, queryset=queryset)
    if not filterset.is_valid():
        details = translate_validation(filterset.errors).get_full_details()
        errors = [
            FieldError(f"/{name}", item["code"], f"{item['message']}{_accepted(filterset, name)}")
            for name, items in details.items()
            for item in items
        ]
        raise Invalid("A filter is not valid; `errors` says which.", errors=errors, code="invalid_parameter")
    return filterset.qs


@lru_cache(maxsize=1024)
def _only(filterset_class: type[FilterSet], names: frozenset[str]) -> type[FilterSet]:
    """The same filter set with these filters alone: an instance copies every filter and builds a form field for each."""
    kept = {name: each for name, each in _filters(filterset_class).items() if name in names}
    narrowed = type(filterset_class.__name__, (filterset_class,), {})
    narrowed.base_filters = OrderedDict(kept)  # type: ignore[attr-defined]
    return narrowed


def _filters(filterset_class: type[FilterSet]) -> dict[str, f.Filter]:
    declared: dict[str, f.Filter] = filterset_class.base_filters  # type: ignore[attr-defined]
    return declared


def _accepted(filterset: FilterSet, name: str) -> str:
    field = filterset.form.fields[name]
    choices = [str(key) for key, _ in getattr(field, "choices", ()) if key not in EMPTY_VALUES]
    return f" Accepted: {', '.join(choices)}." if choices else ""


def apply_search(queryset: models.QuerySet[Any], columns: Iterable[str], words: str) -> Any:
    """Rows in which every word occurs in some of `columns`, whatever the case."""
    if len(words) > MAX_SEARCH_LENGTH:
        raise invalid_parameter("search", f"At most {MAX_SEARCH_LENGTH} characters are accepted.", "max_length")
    names = list(columns)
    for word in words.split():
        anywhere = Q()
        for name in names:
            anywhere |= Q(**{f"{name}__icontains": word})
        queryset = queryset.filter(anywhere)
    return queryset


def choose_ordering(parameters: dict[str, str], allowed: Iterable[str], default: str) -> str:
    """The ordering asked for, from the allow-list and in either direction. Raises Invalid otherwise."""
    given = parameters.get("ordering", default)
    names = list(allowed)
    if given.removeprefix("-") not in names:
        raise invalid_parameter(
            "ordering", f"Not an ordering; accepted: {', '.join(names)}, each also with `-`.", "invalid_choice"
        )
    return given
